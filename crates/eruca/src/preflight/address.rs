//! The address that clients are told.

use std::net::{IpAddr, ToSocketAddrs};

use crate::failure::Failure;

/// Checks that `host`, which `option` gave, is a name or address that clients can use.
pub(crate) fn check_advertised(option: &str, host: &str) -> Result<(), Failure> {
    if host.is_empty()
        || host.contains([' ', '/', ';'])
        || (host.contains(':') && host.parse::<IpAddr>().is_err())
    {
        return Err(Failure::new(
            format!("{option} '{host}' is no host name or IP address"),
            "write it without port, scheme or blanks, e.g. broker.example.com or 192.0.2.10",
        ));
    }
    let resolved = (host, 0).to_socket_addrs().map_err(|error| {
        Failure::new(
            format!("{option} '{host}' cannot be resolved ({error})"),
            "clients are told this name: use one that DNS or /etc/hosts knows, or an IP address",
        )
    })?;
    if resolved.into_iter().any(|addr| addr.ip().is_unspecified()) {
        return Err(Failure::new(
            format!(
                "{option} '{host}' stands for all addresses of this machine, which clients cannot connect to"
            ),
            "name one of them",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_taken() {
        for host in ["127.0.0.1", "::1", "localhost"] {
            check_advertised("--advertise", host).unwrap();
        }
    }

    #[test]
    fn what_clients_cannot_use_is_refused_by_name() {
        for host in ["", "a b", "127.0.0.1:10911", "http://x", "0.0.0.0", "::", "no-such-host.invalid"] {
            let text = check_advertised("--advertise", host).unwrap_err().to_string();
            assert!(text.starts_with(&format!("--advertise '{host}'")), "{text}");
        }
    }
}
