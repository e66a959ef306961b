//! One broker: what is on its disk, and while it runs its store and its part in the group.

use std::sync::Arc;

use eruca_controller::state::Candidate;
use eruca_message::{LogOffset, ManualClock, Timestamp};
use eruca_replication::auto_switch::{Epoch, Epochs, Identity, Member};
use eruca_store::{
    MessageStore, StoreConfig,
    disk::{Disk, SimDisk},
};

use super::{Violation, link::Link, message::NewMessage, oracle::Sent, scenario::TIMES};

pub(super) struct Broker {
    pub(super) address: String,
    pub(super) disk: SimDisk,
    pub(super) clock: Arc<ManualClock>,
    config: StoreConfig,
    /// Files of the broker that are replaced as a whole, and durable at once: `epochFileCheckpoint`, `brokerIdentity`.
    pub(super) epochs: Epochs,
    pub(super) identity: Identity,
    pub(super) running: Option<Running>,
}

/// What is gone with the process.
pub(super) struct Running {
    pub(super) store: MessageStore,
    pub(super) member: Member,
    /// What is confirmed as far as it was told, or had found out as a master.
    pub(super) told: LogOffset,
    /// The newest epoch that the controller told of.
    pub(super) newest_epoch: i32,
    /// Sends that wait for their acknowledgement.
    pub(super) waiting: Vec<Sent>,
    /// Whom it follows: place of the master, and epoch.
    pub(super) follows: Option<(usize, i32)>,
    pub(super) link: Option<Link>,
}

impl Broker {
    pub(super) fn new(place: usize, config: StoreConfig, disk: SimDisk, clock: ManualClock) -> Broker {
        let clock = Arc::new(clock);
        disk.set_clock(Arc::clone(&clock));
        Broker {
            address: format!("host{place}"),
            disk,
            clock,
            config,
            epochs: Epochs::default(),
            identity: Identity::None,
            running: None,
        }
    }

    /// Starts the process.
    pub(super) fn start(&mut self) -> Result<(), Violation> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let opened = MessageStore::open(self.config.clone(), disk, Arc::clone(&self.clock) as _);
        let store = match opened {
            Ok((store, _)) => store,
            Err(_) if self.disk.is_dead() => return Ok(()),
            Err(error) => return Err(format!("{} cannot open its store: {error}", self.address)),
        };
        if store.set_replica(true).is_err() && !self.disk.is_dead() {
            return Err(format!("{} cannot be a slave", self.address));
        }
        store.set_read_limit(Some(LogOffset(0)));
        let (begin, end) = store.log_range();
        self.epochs.truncate(end);
        self.epochs.forget_before(begin);
        self.running = Some(Running {
            store,
            member: Member::new(self.identity.clone(), self.address.clone(), TIMES),
            told: LogOffset(0),
            newest_epoch: -1,
            waiting: Vec::new(),
            follows: None,
            link: None,
        });
        Ok(())
    }

    /// What it says of itself to the controller.
    pub(super) fn candidate(&self) -> Option<(i64, Candidate)> {
        let running = self.running.as_ref()?;
        let id = running.member.id()?;
        let max_offset = running.store.log_range().1.to_i64();
        Some((id, Candidate { epoch: self.epochs.last_number(), max_offset, priority: i32::MAX }))
    }

    /// It is master of this epoch from here on. `false`: it cannot begin, for a reason that will be over.
    pub(super) fn reign(&mut self, number: i32, now: Timestamp) -> Result<bool, Violation> {
        let Some(running) = &mut self.running else { return Ok(false) };
        running.waiting.clear();
        running.follows = None;
        if running.store.set_replica(true).is_err() {
            return Ok(false);
        }
        let (begin, end) = running.store.log_range();
        self.epochs.forget_before(begin);
        if self.epochs.last_number() != number {
            let start = if self.epochs.last().is_some() { end } else { begin };
            let begun = self.epochs.begin(Epoch { number, start });
            begun.map_err(|error| format!("{} cannot begin its epoch: {error}", self.address))?;
        }
        running.newest_epoch = running.newest_epoch.max(number);
        running.member.reign(end, running.told.min(end), now);
        Ok(running.store.set_replica(false).is_ok())
    }

    /// It is a slave from here on.
    pub(super) fn follow(&mut self, master: Option<usize>, epoch: i32) {
        let Some(running) = &mut self.running else { return };
        // An error is the store's state.
        let _ = running.store.set_replica(true);
        running.waiting.clear();
        running.newest_epoch = running.newest_epoch.max(epoch);
        running.follows = master.map(|master| (master, epoch));
    }
}

impl Running {
    /// Takes a message; `None` where it is no master, or its disk refuses.
    pub(super) fn send(&mut self, message: &NewMessage<'_>) -> Option<Sent> {
        self.member.sync()?;
        message.append_to(&self.store)
    }

    /// Brings what is confirmed up to date, and what readers see. Up to where sends are acknowledged.
    pub(super) fn tell(&mut self, is_durable: bool, trusts_itself: bool) -> Option<LogOffset> {
        let end = self.store.log_range().1;
        let (confirmed, is_alone) = match self.member.sync() {
            Some(sync) => (Some(sync.confirm(end)), sync.electable().len() == 1),
            None => (None, false),
        };
        self.told = self.told.max(confirmed.unwrap_or_default());
        self.store.set_read_limit(if is_alone { None } else { Some(self.told) });
        let up_to = if is_alone || trusts_itself { end } else { self.told };
        confirmed.map(|_| if is_durable { up_to.min(self.store.watermarks().flushed) } else { up_to })
    }
}
