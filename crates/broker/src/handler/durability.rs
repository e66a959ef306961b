//! Where a message has to be before it is acknowledged: in the kernel always, on the disk and on slaves where that is asked for.

use std::sync::Arc;

use eruca_message::{LogOffset, Timestamp};
use eruca_protocol::{RemotingCommand, ResponseCode};
use eruca_remoting::{Reply, Responder};
use eruca_replication::{
    driver::Replicas,
    in_sync::{Outcome, WHOLE_SET},
};
use eruca_store::{FlushMode, MessageStore};

use super::{FlushTimeouts, send::WaitingSend};
use crate::{config::BrokerConfig, controller::NO_LEASE, reply::HandlerError};

/// What helps where [`NO_LEASE`] is no news.
const WHOLE_SET_HELPS: &str = "(with allAckInSyncStateSet=true no word of theirs is needed)";

/// Decides what an acknowledgement waits for, and gives it.
#[derive(Debug)]
pub struct Durability {
    store: Arc<MessageStore>,
    flush_timeouts: Arc<FlushTimeouts>,
    replicas: Arc<Replicas>,
}

/// What a message that is about to be stored will wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handler) struct Wanted {
    /// The disk.
    disk: bool,
    /// So many slaves.
    slaves: usize,
    /// Whoever waits is told of success also where disk or slaves take longer than there is time.
    is_lenient: bool,
}

impl Wanted {
    /// The same, for what Java answers with success as soon as it is stored, however long disk and slaves take then.
    pub(in crate::handler) fn lenient(self) -> Wanted {
        Wanted { is_lenient: true, ..self }
    }
}

impl Durability {
    /// For these parts.
    pub fn new(
        store: Arc<MessageStore>,
        flush_timeouts: Arc<FlushTimeouts>,
        replicas: Arc<Replicas>,
    ) -> Self {
        Durability { store, flush_timeouts, replicas }
    }

    /// What a message will wait for; `no_wait`: its property `WAIT` is false.
    ///
    /// As in Java 5 a SYNC_MASTER waits for `inSyncReplicas - 1` slaves: with the default, 1, for none. Whether there are
    /// as many is looked at before a message is stored with enableSlaveActingMaster only.
    ///
    /// # Errors
    /// Too few slaves are in sync: the message must not be stored.
    pub(in crate::handler) fn wanted(
        &self,
        no_wait: bool,
        config: &BrokerConfig,
    ) -> Result<Wanted, HandlerError> {
        let disk = self.store.config().flush_mode == FlushMode::Sync && !no_wait;
        if no_wait || !config.is_sync_master() {
            return Ok(Wanted { disk, slaves: 0, is_lenient: false });
        }
        if config.enable_controller_mode {
            return self.wanted_in_group(disk, config);
        }
        let mut copies = config.in_sync_replicas;
        if config.enable_slave_acting_master {
            let in_sync = self.replicas.copies_in_sync();
            if config.enable_auto_in_sync_replicas {
                copies = copies.min(in_sync).max(config.min_in_sync_replicas);
            }
            if copies > in_sync {
                return Err(self.too_few(copies, in_sync));
            }
        }
        Ok(Wanted { disk, slaves: copies.saturating_sub(1), is_lenient: false })
    }

    /// With a controller: the whole in-sync set where that is asked for, else a number of slaves.
    fn wanted_in_group(&self, disk: bool, config: &BrokerConfig) -> Result<Wanted, HandlerError> {
        // The master itself is always one of them.
        if config.min_in_sync_replicas > 1 {
            let in_sync = self.replicas.copies_in_sync();
            if in_sync < config.min_in_sync_replicas {
                return Err(self.too_few(config.min_in_sync_replicas, in_sync));
            }
        }
        let slaves = match config.all_ack_in_sync_state_set {
            true => WHOLE_SET,
            false => config.in_sync_replicas.saturating_sub(1),
        };
        Ok(Wanted { disk, slaves, is_lenient: false })
    }

    /// A master that has not heard from its controller for too long may have been replaced: what it alone has must not be
    /// acknowledged. What the whole in-sync set has acknowledged is there whoever is master.
    ///
    /// # Errors
    /// It is so.
    pub(in crate::handler) fn check_lease(&self, wanted: Wanted) -> Result<(), HandlerError> {
        match wanted.slaves == WHOLE_SET || self.replicas.has_lease() {
            true => Ok(()),
            false => Err(HandlerError::new(
                ResponseCode::SERVICE_NOT_AVAILABLE,
                format!("{NO_LEASE} {WHOLE_SET_HELPS}, the message is not stored: send to another broker"),
            )),
        }
    }

    /// Ends waits for slaves whose time is over, for tests without the service that does.
    #[cfg(test)]
    pub(in crate::handler) fn expire_now(&self) {
        self.replicas.expire_now();
    }

    /// In Java's words, and who is missing.
    fn too_few(&self, copies: usize, in_sync: usize) -> HandlerError {
        HandlerError::new(
            ResponseCode::SYSTEM_ERROR,
            format!(
                "the number of in-sync replicas is not enough, the message is not stored: {copies} brokers have to have it, {in_sync} are in \
                 sync (haMaxGapNotInSync); {}",
                self.replicas.missing(copies.saturating_sub(1))
            ),
        )
    }

    /// Gives the answer `success` when everything that is wanted has the log up to `end`. Before the store has settled, on the
    /// thread that appended.
    pub(in crate::handler) fn acknowledge(
        &self,
        responder: impl FnOnce() -> Responder,
        success: RemotingCommand,
        end: LogOffset,
        wanted: Wanted,
        config: &BrokerConfig,
        now: Timestamp,
    ) -> Reply {
        let Wanted { disk, slaves, is_lenient } = wanted;
        if !disk && slaves == 0 {
            return Reply::AfterSettle(success);
        }
        let send = WaitingSend::new(responder(), success, disk, slaves > 0, is_lenient);
        if disk {
            self.flush_timeouts.watch(&send, now);
            let send = send.clone();
            self.store.on_flushed(end, Box::new(move |result| send.flushed(result)));
        }
        if slaves > 0 {
            let (send, timeout_ms) = (send.clone(), config.slave_timeout);
            let replicas = self.replicas.clone();
            let waiter = Box::new(move |outcome| {
                let has_lease = slaves == WHOLE_SET || replicas.has_lease();
                let outcome = match has_lease {
                    true => outcome,
                    false => Outcome::Missing(format!("{NO_LEASE} {WHOLE_SET_HELPS}")),
                };
                send.replicated(outcome, timeout_ms);
            });
            self.replicas.wait(end, slaves, timeout_ms, waiter);
        }
        // Another thread may have settled it in vain before anybody waited for it.
        if let Err(why) = self.store.check_unsettled() {
            send.lost(why);
        }
        Reply::Later
    }
}

#[cfg(test)]
#[path = "durability_test.rs"]
mod tests;
