//! What a connection that does not speak remoting looks like, for the one line that it gets in the log.

/// Bytes that are looked at.
const LOOKED_AT: usize = 8;

/// What the first bytes of a connection look like.
pub(crate) fn describe(first: &[u8]) -> &'static str {
    const HTTP_METHODS: [&[u8]; 8] =
        [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS", b"DELETE ", b"CONNECT", b"PATCH "];
    match first {
        [0x16, ..] => "looks like TLS: this port speaks plain remoting",
        [b'P', b'R', b'I', b' ', ..] => "looks like HTTP/2 (gRPC): this port speaks remoting",
        [b'P', b'R', b'O', b'X', b'Y', b' ', ..] | [b'\r', b'\n', b'\r', b'\n', 0, b'\r', b'\n', ..] => {
            "looks like the PROXY protocol: switch it off in the load balancer"
        }
        [b'S', b'S', b'H', b'-', ..] => "looks like SSH",
        [b'*', b'1'..=b'9', ..] => "looks like Redis",
        first if HTTP_METHODS.iter().any(|method| first.starts_with(method)) => {
            "looks like HTTP: this port speaks remoting"
        }
        _ => "is no remoting frame",
    }
}

/// What a connection began with, until it has shown that it speaks remoting.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FirstBytes {
    None,
    Some { bytes: [u8; LOOKED_AT], len: usize },
    WereAFrame,
}

impl FirstBytes {
    /// Remembers how `input` begins, unless a frame was seen already.
    pub(crate) fn look_at(&mut self, input: &[u8]) {
        if matches!(self, FirstBytes::WereAFrame) {
            return;
        }
        let mut bytes = [0; LOOKED_AT];
        let len = input.len().min(bytes.len());
        bytes.iter_mut().zip(input).for_each(|(to, from)| *to = *from);
        *self = FirstBytes::Some { bytes, len };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_strangers_are_recognised() {
        assert!(describe(&[0x16, 3, 1, 2, 0, 1, 0, 1]).contains("TLS"));
        assert!(describe(b"GET / HT").contains("HTTP"));
        assert!(describe(b"OPTIONS ").contains("HTTP"));
        assert!(describe(b"PRI * HT").contains("gRPC"));
        assert!(describe(b"PROXY TC").contains("PROXY"));
        assert!(describe(b"*1\r\n$4\r\n").contains("Redis"));
        assert_eq!(describe(&[0xff; 8]), "is no remoting frame");
        assert_eq!(describe(b""), "is no remoting frame");
    }
}
