//! The ports to listen on.

use std::net::{IpAddr, SocketAddr};

use eruca_remoting::{BindError, check_listen};

/// A port to be listened on, and by whom.
pub(crate) type Wanted = (&'static str, SocketAddr);

/// The three ports of a broker: for clients, the VIP port two below, and the one for slaves. None to check where they are to be
/// found.
pub(crate) fn broker_ports(ip: IpAddr, port: u16, ha_port: u16) -> Vec<Wanted> {
    let Some(vip) = port.checked_sub(2) else { return Vec::new() };
    [("broker", port), ("broker-vip", vip), ("broker-ha", ha_port)]
        .map(|(name, port)| (name, SocketAddr::new(ip, port)))
        .to_vec()
}

/// Checks that all can be had now.
pub(crate) fn check_ports(wanted: &[Wanted]) -> Result<(), BindError> {
    wanted.iter().try_for_each(|(name, addr)| check_listen(name, *addr))
}
