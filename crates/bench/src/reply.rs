//! Code and number of an answer, read without decoding the rest of it.

use memchr::memmem;

/// Bytes of a frame before its header.
const PREFIX_LEN: usize = 8;

/// What a load has to know of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplyHead {
    /// The response code.
    pub(crate) code: i32,
    /// Whose answer it is.
    pub(crate) opaque: i32,
}

impl ReplyHead {
    /// Reads it from a whole frame. `None` for a header that is written as no known peer does: decode it then.
    pub(crate) fn scan(frame: &[u8]) -> Option<ReplyHead> {
        let [encoding, high, middle, low] = *frame.get(4..PREFIX_LEN)?.first_chunk::<4>()?;
        let header_len = u32::from_be_bytes([0, high, middle, low]) as usize;
        let header = frame.get(PREFIX_LEN..)?.get(..header_len)?;
        match encoding {
            0 => Some(ReplyHead {
                code: number_behind(header, b"\"code\":")?,
                opaque: number_behind(header, b"\"opaque\":")?,
            }),
            1 => {
                let (code, rest) = header.split_first_chunk::<2>()?;
                // Language and version lie between.
                let opaque = rest.get(3..)?.first_chunk::<4>()?;
                Some(ReplyHead {
                    code: i32::from(i16::from_be_bytes(*code)),
                    opaque: i32::from_be_bytes(*opaque),
                })
            }
            _ => None,
        }
    }
}

/// The number that follows `key`. Inside of a text there would be a backslash before the key's last quotation mark.
fn number_behind(header: &[u8], key: &[u8]) -> Option<i32> {
    let text = header.get(memmem::find(header, key)? + key.len()..)?;
    let len = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
    std::str::from_utf8(text.get(..len)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use eruca_protocol::{
        HeaderEncoding, RemotingCommand, RequestCode, ResponseCode, request::SendMessageResponse,
    };
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_scan_reads_what_the_encoder_writes() {
        let header = SendMessageResponse { msg_id: "\"opaque\":5".to_owned(), ..Default::default() };
        for encoding in [HeaderEncoding::Json, HeaderEncoding::Binary] {
            for (code, opaque) in [(ResponseCode::SUCCESS, 1_234_567_890), (ResponseCode(-3), -7)] {
                let mut request = RemotingCommand::request_without_header(RequestCode::SEND_MESSAGE_V2);
                (request.encoding, request.opaque) = (encoding, opaque);
                let mut reply = request.reply_with(&header).with_remark("\"code\":9").with_body("body");
                reply.code = code.0;
                let mut frame = BytesMut::new();
                reply.encode(&mut frame).unwrap();
                assert_eq!(ReplyHead::scan(&frame), Some(ReplyHead { code: code.0, opaque }), "{encoding:?}");
            }
        }
    }

    #[test]
    fn another_spelling_is_left_to_the_decoder() {
        let header = b"{\"code\" : 0, \"opaque\" : 1}";
        let mut frame = vec![0, 0, 0, 4 + header.len() as u8, 0, 0, 0, header.len() as u8];
        frame.extend_from_slice(header);
        assert_eq!(ReplyHead::scan(&frame), None);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), encoding in 0u8..3) {
            let mut frame = vec![0, 0, 0, 0, encoding, 0, 0, bytes.len() as u8];
            frame.extend_from_slice(&bytes);
            let _ = ReplyHead::scan(&frame);
            let _ = ReplyHead::scan(&bytes);
        }
    }
}
