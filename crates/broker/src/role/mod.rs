//! What the broker is in its group at the moment: a master, a slave, or a slave that stands in for its master.
//!
//! Everybody asks `state`; only `switch` changes it, while the broker runs, and starts and stops what a master alone
//! does.

mod acting;
mod escape;
mod fetch;
mod refusals;
mod state;
mod switch;

pub(crate) use acting::{Group, Minimum, Step};
pub(crate) use escape::{Escape, put};
pub(crate) use refusals::refused_by_slave;
pub use state::{MasterAddresses, Role, RoleState, Standing};
pub(crate) use switch::Deeds;
pub use switch::{RoleParts, RoleSwitch};

#[cfg(test)]
mod takeover_test;
