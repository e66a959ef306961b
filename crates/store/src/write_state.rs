//! Whether the store takes messages, and if not, why: a state, not a log line.

use std::{
    io,
    mem::discriminant,
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use eruca_message::Timestamp;

use crate::disk::DiskError;

/// Why the store stopped writing. Reads go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteStopped {
    /// No room. Writes go on by themselves when there is room again.
    #[error(
        "the disk of {} is full: {free_bytes} bytes free, {threshold_bytes} needed; free some space or let less be kept (fileReservedTime), writing goes on by itself",
        path.display()
    )]
    DiskFull {
        /// The directory whose file system is full.
        path: PathBuf,
        /// Bytes free.
        free_bytes: u64,
        /// Bytes that have to be free.
        threshold_bytes: u64,
    },
    /// No file can be opened. Writes go on by themselves when one can.
    #[error(
        "{operation} {} failed ({detail}): let more files be open (`ulimit -n`, in systemd LimitNOFILE=, for the whole machine fs.file-max) or close some connections, writing goes on by itself",
        path.display()
    )]
    TooManyFiles {
        /// What failed: `create`, `open` …
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system answered.
        detail: String,
    },
    /// A write or sync failed, so the store no longer knows what the disk holds.
    #[error(
        "{operation} {} failed ({detail}): nothing is written until a restart; check the disk, then restart the broker",
        path.display()
    )]
    Io {
        /// What failed: `write`, `sync` …
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system answered.
        kind: io::ErrorKind,
        /// The same in words.
        detail: String,
    },
    /// The log is a copy of another store's, which alone takes messages: see [`crate::MessageStore::set_replica`].
    #[error("messages are put to the slave: this broker copies its master's log, send to the master")]
    Replica,
    /// [`crate::MessageStore::close`] was called.
    #[error("the store is shutting down: send to another broker or try again after the restart")]
    ShuttingDown,
}

impl WriteStopped {
    /// Whether writing goes on by itself when the cause is gone.
    pub fn recovers_by_itself(&self) -> bool {
        matches!(self, WriteStopped::DiskFull { .. } | WriteStopped::TooManyFiles { .. })
    }

    /// A failed file operation, as a reason. A full disk is [`crate::MessageStore`]'s to tell, which knows the figures.
    pub(crate) fn from_io(error: &DiskError) -> WriteStopped {
        if error.is_too_many_files() {
            // Nothing was written or synced then: what the disk holds is known.
            return WriteStopped::TooManyFiles {
                operation: error.operation,
                path: error.path.clone(),
                detail: error.source.to_string(),
            };
        }
        WriteStopped::Io {
            operation: error.operation,
            path: error.path.clone(),
            kind: error.source.kind(),
            detail: error.source.to_string(),
        }
    }
}

/// Whether the store takes messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteState {
    /// It does.
    Open,
    /// It does not, for this reason.
    Stopped(WriteStopped),
}

/// The state, shared; asking whether it is open costs one load.
#[derive(Debug, Default)]
pub(crate) struct WriteGate {
    stopped: AtomicBool,
    reasons: Mutex<Reasons>,
}

#[derive(Debug, Default)]
struct Reasons {
    /// What is wrong, and since when writing is stopped for whatever is.
    fault: Option<(WriteStopped, Timestamp)>,
    /// Since when the log is a copy of another.
    replica: Option<Timestamp>,
}

impl WriteGate {
    fn reasons(&self) -> MutexGuard<'_, Reasons> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Err` with the reason where no messages are taken.
    pub(crate) fn check(&self) -> Result<(), WriteStopped> {
        if !self.stopped.load(Ordering::Acquire) {
            return Ok(());
        }
        match &*self.reasons() {
            Reasons { fault: Some((why, _)), .. } => Err(why.clone()),
            Reasons { replica: Some(_), .. } => Err(WriteStopped::Replica),
            _ => Ok(()),
        }
    }

    /// Whether the log takes no messages of its own from now on.
    pub(crate) fn set_replica(&self, is_replica: bool, now: Timestamp) {
        let mut reasons = self.reasons();
        reasons.replica = is_replica.then(|| reasons.replica.unwrap_or(now));
        self.stopped.store(reasons.fault.is_some() || is_replica, Ordering::Release);
    }

