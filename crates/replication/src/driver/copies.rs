//! A slave's side of the connection to its master, in either protocol.

use std::sync::Arc;

use eruca_message::{LogOffset, Timestamp};
use eruca_store::{CopyError, MessageStore};

use super::{from_master::Ended, replicas::Replicas};
use crate::{
    auto_switch,
    classic::{self, CopiedLog},
    group::{GroupCopy, GroupLog},
};

/// What the thread that copies does with its connection.
pub(super) trait Copies {
    /// Takes what the master sent.
    fn receive(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), Ended>;
    /// What is to be sent where this log ends at `has`.
    fn report(&mut self, has: LogOffset, heartbeat_ms: i64, now: Timestamp) -> Option<Vec<u8>>;
    /// Whether the master is still there.
    fn check_silence(&self, limit_ms: i64, now: Timestamp) -> Result<(), Ended>;
    /// When something last came.
    fn heard(&self) -> Timestamp;
    /// When something was last sent.
    fn reported_at(&self) -> Option<Timestamp>;
}

/// Without a controller.
pub(super) struct PlainSession<'a> {
    store: &'a MessageStore,
    session: classic::SlaveSession,
}

/// The store as the session sees it.
struct StoreLog<'a>(&'a MessageStore);

impl CopiedLog for StoreLog<'_> {
    type Error = CopyError;

    fn append(&mut self, at: LogOffset, bytes: &[u8]) -> Result<(), CopyError> {
        self.0.append_copy(at, bytes).map(drop)
    }
}

impl<'a> PlainSession<'a> {
    pub(super) fn open(replicas: &'a Replicas) -> Result<Self, Ended> {
        let store = replicas.store();
        let end = store.begin_copy()?;
        Ok(PlainSession { store, session: classic::SlaveSession::open(end, replicas.now()) })
    }
}

impl Copies for PlainSession<'_> {
    fn receive(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), Ended> {
        Ok(self.session.receive(bytes, &mut StoreLog(self.store), now)?)
    }

    fn report(&mut self, has: LogOffset, heartbeat_ms: i64, now: Timestamp) -> Option<Vec<u8>> {
        self.session.report(has, heartbeat_ms, now).map(Vec::from)
    }

    fn check_silence(&self, limit_ms: i64, now: Timestamp) -> Result<(), Ended> {
        Ok(self.session.check_silence(limit_ms, now)?)
    }

    fn heard(&self) -> Timestamp {
        self.session.heard()
    }

    fn reported_at(&self) -> Option<Timestamp> {
        self.session.reported_at()
    }
}

/// With a controller.
pub(super) struct GroupSession {
    log: GroupCopy,
    session: auto_switch::SlaveSession,
    hello: Option<Vec<u8>>,
    heard: Timestamp,
    reported: Option<Timestamp>,
}

impl GroupSession {
    pub(super) fn open(group: &Arc<GroupLog>, replicas: &Replicas) -> Result<Self, Ended> {
        let id = group.id().ok_or(Ended::NoNumber)?;
        let log = GroupCopy::begin(group.clone())?;
        let settings = replicas.settings();
        let (session, hello) = auto_switch::SlaveSession::open(
            id,
            settings.sync_from_last_file,
            settings.is_learner,
            group.newest_epoch(),
        );
        Ok(GroupSession { log, session, hello: Some(hello), heard: replicas.now(), reported: None })
    }
}

impl Copies for GroupSession {
    fn receive(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), Ended> {
        self.heard = now;
        Ok(self.session.receive(&mut self.log, bytes)?)
    }

    fn report(&mut self, has: LogOffset, heartbeat_ms: i64, now: Timestamp) -> Option<Vec<u8>> {
        let is_due = self.reported.is_some_and(|at| now.ms_since(at) >= heartbeat_ms);
        let said = self.hello.take().or_else(|| self.session.report(self.log.has(has), is_due))?;
        self.reported = Some(now);
        Some(said)
    }

    fn check_silence(&self, limit_ms: i64, now: Timestamp) -> Result<(), Ended> {
        let silent_ms = now.ms_since(self.heard);
        if silent_ms > limit_ms { Err(Ended::Silent { silent_ms, limit_ms }) } else { Ok(()) }
    }

    fn heard(&self) -> Timestamp {
        self.heard
    }

    fn reported_at(&self) -> Option<Timestamp> {
        self.reported
    }
}
