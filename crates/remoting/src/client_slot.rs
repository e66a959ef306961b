//! One address of a client: its connection, and the single attempt to make one.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

use crate::{
    Caller, CommandService, InvokeError, TaskGroup, connection::Connection, limits::Shared, link::Link,
};

/// The place of one address among a client's connections.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    caller: Mutex<Option<Caller>>,
    /// Held by the one that connects; holds how the last attempt failed.
    attempt: tokio::sync::Mutex<Option<Failure>>,
}

#[derive(Debug)]
struct Failure {
    at: Instant,
    error: InvokeError,
}

impl Slot {
    /// The connection, if it is open.
    pub(crate) fn open_caller(&self) -> Option<Caller> {
        self.lock().clone().filter(Caller::is_open)
    }

    /// Whether the slot has an open connection or someone is making one.
    pub(crate) fn is_in_use(&self) -> bool {
        self.open_caller().is_some() || self.attempt.try_lock().is_err()
    }

    /// Forgets this connection without closing it.
    pub(crate) fn leave(&self, caller: &Caller) {
        let mut current = self.lock();
        if current.as_ref() == Some(caller) {
            *current = None;
        }
    }

    /// Connects, or waits for another one's attempt and shares its outcome.
    pub(crate) async fn connect(
        &self,
        addr: &str,
        timeout: Duration,
        shared: &Arc<Shared>,
        service: &Arc<dyn CommandService>,
        tasks: &TaskGroup,
    ) -> Result<Caller, InvokeError> {
        let began_at = Instant::now();
        let timed_out = || InvokeError::Timeout { addr: addr.into(), after: timeout };
        let mut last_failure =
            tokio::time::timeout(timeout, self.attempt.lock()).await.map_err(|_elapsed| timed_out())?;
        if let Some(caller) = self.open_caller() {
            return Ok(caller);
        }
        if let Some(failure) = last_failure.as_ref().filter(|failure| failure.at >= began_at) {
            return Err(failure.error.clone());
        }
        let left = timeout.saturating_sub(began_at.elapsed());
        match dial(addr, left).await {
            Ok((stream, link)) => {
                let link = link(shared);
                let connection = Connection::new(stream, link.clone(), service.clone());
                let caller = Caller::new(link);
                *self.lock() = Some(caller.clone());
                *last_failure = None;
                tasks.spawn("connection", connection.run());
                Ok(caller)
            }
            Err(source) => {
                let error = InvokeError::Connect { addr: addr.into(), source: Arc::new(source) };
                *last_failure = Some(Failure { at: Instant::now(), error: error.clone() });
                Err(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Caller>> {
        self.caller.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket, and how to make its link.
async fn dial(
    addr: &str,
    timeout: Duration,
) -> io::Result<(TcpStream, impl FnOnce(&Arc<Shared>) -> Arc<Link>)> {
    let connect = async {
        let stream = TcpStream::connect(with_brackets(addr)).await?;
        stream.set_nodelay(true)?;
        let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
        Ok((stream, move |shared: &Arc<Shared>| Link::new(peer, local, shared.clone(), None)))
    };
    tokio::time::timeout(timeout, connect).await.unwrap_or_else(|_elapsed| {
        let text = format!("no connection within {} ms", timeout.as_millis());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

/// Java writes IPv6 addresses as `ip:port`, split at the last colon; the system wants brackets.
fn with_brackets(addr: &str) -> String {
    match addr.rsplit_once(':') {
        Some((ip, port)) if ip.contains(':') && !ip.starts_with('[') => format!("[{ip}]:{port}"),
        _ => addr.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_addresses_of_java_get_brackets() {
        assert_eq!(with_brackets("::1:9876"), "[::1]:9876");
        assert_eq!(with_brackets("[::1]:9876"), "[::1]:9876");
        assert_eq!(with_brackets("localhost:9876"), "localhost:9876");
        assert_eq!(with_brackets("10.0.0.1:9876"), "10.0.0.1:9876");
    }
}