    /// Stops writing at `now`; `true` where the reason is another one now.
    pub(crate) fn stop(&self, why: WriteStopped, now: Timestamp) -> bool {
        let mut reasons = self.reasons();
        let reason = &mut reasons.fault;
        // A full disk may pass, closing may still write what is there, a failed write ends it all: a reason gives
        // way only to a stronger one (or to newer figures of the same).
        let rank = |why: &WriteStopped| match why {
            WriteStopped::Replica | WriteStopped::DiskFull { .. } | WriteStopped::TooManyFiles { .. } => 0,
            WriteStopped::ShuttingDown => 1,
            WriteStopped::Io { .. } => 2,
        };
        let (old, new) = (reason.as_ref().map(|(old, _)| rank(old)), rank(&why));
        if old.is_some_and(|old| old > new || (old == new && new > 0)) {
            return false;
        }
        let changed = !reason.as_ref().is_some_and(|(old, _)| discriminant(old) == discriminant(&why));
        let since = reason.as_ref().map_or(now, |(_, since)| *since);
        *reason = Some((why, since));
        self.stopped.store(true, Ordering::Release);
        changed
    }

    /// Lets writing go on where what stopped it passes by itself, and has; `true` where the state changed.
    pub(crate) fn cause_is_gone(&self) -> bool {
        let mut reasons = self.reasons();
        if !reasons.fault.as_ref().is_some_and(|(why, _)| why.recovers_by_itself()) {
            return false;
        }
        reasons.fault = None;
        self.stopped.store(reasons.replica.is_some(), Ordering::Release);
        true
    }

    /// Whether the log is a copy of another.
    pub(crate) fn is_replica(&self) -> bool {
        self.stopped.load(Ordering::Acquire) && self.reasons().replica.is_some()
    }

    /// Since when writing is stopped.
    pub(crate) fn stopped_since(&self) -> Option<Timestamp> {
        let reasons = self.reasons();
        reasons.fault.as_ref().map(|(_, since)| *since).or(reasons.replica)
    }

    pub(crate) fn state(&self) -> WriteState {
        match self.check() {
            Ok(()) => WriteState::Open,
            Err(why) => WriteState::Stopped(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> WriteStopped {
        WriteStopped::DiskFull { path: "/data".into(), free_bytes: 10, threshold_bytes: 1000 }
    }

    fn io_failed() -> WriteStopped {
        let (operation, path) = ("sync", "/data/commitlog/0".into());
        WriteStopped::Io { operation, path, kind: io::ErrorKind::Other, detail: "input/output error".into() }
    }

    #[test]
    fn a_full_disk_recovers_and_a_failed_sync_does_not() {
        let gate = WriteGate::default();
        assert!(gate.stop(full(), Timestamp(5)));
        assert!(!gate.stop(full(), Timestamp(6)));
        assert_eq!((gate.check(), gate.stopped_since()), (Err(full()), Some(Timestamp(5))));
        assert!(gate.cause_is_gone());
        assert_eq!((gate.check(), gate.stopped_since()), (Ok(()), None));
        assert!(gate.stop(io_failed(), Timestamp(7)));
        assert!(!gate.stop(full(), Timestamp(8)));
        assert_eq!(gate.stopped_since(), Some(Timestamp(7)));
        assert!(!gate.cause_is_gone());
        assert_eq!(gate.state(), WriteState::Stopped(io_failed()));
    }

    #[test]
    fn a_replica_stays_one_whatever_else_passes() {
        let gate = WriteGate::default();
        gate.set_replica(true, Timestamp(3));
        gate.set_replica(true, Timestamp(4));
        assert_eq!((gate.check(), gate.stopped_since()), (Err(WriteStopped::Replica), Some(Timestamp(3))));
        assert!(gate.stop(full(), Timestamp(5)));
        assert_eq!(gate.check(), Err(full()));
        assert!(gate.cause_is_gone());
        assert_eq!(gate.check(), Err(WriteStopped::Replica));
        gate.set_replica(false, Timestamp(6));
        assert_eq!((gate.check(), gate.stopped_since()), (Ok(()), None));
    }

    #[test]
    fn the_text_names_path_value_limit_and_remedy() {
        let text = full().to_string();
        for part in ["/data", "10 bytes free", "1000 needed", "goes on by itself"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(io_failed().to_string().contains("restart the broker"));
    }
}
