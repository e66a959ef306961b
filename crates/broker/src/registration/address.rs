//! Addresses: of the name servers, and the one that clients are told of us.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};

/// An address of documentation, never reached: only asks which interface leads out.
const SOMEWHERE_OUTSIDE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);

/// Splits `host:port;host:port` into its parts; the first part that is none is the error.
pub fn name_server_addresses(text: &str) -> Result<Vec<String>, String> {
    let mut addresses = Vec::new();
    for part in text.split([';', ',']).map(str::trim).filter(|part| !part.is_empty()) {
        let valid = part.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains(['/', ' ']) && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if !valid {
            return Err(part.chars().take(128).collect());
        }
        if !addresses.iter().any(|known| known == part) {
            addresses.push(part.to_owned());
        }
    }
    Ok(addresses)
}

/// What clients are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// Host name or IP.
    pub host: String,
    /// Its IP: messages and their ids carry it.
    pub ip: IpAddr,
    /// Whether it was configured, or found out.
    pub is_configured: bool,
}

/// Why the configured address cannot be told to clients.
#[derive(Debug, thiserror::Error)]
#[error(
    "brokerIP1 (--advertise) is '{host}', which is no address: {reason}; give an IP or a host name that clients can resolve"
)]
pub struct AdvertiseError {
    /// The configured value.
    pub host: String,
    /// What is wrong.
    pub reason: String,
}

/// What clients are told: `brokerIP1` where it is set; else the address we listen on; else that of the interface
/// towards the first name server; where that is this machine, that of the interface that leads out.
pub fn advertised(
    configured: Option<&str>,
    bind: IpAddr,
    name_servers: &[String],
) -> Result<Advertised, AdvertiseError> {
    if let Some(host) = configured.map(str::trim).filter(|host| !host.is_empty()) {
        let host = host.to_owned();
        let ip = resolve(&host).map_err(|reason| AdvertiseError { host: host.clone(), reason })?;
        return Ok(Advertised { host, ip, is_configured: true });
    }
    let ip = if bind.is_unspecified() { interface_towards(name_servers) } else { bind };
    Ok(Advertised { host: ip.to_string(), ip, is_configured: false })
}

fn resolve(host: &str) -> Result<IpAddr, String> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return if ip.is_unspecified() { Err("it means every address".to_owned()) } else { Ok(ip) };
    }
    let addresses: Vec<SocketAddr> =
        (host, 0).to_socket_addrs().map_err(|error| error.to_string())?.collect();
    let v4 = addresses.iter().find(|address| address.is_ipv4());
    v4.or(addresses.first()).map(SocketAddr::ip).ok_or_else(|| "it has no address".to_owned())
}

fn interface_towards(name_servers: &[String]) -> IpAddr {
    let towards_first = name_servers.iter().find_map(|address| {
        let target = address.to_socket_addrs().ok()?.find(SocketAddr::is_ipv4)?;
        local_ip_towards(target)
    });
    towards_first
        .filter(|ip| !ip.is_loopback())
        .or_else(|| local_ip_towards(SOMEWHERE_OUTSIDE.into()))
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Asks the routing table; nothing is sent.
fn local_ip_towards(target: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(target).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_name_servers() {
        assert_eq!(name_server_addresses("").unwrap(), Vec::<String>::new());
        let list = name_server_addresses(" a:1 ; b.example:9876;;a:1;[::1]:9876").unwrap();
        assert_eq!(list, ["a:1", "b.example:9876", "[::1]:9876"]);
        for bad in ["a", "a:b", ":1", "http://x:1", "a:0", "a:70000"] {
            assert_eq!(name_server_addresses(&format!("ok:1;{bad}")), Err(bad.to_owned()));
        }
    }

    #[test]
    fn what_is_configured_is_told() {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let told = advertised(Some("203.0.113.7"), any, &[]).unwrap();
        assert_eq!((told.host.as_str(), told.is_configured), ("203.0.113.7", true));
        assert!(advertised(Some("localhost"), any, &[]).unwrap().ip.is_loopback());
        assert!(advertised(Some("0.0.0.0"), any, &[]).is_err());
        let bound = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        assert_eq!(advertised(None, bound, &[]).unwrap().ip, bound);
        assert!(!advertised(None, any, &["127.0.0.1:9876".to_owned()]).unwrap().ip.is_unspecified());
    }
}
