//! The thread of one slave.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use eruca_message::{LogOffset, Timestamp};
use eruca_store::CopyError;
use tokio::{net::TcpStream, sync::watch};

use super::{
    replicas::{Bell, Replicas},
    ships::{GroupShip, Ship, Ships},
};
use crate::{auto_switch, classic, classic::Outgoing};

/// Reports are short; many may have come.
const READ_BYTES: usize = 4096;

/// Why a slave is left alone.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("it closed the connection")]
    Closed,
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Session(#[from] classic::MasterError),
    #[error("{0}")]
    GroupSession(#[from] auto_switch::MasterError),
    #[error("{0}")]
    Log(#[from] CopyError),
    #[error("nothing came from the slave for {silent_ms} ms (haHousekeepingInterval={limit_ms})")]
    Silent { silent_ms: i64, limit_ms: i64 },
    #[error("the log has {0} no more")]
    Shorter(LogOffset),
    #[error("this broker is not the master that the slave came to")]
    NoMaster,
}

/// Serves a slave until its connection ends or the service stops.
pub(super) fn serve(
    replicas: &Arc<Replicas>,
    session: u64,
    stream: std::net::TcpStream,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%peer, %error, "a slave cannot be served");
            return;
        }
    };
    let bell = replicas.joined(session, peer.to_string());
    tracing::info!(slave = %peer, "a slave came");
    let ended = runtime.block_on(async {
        let connection = async {
            let stream = TcpStream::from_std(stream)?;
            let connection = Connection { replicas, session, bell: &bell, stream };
            match replicas.group() {
                Some(group) => connection.run(GroupShip::new(replicas, group, session)).await,
                None => connection.run(Ship::new(replicas, session)).await,
            }
        };
        tokio::select! {
            ended = connection => Some(ended),
            _ = stop.wait_for(|stop| *stop) => None,
        }
    });
    replicas.left(session, &bell);
    match ended {
        None => {}
        Some(Err(why @ (Ended::Session(_) | Ended::GroupSession(_) | Ended::Log(_)))) => {
            tracing::warn!(slave = %peer, %why, "the connection to a slave is closed");
        }
        Some(Err(why)) => tracing::info!(slave = %peer, %why, "a slave is gone"),
        Some(Ok(())) => {}
    }
}

struct Connection<'a> {
    replicas: &'a Replicas,
    session: u64,
    bell: &'a Bell,
    stream: TcpStream,
}

impl Connection<'_> {
    async fn run(self, mut ship: impl Ships) -> Result<(), Ended> {
        self.stream.set_nodelay(true)?;
        let mut outgoing = Outgoing::default();
        let mut told = None;
        loop {
            self.hear(&mut ship)?;
            let mut until = None;
            if outgoing.pending().is_empty() {
                until = ship.put_out(&mut outgoing)?;
                let tells = (ship.position(), ship.bytes_per_second());
                if told != Some(tells)
                    && let Some(position) = tells.0
                {
                    told = Some(tells);
                    self.replicas.in_sync().sends(self.session, position, tells.1);
                }
            }
            if !outgoing.pending().is_empty() {
                match self.stream.try_write(outgoing.pending()) {
                    Ok(written) => outgoing.wrote(written),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        tokio::select! {
                            ready = self.stream.writable() => ready?,
                            ready = self.stream.readable() => ready?,
                        }
                    }
                    Err(error) => return Err(error.into()),
                }
                // What the slave said is seen only where this thread looks for it.
                tokio::task::yield_now().await;
            } else if let Some(until) = until {
                self.sleep(&ship, until).await?;
            }
        }
    }

    /// Takes what the slave said, where it said something.
    fn hear(&self, ship: &mut impl Ships) -> Result<(), Ended> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Err(Ended::Closed),
                Ok(read) => {
                    ship.hear(buffer.get(..read).unwrap_or_default())?;
                    if read < READ_BYTES {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sleeps until the log gets longer, the slave says something or `until`.
    async fn sleep(&self, ship: &impl Ships, until: Timestamp) -> Result<(), Ended> {
        self.bell.sleeps.store(true, Ordering::SeqCst);
        std::sync::atomic::fence(Ordering::SeqCst);
        let is_longer = ship.position().is_some_and(|at| self.replicas.source().end > at);
        let is_limited = self.replicas.settings().shipped.bytes_per_second.is_some();
        if is_longer && !is_limited {
            self.bell.sleeps.store(false, Ordering::SeqCst);
            return Ok(());
        }
        let left_ms = u64::try_from(until.ms_since(self.replicas.now())).unwrap_or(0);
        let slept = tokio::select! {
            ready = self.stream.readable() => ready,
            () = self.bell.notify.notified() => Ok(()),
            () = tokio::time::sleep(Duration::from_millis(left_ms)) => Ok(()),
        };
        self.bell.sleeps.store(false, Ordering::SeqCst);
        slept.map_err(Ended::from)
    }
}
