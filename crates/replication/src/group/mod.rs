//! A broker's log in a group that has a controller: whose bytes it holds, what part the broker has, what is confirmed, and what a copy
//! does to it. No sockets, threads or runtime: [`crate::driver`] joins it with connections, and the simulation drives the same code.

mod copy;
mod log;
mod to_slave;

pub use copy::{GroupCopy, GroupCopyError};
pub use log::{BeforeCut, Changed, Cut, GroupLog, GroupParts, KeepEpochs, ReignError};
pub use to_slave::ToSlave;
