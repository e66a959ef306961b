//! The broker as a member of a group that has a controller (`enableControllerMode`): who is master is decided there.
//!
//! What is asked when, and what follows from an answer, is decided by [`eruca_replication::auto_switch::Member`], which is pure; here
//! it is carried out: requests (`ask`), signs of life (`heartbeat`), changes of the role (`manager`), planned ones
//! (`hand_over`), files (`identity`), and what others are told of it (`handler`).

mod ask;
mod hand_over;
mod handler;
mod heartbeat;
mod identity;
mod manager;
mod open;

pub(crate) use handler::{ControllerHandler, NO_LEASE};
pub(crate) use manager::{ManagerParts, ReplicasManager};
pub(crate) use open::open_group;
