//! What a broker asks its controller, what that says, and what follows for the broker.

use std::collections::BTreeSet;

use super::Proposal;

/// Times of a member, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberTimes {
    /// How often the controller is asked who is master (`syncBrokerMetadataPeriod`).
    pub poll_ms: i64,
    /// How often the in-sync set is looked over (`checkSyncStateSetPeriod`).
    pub check_set_ms: i64,
    /// Pause after a request that failed.
    pub retry_ms: i64,
    /// A slave that has been behind for longer leaves the set (`haMaxTimeSlaveNotCatchup`).
    pub lag_max_ms: i64,
    /// So long after the last word of a controller another broker may have been elected: less than the time after which the
    /// controller takes a broker for dead (`brokerNotActiveTimeoutMillis`).
    pub lease_ms: i64,
}

/// What a broker keeps on its disk of its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Nothing yet.
    None,
    /// A number that it has asked for, and the word by which the controller knows that it was this broker
    /// (`brokerIdentity-temp`).
    Candidate {
        /// The number.
        id: i64,
        /// `address;time`.
        check_code: String,
    },
    /// Its own (`brokerIdentity`).
    Own(i64),
}

/// What the controller says of the group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupView {
    /// Number and `host:port` of the master.
    pub master: Option<(i64, String)>,
    /// The master's epoch; also that of the last one where there is none now.
    pub epoch: i32,
    /// Who may be elected next.
    pub members: BTreeSet<i64>,
    /// Version of the set.
    pub set_epoch: i32,
}

/// What the controller is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// CONTROLLER_GET_NEXT_BROKER_ID.
    NextId,
    /// CONTROLLER_APPLY_BROKER_ID.
    Apply {
        /// The number.
        id: i64,
        /// As in [`Identity::Candidate`].
        check_code: String,
    },
    /// CONTROLLER_REGISTER_BROKER.
    Register {
        /// The own number.
        id: i64,
    },
    /// CONTROLLER_ELECT_MASTER: there is no master, or the own time as one was interrupted.
    Elect {
        /// The own number.
        id: i64,
    },
    /// CONTROLLER_GET_REPLICA_INFO.
    View,
    /// CONTROLLER_ALTER_SYNC_STATE_SET.
    Alter {
        /// The own number.
        id: i64,
        /// Epoch of the own reign.
        epoch: i32,
        /// What is to change.
        proposal: Proposal,
    },
}

/// What the controller said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The next free number.
    NextId(i64),
    /// The number is this broker's.
    Applied,
    /// Somebody else has it (CONTROLLER_BROKER_ID_INVALID).
    IdTaken,
    /// How things are; also after an election that brought this view about, or was not needed.
    View(GroupView),
    /// The controller does not know this broker (CONTROLLER_BROKER_NEED_TO_BE_REGISTERED, …).
    Unknown,
    /// It refuses: the set stays as it is, nobody can be elected.
    Refused,
    /// None came.
    Silence,
}

/// What the broker has to do. In this order, and done before the next [`Member::next`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Writes its number, or the one it applies for, to the disk.
    Keep(Identity),
    /// It is master: ends what it copies, begins the epoch at the end of its log, and says so by [`Member::reign`].
    Reign(GroupView),
    /// It is a slave, of the master in the view; without one it waits. Sends are refused from here on.
    Follow(GroupView),
    /// The in-sync set is another one: what is confirmed may have changed.
    SetChanged,
}
