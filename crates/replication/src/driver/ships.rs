//! A master's side of a connection, in either protocol.

use std::sync::Arc;

use eruca_message::{LogOffset, Timestamp};

use super::{replicas::Replicas, to_slave::Ended};
use crate::{
    auto_switch::Send,
    classic::{self, Next, Outgoing, Shipped},
    group::{GroupLog, ToSlave},
    pace::Pace,
};

/// What the thread of a slave does with its connection.
pub(super) trait Ships {
    /// Takes what the slave sent.
    fn hear(&mut self, bytes: &[u8]) -> Result<(), Ended>;
    /// Puts together what goes out now; until when there is nothing, unless the log gets longer or the slave says something.
    fn put_out(&mut self, outgoing: &mut Outgoing) -> Result<Option<Timestamp>, Ended>;
    /// What goes out next.
    fn position(&self) -> Option<LogOffset>;
    /// Bytes of the log that went out in the last second.
    fn bytes_per_second(&self) -> u64;
}

/// Without a controller.
pub(super) struct Ship<'a> {
    replicas: &'a Replicas,
    number: u64,
    session: classic::MasterSession,
}

impl<'a> Ship<'a> {
    pub(super) fn new(replicas: &'a Replicas, number: u64) -> Self {
        Ship { replicas, number, session: classic::MasterSession::open(replicas.now()) }
    }
}

impl Ships for Ship<'_> {
    fn hear(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        // The log is looked at after the report came: the slave has nothing that is not there.
        let (log, now) = (self.replicas.source(), self.replicas.now());
        if let Some(has) = self.session.receive(bytes, &log, now)? {
            self.replicas.acknowledged(self.number, has);
        }
        Ok(())
    }

    fn put_out(&mut self, outgoing: &mut Outgoing) -> Result<Option<Timestamp>, Ended> {
        let (store, how, now) =
            (self.replicas.store(), self.replicas.settings().shipped, self.replicas.now());
        match self.session.next(&self.replicas.source(), &how, now)? {
            Next::Wait(until) => return Ok(Some(until)),
            Next::SignOfLife(bytes) => outgoing.push(&bytes),
            Next::Log { from, bytes } => {
                let read = |at, len, into: &mut Vec<u8>| store.read_raw_log(at, len, into);
                let sent = outgoing.fill(from, bytes, how.batch_bytes, read)?;
                self.session.sent(sent, now);
            }
        }
        Ok(None)
    }

    fn position(&self) -> Option<LogOffset> {
        self.session.position()
    }

    fn bytes_per_second(&self) -> u64 {
        self.session.bytes_per_second()
    }
}

/// With a controller.
pub(super) struct GroupShip<'a> {
    replicas: &'a Replicas,
    number: u64,
    slave: ToSlave,
    pace: Pace,
}

impl<'a> GroupShip<'a> {
    pub(super) fn new(replicas: &'a Replicas, group: &Arc<GroupLog>, number: u64) -> Self {
        let now = replicas.now();
        let slave = ToSlave::open(group.clone(), number, now);
        GroupShip { replicas, number, slave, pace: Pace::new(now) }
    }

    fn next(&mut self, how: &Shipped, allowed: usize, now: Timestamp) -> Result<Option<Send>, Ended> {
        let flushed_only = self.replicas.settings().acknowledges_flushed;
        let next = self.slave.next(flushed_only, how.batch_bytes.min(allowed), how.heartbeat_ms, now);
        Ok(next.ok_or(Ended::NoMaster)??)
    }
}

impl Ships for GroupShip<'_> {
    fn hear(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        if let Some(has) = self.slave.hear(bytes, self.replicas.now())? {
            self.replicas.acknowledged(self.number, has);
        }
        Ok(())
    }

    fn put_out(&mut self, outgoing: &mut Outgoing) -> Result<Option<Timestamp>, Ended> {
        let (store, how, now) =
            (self.replicas.store(), self.replicas.settings().shipped, self.replicas.now());
        let silent_ms = now.ms_since(self.slave.heard());
        if silent_ms > how.silence_max_ms {
            return Err(Ended::Silent { silent_ms, limit_ms: how.silence_max_ms });
        }
        loop {
            let allowed = self.pace.allowed(how.bytes_per_second, now);
            if allowed == 0 {
                return Ok(Some(self.pace.next_second()));
            }
            match self.next(&how, allowed, now)? {
                None if outgoing.pending().is_empty() => {
                    return Ok(Some(self.slave.look_again(store.log_range().1, how.heartbeat_ms, now)));
                }
                None => return Ok(None),
                Some(Send::Bytes(bytes)) => outgoing.push(&bytes),
                Some(Send::Log { header, offset, len }) => {
                    let read = |at, len, into: &mut Vec<u8>| store.read_raw_log(at, len, into);
                    if !outgoing.push_log(&header, offset, len, read)? {
                        // A slave now, and what it had alone was cut off.
                        return Err(Ended::Shorter(offset));
                    }
                    self.pace.sent(len);
                }
            }
            if outgoing.is_full() {
                return Ok(None);
            }
        }
    }

    fn position(&self) -> Option<LogOffset> {
        self.slave.position()
    }

    fn bytes_per_second(&self) -> u64 {
        self.pace.bytes_per_second()
    }
}
