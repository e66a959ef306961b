//! The role, for everybody to look at: one load where it is asked on the way of a message.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering},
    },
};

use eruca_message::Timestamp;
use tokio::sync::watch;

/// What a broker is in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes messages.
    Master,
    /// It copies a master, and lets consumers read.
    Slave,
    /// As a slave, while the group has no master: it also does what else only a master does (delivery of delayed
    /// messages, checks of transactions, reviving of pops), and takes no messages.
    ActingMaster,
}

impl Role {
    fn of(number: u8) -> Role {
        match number {
            0 => Role::Master,
            1 => Role::Slave,
            _ => Role::ActingMaster,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Master => "master",
            Role::Slave => "slave",
            Role::ActingMaster => "acting master",
        })
    }
}

/// Where the master of a slave is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MasterAddresses {
    /// `host:port` for clients: topics, groups and offsets are asked for there.
    pub broker_addr: String,
    /// `host:port` for slaves: the log is copied from there. Empty while it is not known.
    pub ha_addr: String,
}

/// Role, number and master, of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What the broker is.
    pub role: Role,
    /// Its number in the group, as name servers are told: 0 is the master.
    pub broker_id: i64,
    /// The master of a slave; `None` while no name server or controller knows one, and for a master.
    pub master: Option<MasterAddresses>,
    /// The epoch of the group's master (Java: `masterEpoch`, for name servers `stateVersion`); 0 without a controller.
    pub epoch: i64,
}

/// The standing, shared; it changes while the broker runs.
#[derive(Debug)]
pub struct RoleState {
    role: AtomicU8,
    standing: RwLock<Arc<Standing>>,
    changes: watch::Sender<Arc<Standing>>,
    /// Held while what a master told is taken over.
    following: Mutex<()>,
    followed_at: AtomicI64,
    master_answers: AtomicBool,
}

impl RoleState {
    /// The standing at start.
    pub fn new(standing: Standing) -> Self {
        let standing = Arc::new(standing);
        RoleState {
            role: AtomicU8::new(standing.role as u8),
            changes: watch::Sender::new(standing.clone()),
            standing: RwLock::new(standing),
            following: Mutex::default(),
            followed_at: AtomicI64::new(0),
            master_answers: AtomicBool::new(false),
        }
    }

    /// A master that has always been one.
    pub fn master() -> Self {
        Self::new(Standing { role: Role::Master, broker_id: 0, master: None, epoch: 0 })
    }

    /// Another standing, for tests of what looks at it.
    #[cfg(test)]
    pub(crate) fn set(&self, standing: Standing) {
        self.update(|now| *now = standing);
    }

    /// What the broker is.
    pub fn role(&self) -> Role {
        Role::of(self.role.load(Ordering::Acquire))
    }

    /// Whether it takes messages.
    pub fn is_master(&self) -> bool {
        self.role() == Role::Master
    }

    /// Whether it does what only a master does without being asked: delivers delayed messages, checks transactions, revives
    /// pops.
    pub fn is_on_duty(&self) -> bool {
        self.role() != Role::Slave
    }

    /// Everything of this moment.
    pub fn now(&self) -> Arc<Standing> {
        self.standing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sees every change from now on (of several at once the last).
    pub fn watch(&self) -> watch::Receiver<Arc<Standing>> {
        self.changes.subscribe()
    }

    /// A name server or a member of the group says where the master is. Only a slave has one; whether this is news. Who it is
    /// nobody but the controller says, where there is one (the epoch is above 0 then).
    pub fn set_master(&self, master: Option<MasterAddresses>) -> bool {
        self.update(|standing| {
            let address = |master: &Option<MasterAddresses>| master.as_ref().map(|it| it.broker_addr.clone());
            let is_his = standing.epoch == 0 || address(&master) == address(&standing.master);
            if standing.role != Role::Master && is_his {
                standing.master = master;
            }
        })
    }

    /// Does `work` unless the broker is a master; it becomes none meanwhile.
    pub(crate) fn while_slave<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let _following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.is_master()).then(work)
    }

    /// A slave's tables are its master's, as of `now`.
    pub(crate) fn note_followed(&self, now: Timestamp) {
        self.followed_at.store(now.0, Ordering::Release);
    }

    /// Whether the master of a slave answered the last time that it was asked, and is connected since.
    pub(crate) fn note_master_answers(&self, answers: bool) {
        self.master_answers.store(answers, Ordering::Release);
    }

    /// Whether this is a slave whose master is there: consumers that need not read here are sent to it.
    pub fn is_slave_with_master(&self) -> bool {
        !self.is_master() && self.master_answers.load(Ordering::Acquire)
    }

    /// When a slave's tables were its master's the last time; `None` for never.
    pub fn followed_at(&self) -> Option<Timestamp> {
        Some(Timestamp(self.followed_at.load(Ordering::Acquire))).filter(|at| at.0 > 0)
    }

    /// To be held while a slave becomes a master: what it is told by its former master is taken over before, or not at all.
    pub(super) fn stop_following(&self) -> MutexGuard<'_, ()> {
        self.following.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the standing; whether it is another one then.
    pub(super) fn update(&self, change: impl FnOnce(&mut Standing)) -> bool {
        let mut standing = self.standing.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = (**standing).clone();
        change(&mut next);
        if next == **standing {
            return false;
        }
        *standing = Arc::new(next);
        self.role.store(standing.role as u8, Ordering::Release);
        self.changes.send_replace(standing.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slave_learns_of_its_master_and_a_master_has_none() {
        let master =
            MasterAddresses { broker_addr: "10.0.0.1:10911".into(), ha_addr: "10.0.0.1:10912".into() };
        let slave = RoleState::new(Standing { role: Role::Slave, broker_id: 1, master: None, epoch: 0 });
        let mut changes = slave.watch();
        assert!(slave.set_master(Some(master.clone())) && !slave.set_master(Some(master.clone())));
        assert!(changes.has_changed().unwrap());
        assert_eq!(changes.borrow_and_update().master, Some(master.clone()));
        assert!(!slave.is_master() && !slave.is_on_duty());
        let alone = RoleState::master();
        assert!(!alone.set_master(Some(master)) && alone.now().master.is_none() && alone.is_on_duty());
    }

    #[test]
    fn the_role_is_seen_without_the_lock() {
        let state = RoleState::master();
        for role in [Role::ActingMaster, Role::Slave, Role::Master] {
            state.update(|standing| standing.role = role);
            assert_eq!((state.role(), state.now().role), (role, role));
        }
    }
}
