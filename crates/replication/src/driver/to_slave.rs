//! The thread of one slave.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use eruca_message::Timestamp;
use eruca_store::CopyError;
use tokio::{net::TcpStream, sync::watch};

use super::replicas::{Bell, Replicas};
use crate::classic::{MasterError, MasterSession, Next, Outgoing};

/// Reports are short; many may have come.
const READ_BYTES: usize = 4096;

/// Why a slave is left alone.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("it closed the connection")]
    Closed,
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Session(#[from] MasterError),
    #[error("{0}")]
    Log(#[from] CopyError),
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
            Connection { replicas, session, bell: &bell, stream }.run().await
        };
        tokio::select! {
            ended = connection => Some(ended),
            _ = stop.wait_for(|stop| *stop) => None,
        }
    });
    replicas.left(session, &bell);
    match ended {
        None => {}
        Some(Err(why @ (Ended::Session(_) | Ended::Log(_)))) => {
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
    async fn run(self) -> Result<(), Ended> {
        self.stream.set_nodelay(true)?;
        let mut session = MasterSession::open(self.replicas.now());
        let mut outgoing = Outgoing::default();
        let mut told = None;
        loop {
            self.hear(&mut session)?;
            let mut until = None;
            if outgoing.pending().is_empty() {
                until = self.put_out(&mut session, &mut outgoing)?;
                let tells = (session.position(), session.bytes_per_second());
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
                self.sleep(&session, until).await?;
            }
        }
    }

    /// Takes what the slave said, where it said something.
    fn hear(&self, session: &mut MasterSession) -> Result<(), Ended> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Err(Ended::Closed),
                Ok(read) => {
                    // The log is looked at after the report came: the slave has nothing that is not there.
                    let (log, now) = (self.replicas.source(), self.replicas.now());
                    let said = session.receive(buffer.get(..read).unwrap_or_default(), &log, now)?;
                    if let Some(has) = said {
                        self.replicas.acknowledged(self.session, has);
                    }
                    if read < READ_BYTES {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Puts together what goes out now; until when there is nothing.
    fn put_out(
        &self,
        session: &mut MasterSession,
        outgoing: &mut Outgoing,
    ) -> Result<Option<Timestamp>, Ended> {
        let (store, how, now) =
            (self.replicas.store(), self.replicas.settings().shipped, self.replicas.now());
        match session.next(&self.replicas.source(), &how, now)? {
            Next::Wait(until) => return Ok(Some(until)),
            Next::SignOfLife(bytes) => outgoing.push(&bytes),
            Next::Log { from, bytes } => {
                let read = |at, len, into: &mut Vec<u8>| store.read_raw_log(at, len, into);
                let sent = outgoing.fill(from, bytes, how.batch_bytes, read)?;
                session.sent(sent, now);
            }
        }
        Ok(None)
    }

    /// Sleeps until the log gets longer, the slave says something or `until`.
    async fn sleep(&self, session: &MasterSession, until: Timestamp) -> Result<(), Ended> {
        self.bell.sleeps.store(true, Ordering::SeqCst);
        std::sync::atomic::fence(Ordering::SeqCst);
        let is_longer = session.position().is_some_and(|at| self.replicas.source().end > at);
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
