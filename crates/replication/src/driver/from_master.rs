//! The thread that copies a master's log.

use std::{io, sync::Arc, time::Duration};

use eruca_message::{LogOffset, Timestamp};
use eruca_store::{CopyError, WriteStopped};
use tokio::{net::TcpStream, sync::watch};

use super::{
    copies::{Copies, GroupSession, PlainSession},
    replicas::Replicas,
};
use crate::{auto_switch, classic, group::GroupCopyError};

/// Pause after a connection that ended or could not be made.
const PAUSE: Duration = Duration::from_secs(5);
/// And where the one before had copied something: the master may only have been restarted.
const PAUSE_SHORT: Duration = Duration::from_millis(200);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that are read at once, and written with one write.
const READ_BYTES: usize = 1 << 20;
const SECOND_MS: i64 = 1000;

/// The copy of a master's log, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyState {
    /// `host:port` of the master's HA service.
    pub master: String,
    /// Since when the connection is up.
    pub connected_since: Option<Timestamp>,
    /// When the master last sent something.
    pub heard: Timestamp,
    /// When it was last told what is here.
    pub reported: Timestamp,
    /// Bytes of the log that came in the last second.
    pub bytes_per_second: u64,
    /// Why the last connection ended.
    pub failure: Option<String>,
}

/// Why a connection to the master ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the master closed the connection")]
    Closed,
    #[error(
        "the master closed the connection as soon as it was told that this log ends at {0}: it may have less (look at its log \
         file). If this slave has what the master has not, keep its directory and start it with an empty one"
    )]
    ClosedAtOnce(LogOffset),
    #[error("no connection within {} s", CONNECT_TIMEOUT.as_secs())]
    TimedOut,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Session(#[from] classic::SlaveError<CopyError>),
    #[error("{0}")]
    GroupSession(#[from] auto_switch::SlaveError<GroupCopyError>),
    #[error("{0}")]
    GroupCopy(#[from] GroupCopyError),
    #[error("this broker has no number of the controller yet")]
    NoNumber,
    #[error("nothing came from the master for {silent_ms} ms (haHousekeepingInterval={limit_ms})")]
    Silent { silent_ms: i64, limit_ms: i64 },
    #[error("{0}")]
    Copy(#[from] CopyError),
    #[error("{0}")]
    Stopped(#[from] WriteStopped),
}

/// Copies whatever `master` says, until the service stops.
pub(super) fn run(
    replicas: &Arc<Replicas>,
    mut master: watch::Receiver<Option<String>>,
    mut stop: watch::Receiver<bool>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the log of a master cannot be copied");
            return;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            () = follow(replicas, &mut master) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    });
    runtime.shutdown_background();
}

async fn follow(replicas: &Replicas, master: &mut watch::Receiver<Option<String>>) {
    loop {
        let Some(address) = master.borrow_and_update().clone() else {
            *replicas.copy_state() = None;
            if master.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            () = copy_on(replicas, &address) => {}
            changed = master.changed() => if changed.is_err() { return },
        }
    }
}

/// Copies from one master, again and again.
async fn copy_on(replicas: &Replicas, address: &str) {
    let now = replicas.now();
    *replicas.copy_state() = Some(CopyState {
        master: address.to_owned(),
        connected_since: None,
        heard: now,
        reported: now,
        bytes_per_second: 0,
        failure: None,
    });
    loop {
        let before = replicas.store().log_range().1;
        let Err(why) = copy(replicas, address).await;
        let text = why.to_string();
        let is_news = {
            let mut state = replicas.copy_state();
            let Some(state) = state.as_mut() else { return };
            state.connected_since = None;
            state.bytes_per_second = 0;
            state.failure.replace(text) != Some(why.to_string())
        };
        if is_news {
            tracing::warn!(master = address, %why, "the log of the master is not copied, it is tried again");
        }
        let has_copied = replicas.store().log_range().1 > before;
        // With a controller somebody is master already, and will be in a moment for its slaves.
        let is_short = has_copied || replicas.group().is_some();
        tokio::time::sleep(if is_short { PAUSE_SHORT } else { PAUSE }).await;
    }
}

async fn copy(replicas: &Replicas, address: &str) -> Result<std::convert::Infallible, Ended> {
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
    let stream = connecting.await.map_err(|_| Ended::TimedOut)??;
    stream.set_nodelay(true)?;
    if replicas.settings().acknowledges_flushed {
        // Else less would be asked for than is here.
        replicas.store().flush_step()?;
    }
    tracing::info!(master = address, from = %replicas.store().log_range().1, "the log of the master is copied");
    if let Some(state) = replicas.copy_state().as_mut() {
        state.connected_since = Some(replicas.now());
    }
    let copy = Copy { replicas, stream, second: (replicas.now(), 0) };
    match replicas.group() {
        Some(group) => copy.run(GroupSession::open(group, replicas)?).await,
        None => copy.run(PlainSession::open(replicas)?).await,
    }
}

struct Copy<'a> {
    replicas: &'a Replicas,
    stream: TcpStream,
    second: (Timestamp, u64),
}

impl Copy<'_> {
    async fn run(mut self, mut session: impl Copies) -> Result<std::convert::Infallible, Ended> {
        let store = self.replicas.store();
        let began_at = store.log_range().1;
        let mut buffer = vec![0; READ_BYTES];
        let mut is_first = true;
        loop {
            let settings = self.replicas.settings();
            let now = self.replicas.now();
            session.check_silence(settings.shipped.silence_max_ms, now)?;
            let marks = store.watermarks();
            let has = if settings.acknowledges_flushed { marks.flushed } else { marks.written };
            if let Some(report) = session.report(has, settings.shipped.heartbeat_ms, now) {
                self.write(&report).await?;
            }
            self.tell(session.heard(), session.reported_at().unwrap_or(now), now);
            let due_ms = session.reported_at().map_or(0, |at| {
                (settings.shipped.heartbeat_ms - now.ms_since(at)).min(settings.shipped.silence_max_ms)
            });
            let due = Duration::from_millis(u64::try_from(due_ms).unwrap_or(0).max(1));
            tokio::select! {
                ready = self.stream.readable() => ready?,
                () = tokio::time::sleep(due) => continue,
            }
            let read = match self.stream.try_read(&mut buffer) {
                Ok(0) if is_first && began_at.0 > 0 && self.replicas.group().is_none() => {
                    return Err(Ended::ClosedAtOnce(began_at));
                }
                Ok(0) => return Err(Ended::Closed),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            };
            is_first = false;
            self.second.1 += read as u64;
            let bytes = buffer.get(..read).unwrap_or_default();
            session.receive(bytes, self.replicas.now())?;
            if settings.acknowledges_flushed {
                store.flush_step()?;
            }
        }
    }

    async fn write(&self, mut bytes: &[u8]) -> Result<(), Ended> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Keeps what those see who look at the broker.
    fn tell(&mut self, heard: Timestamp, reported: Timestamp, now: Timestamp) {
        let mut state = self.replicas.copy_state();
        let Some(state) = state.as_mut() else { return };
        (state.heard, state.reported) = (heard, reported);
        if !(0..SECOND_MS).contains(&now.ms_since(self.second.0)) {
            state.bytes_per_second = self.second.1;
            self.second = (now, 0);
        }
    }
}
