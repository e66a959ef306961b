//! Who we say we are.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv4Addr},
};

use tokio::net::UdpSocket;

/// A number that differs from call to call and process to process.
///
/// Enough to tell clients apart, not for secrets: std seeds its hasher from the operating system.
pub(crate) fn random_u64() -> u64 {
    RandomState::new().hash_one(0u8)
}

/// The address of this host as `peer` (`host:port`) would see it, without sending anything; 127.0.0.1 where there is no
/// way to it.
pub(crate) async fn local_ip(peer: &str) -> IpAddr {
    for any in ["0.0.0.0:0", "[::]:0"] {
        let Ok(socket) = UdpSocket::bind(any).await else { continue };
        if socket.connect(peer).await.is_ok()
            && let Ok(addr) = socket.local_addr()
        {
            return addr.ip();
        }
    }
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

/// A client id (`ip@instance`) that no other client has.
///
/// Java's `ip@pid#nanos` collides where containers have equal addresses and process ids, and then two consumers share
/// one set of queues; hence the random part.
pub(crate) fn unique_client_id(ip: IpAddr, random: u64) -> String {
    format!("{ip}@{}-{random:016x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_process_differ() {
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        let (a, b) = (unique_client_id(ip, random_u64()), unique_client_id(ip, random_u64()));
        assert_ne!(a, b);
        assert!(a.starts_with("10.0.0.1@"), "{a}");
    }
}
