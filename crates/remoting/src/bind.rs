//! Listening sockets, and what to say when there is none to be had.

use std::{io, net::SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::port_owner::port_owner;

/// Connections that wait to be accepted; as Java's servers have it.
const BACKLOG: i32 = 1024;

/// A server could not listen.
#[derive(Debug, thiserror::Error)]
#[error("{name} cannot listen on {addr}: {source}; {remedy}")]
pub struct BindError {
    /// Which server.
    pub name: &'static str,
    /// Where it was to listen.
    pub addr: SocketAddr,
    /// What the system said.
    pub source: io::Error,
    /// Who is to blame and what helps.
    pub remedy: String,
}

/// Whether `name` could listen on `addr` now: for checks before anything is started. Port 0 always can.
///
/// # Errors
/// As [`crate::Server::bind`].
pub fn check_listen(name: &'static str, addr: SocketAddr) -> Result<(), BindError> {
    listen(name, addr).map(drop)
}

/// A listening socket at exactly this address.
///
/// `SO_REUSEADDR` lets a restarted server have its port back at once. `SO_REUSEPORT` is left out on purpose: a second
/// process on the same port must fail, not take half of the connections.
pub(crate) fn listen(name: &'static str, addr: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    let socket = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    match socket() {
        Ok(socket) => Ok(socket.into()),
        Err(source) => Err(BindError { name, addr, remedy: remedy(addr, &source), source }),
    }
}

fn remedy(addr: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => match port_owner(addr.port()) {
            Some(owner) => format!("the port is held by {owner}: stop it or choose another port"),
            None => format!(
                "another process holds the port (`ss -ltnp 'sport = :{}'` names it): stop it or choose another port",
                addr.port()
            ),
        },
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "this machine has no address {}: listen on one that `ip addr` shows, or on 0.0.0.0",
                addr.ip()
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {} is reserved for root: choose one from 1024 up", addr.port())
        }
        _ => "choose another address or port".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_listener_on_a_port_is_refused_and_the_first_one_named() {
        let first = listen("first", ([127, 0, 0, 1], 0).into()).unwrap();
        let addr = first.local_addr().unwrap();
        let error = listen("name server", addr).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("name server cannot listen on {addr}: ")), "{text}");
        if cfg!(target_os = "linux") {
            assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        }
        assert!(text.ends_with("stop it or choose another port"), "{text}");
    }

    #[test]
    fn an_address_of_another_machine_is_explained() {
        let error = listen("broker", ([192, 0, 2, 1], 0).into()).unwrap_err();
        assert!(error.to_string().contains("no address 192.0.2.1"), "{error}");
    }
}
