//! The HA protocol of controller mode: a master is elected for an epoch, a slave cuts off what the new master does not have, and
//! what the whole in-sync set has is confirmed (Java: `AutoSwitchHAService`).
//!
//! Everything here is pure: bytes and times come in, bytes and decisions come out, so that a whole cluster can be played in one
//! process. [`MasterSession`] and [`SlaveSession`] are the two ends of a connection, [`Member`] is a broker towards the controller,
//! [`SyncState`] the master's view of the in-sync set, [`Epochs`] is the content of `epochFileCheckpoint`.

mod epochs;
mod frame;
mod master;
mod member;
#[cfg(test)]
mod simulation_test;
mod slave;
mod sync_state;
mod talk;

pub use epochs::{EPOCHS_MAX, Epoch, EpochError, Epochs};
pub use frame::{
    FrameError, MasterFrame, SlaveFrame, TRANSFER_BODY_MAX, TRANSFER_HEADER_LEN, encode_handshake,
    encode_transfer_header,
};
pub use master::{MasterError, MasterSession, Said, Send, SourceLog};
pub use member::Member;
pub use slave::{ReplicaLog, SlaveError, SlaveSession};
pub use sync_state::{Proposal, SyncState};
pub use talk::{Answer, Ask, Effect, GroupView, Identity, MemberTimes};
