//! A master's end of a connection to a slave of its group.

use std::sync::Arc;

use eruca_message::{LogOffset, Timestamp};

use super::log::GroupLog;
use crate::auto_switch::{MasterError, MasterSession, Said, Send};

/// The session, and what its group hears of it; also its end, when it is dropped.
#[derive(Debug)]
pub struct ToSlave {
    group: Arc<GroupLog>,
    number: u64,
    session: MasterSession,
}

impl ToSlave {
    /// A connection that was accepted; `number` is not given twice.
    pub fn open(group: Arc<GroupLog>, number: u64, now: Timestamp) -> Self {
        ToSlave { group, number, session: MasterSession::open(now) }
    }

    /// Takes what the slave sent: where its log ends, if it said so.
    ///
    /// # Errors
    /// The connection has to be closed.
    pub fn hear(&mut self, bytes: &[u8], now: Timestamp) -> Result<Option<LogOffset>, MasterError> {
        let mut has = None;
        for said in self.session.receive(bytes, now)? {
            let Some(slave) = self.session.broker_id() else { continue };
            self.group.said(self.number, slave, said);
            if let Said::Has(end) = said {
                has = Some(end);
            }
            self.group.tell();
        }
        Ok(has)
    }

    /// What is to be sent now, as [`MasterSession::next`] says; `None` where this broker is not the master that the slave came to: of
    /// that epoch. `flushed_only` as in [`GroupLog::with_source`].
    pub fn next(
        &mut self,
        flushed_only: bool,
        batch_max: usize,
        heartbeat_ms: i64,
        now: Timestamp,
    ) -> Option<Result<Option<Send>, MasterError>> {
        let ToSlave { group, number, session } = self;
        let slave = session.broker_id().map(|slave| (slave, *number));
        group.with_source(flushed_only, slave, |log| session.next(log, batch_max, heartbeat_ms, now))
    }

    /// As [`MasterSession::look_again`] says.
    pub fn look_again(&self, end: LogOffset, heartbeat_ms: i64, now: Timestamp) -> Timestamp {
        self.session.look_again(end, heartbeat_ms, now)
    }

    /// When something last came.
    pub fn heard(&self) -> Timestamp {
        self.session.heard()
    }

    /// What goes out next.
    pub fn position(&self) -> Option<LogOffset> {
        self.session.position()
    }
}

impl Drop for ToSlave {
    fn drop(&mut self) {
        if let Some(slave) = self.session.broker_id() {
            self.group.gone(self.number, slave);
            self.group.tell();
        }
    }
}
