//! What a slave has from its master beside the log: topics, groups, offsets, how far delivery is. (What a master that was away has from
//! its slaves: `pre_online`.)
//!
//! `ask` fetches it by the protocol's own requests, of Java's masters as of ours; `tables` takes it over; `task` says when.
//!
//! What the master did has two traces: messages in the log, and offsets. An offset must not be here before the messages: the slave
//! would, as master, pass over what never came. So the end of the master's log is asked for after the offsets, and they wait until the
//! copy has got there (Java's slave takes them over at once).

mod ask;
mod tables;
mod task;

pub(crate) use ask::{AskError, Member};
pub(crate) use tables::{Progress, SlaveTables};
pub(crate) use task::SlaveSync;

#[cfg(test)]
#[path = "task_test.rs"]
pub(crate) mod test;
