//! The list of name servers, and which of them to ask.

use crate::ConfigError;

/// Addresses of name servers that know the same brokers but not each other. Pure: the caller reports failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameServers {
    addrs: Vec<String>,
    current: usize,
}

impl NameServers {
    /// Reads `host:port;host:port`; `,` and blanks separate, too. `start` chooses the one to begin with, so that many
    /// clients spread over the list.
    pub(crate) fn parse(list: &str, start: usize) -> Result<Self, ConfigError> {
        let refused = |why| ConfigError::NameServers { list: list.chars().take(200).collect(), why };
        let mut addrs: Vec<String> = Vec::new();
        for part in list.split([';', ',', ' ']).map(str::trim).filter(|part| !part.is_empty()) {
            let (host, port) = part.rsplit_once(':').ok_or(refused("an address has no port"))?;
            if host.is_empty() {
                return Err(refused("an address has no host"));
            }
            if port.parse::<u16>().is_err() {
                return Err(refused("a port is not a number of at most 65535"));
            }
            if !addrs.iter().any(|addr| addr == part) {
                addrs.push(part.to_owned());
            }
        }
        if addrs.is_empty() {
            return Err(refused("there is no address"));
        }
        Ok(NameServers { current: start % addrs.len(), addrs })
    }

    /// The one to ask now.
    pub(crate) fn current(&self) -> &str {
        // `current` is always taken modulo the length of a list that is not empty.
        self.addrs.get(self.current).map_or("", String::as_str)
    }

    /// `addr` did not answer: the next one's turn. Nothing happens where another caller has already moved on.
    pub(crate) fn failed(&mut self, addr: &str) {
        if self.current() == addr {
            self.current = (self.current + 1) % self.addrs.len();
        }
    }

    /// All addresses.
    pub(crate) fn addrs(&self) -> &[String] {
        &self.addrs
    }

    /// The list as text.
    pub(crate) fn to_text(&self) -> String {
        self.addrs.join(";")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fail_over_goes_round_and_moves_once_per_failure() {
        let mut servers = NameServers::parse("a:1; b:2,c:3;a:1", 1).unwrap();
        assert_eq!(servers.current(), "b:2");
        servers.failed("b:2");
        servers.failed("b:2");
        assert_eq!(servers.current(), "c:3");
        servers.failed("c:3");
        assert_eq!(servers.current(), "a:1");
        assert_eq!(servers.to_text(), "a:1;b:2;c:3");
    }

    #[test]
    fn lists_that_name_no_server_are_refused() {
        for list in ["", " ; ", "host", ":9876", "host:port", "host:70000"] {
            assert!(NameServers::parse(list, 0).is_err(), "{list}");
        }
    }

    #[test]
    fn ipv6_addresses_are_taken() {
        assert_eq!(NameServers::parse("[::1]:9876", 7).unwrap().current(), "[::1]:9876");
    }
}
