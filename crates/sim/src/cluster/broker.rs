//! One broker: what is on its disk, and while it runs its store and its part in the group.

use std::sync::{Arc, Mutex, PoisonError};

use eruca_controller::state::Candidate;
use eruca_message::{Clock, LogOffset, ManualClock};
use eruca_replication::{
    auto_switch::{Epochs, Identity, Member},
    group::{GroupLog, GroupParts, ReignError},
};
use eruca_store::{
    MessageStore, ReplicaCut, StoreConfig,
    disk::{Disk, SimDisk},
};

use super::{
    Violation,
    acks::Acks,
    crew::{Board, Crew},
    link::Link,
    message::NewMessage,
    oracle::Sent,
    scenario::TIMES,
};

pub(super) struct Broker {
    place: usize,
    pub(super) address: String,
    pub(super) disk: SimDisk,
    pub(super) clock: Arc<ManualClock>,
    config: StoreConfig,
    /// Files of the broker that are replaced as a whole, and durable at once: `epochFileCheckpoint`, `brokerIdentity`.
    epoch_file: Arc<Mutex<Epochs>>,
    pub(super) identity: Identity,
    pub(super) running: Option<Running>,
}

/// What is gone with the process.
pub(super) struct Running {
    pub(super) store: Arc<MessageStore>,
    pub(super) group: Arc<GroupLog>,
    /// Sends that wait.
    sends: Acks<Sent>,
    /// What was cut off the log since it was last looked at.
    cuts: Arc<Mutex<Vec<ReplicaCut>>>,
    /// Place of the master that it follows.
    pub(super) follows: Option<usize>,
    pub(super) link: Option<Link>,
}

impl Broker {
    pub(super) fn new(place: usize, config: StoreConfig, disk: SimDisk, clock: ManualClock) -> Broker {
        let clock = Arc::new(clock);
        disk.set_clock(Arc::clone(&clock));
        Broker {
            place,
            address: format!("host{place}"),
            disk,
            clock,
            config,
            epoch_file: Arc::default(),
            identity: Identity::None,
            running: None,
        }
    }

    /// What `epochFileCheckpoint` says.
    pub(super) fn epochs(&self) -> Epochs {
        locked(&self.epoch_file).clone()
    }

    /// Starts the process.
    pub(super) fn start(&mut self) -> Result<(), Violation> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let opened = MessageStore::open(self.config.clone(), disk, Arc::clone(&self.clock) as _);
        let store = match opened {
            Ok((store, _)) => Arc::new(store),
            Err(_) if self.disk.is_dead() => return Ok(()),
            Err(error) => return Err(format!("{} cannot open its store: {error}", self.address)),
        };
        if store.set_replica(true).is_err() && !self.disk.is_dead() {
            return Err(format!("{} cannot be a slave", self.address));
        }
        let (disk, file) = (self.disk.clone(), self.epoch_file.clone());
        let keep = move |epochs: &Epochs| {
            if disk.is_dead() {
                return Err("the process is dead".to_owned());
            }
            *locked(&file) = epochs.clone();
            Ok(())
        };
        let group = GroupLog::new(GroupParts {
            store: store.clone(),
            epochs: self.epochs(),
            keep: Box::new(keep),
            member: Member::new(self.identity.clone(), self.address.clone(), TIMES),
            clock: self.clock.clone(),
        });
        let cuts: Arc<Mutex<Vec<ReplicaCut>>> = Arc::default();
        let noted = cuts.clone();
        group.on_cut(Box::new(move |cut| locked(&noted).push(cut.clone())));
        self.running = Some(Running {
            store,
            group: Arc::new(group),
            sends: Acks::default(),
            cuts,
            follows: None,
            link: None,
        });
        Ok(())
    }

    /// What it says of itself to the controller.
    pub(super) fn candidate(&self) -> Option<(i64, Candidate)> {
        let running = self.running.as_ref()?;
        let id = running.group.id()?;
        let max_offset = running.store.log_range().1.to_i64();
        Some((id, Candidate { epoch: running.group.last_epoch(), max_offset, priority: i32::MAX }))
    }

    /// As those see it who work in it.
    pub(super) fn board(&self, is_durable: bool) -> Option<Board<'_>> {
        let Running { store, group, .. } = self.running.as_ref()?;
        Some(Board { at: self.place, store, group, clock: &self.clock, is_durable })
    }

    /// It is master of this epoch from here on. `false`: it cannot begin, for a reason that will be over.
    pub(super) fn reign(
        &mut self,
        number: i32,
        crew: &mut dyn Crew,
        is_durable: bool,
    ) -> Result<bool, Violation> {
        self.running.iter_mut().for_each(|running| running.follows = None);
        let Some(board) = self.board(is_durable) else { return Ok(false) };
        match board.group.reign(number, || crew.reigns(board, number)) {
            Ok(()) => Ok(true),
            Err(ReignError::Epoch(error)) => Err(format!("{} cannot begin its epoch: {error}", self.address)),
            Err(ReignError::Keep(_) | ReignError::Stopped(_)) => Ok(false),
        }
    }

    /// It is a slave from here on.
    pub(super) fn follow(
        &mut self,
        master: Option<usize>,
        epoch: i32,
        crew: &mut dyn Crew,
        is_durable: bool,
    ) {
        let Some(board) = self.board(is_durable) else { return };
        crew.follows(board, epoch);
        board.group.follow(epoch);
        self.running.iter_mut().for_each(|running| running.follows = master);
    }

    /// Takes a message, whose acknowledgement waits for the whole in-sync set; `None` where the broker is no master, or its disk
    /// refuses.
    pub(super) fn send(&self, message: &NewMessage<'_>) -> Option<Sent> {
        let Running { store, group, sends, .. } = self.running.as_ref()?;
        if store.is_replica() {
            return None;
        }
        let sent = message.append_to(store, group.last_epoch())?;
        sends.wait(group, sent.clone(), sent.log_end, self.clock.now());
        Some(sent)
    }

    /// Takes a message and acknowledges it at once, although no other broker has it (ASYNC_MASTER): while no other one can be master.
    pub(super) fn send_alone(&self, message: &NewMessage<'_>) -> Option<Sent> {
        let Running { store, group, .. } = self.running.as_ref()?;
        let has_lease = || group.has_lease(self.clock.now());
        if store.is_replica() || !has_lease() {
            return None;
        }
        message.append_to(store, group.last_epoch()).filter(|_| has_lease())
    }

    /// The messages that are acknowledged now.
    pub(super) fn acknowledged(&mut self, is_durable: bool) -> Vec<Sent> {
        let now = self.clock.now();
        let Some(Running { group, sends, .. }) = &mut self.running else { return Vec::new() };
        sends.ready(group, is_durable, now)
    }
}

impl Running {
    /// The number that the controller gave it, and the epoch that it was last told of.
    pub(super) fn standing(&self) -> (Option<i64>, i32) {
        self.group.with_member(|member| (member.id(), member.view().epoch))
    }

    /// Whether its time as master has begun.
    pub(super) fn is_master(&self) -> bool {
        self.group.with_member(|member| member.sync().is_some())
    }

    /// What was cut off the log since it was last asked.
    pub(super) fn take_cuts(&self) -> Vec<ReplicaCut> {
        std::mem::take(&mut *locked(&self.cuts))
    }

    /// Up to where all that may be elected have the log, as far as it knows.
    pub(super) fn confirmed(&self) -> LogOffset {
        self.group.confirmed()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
