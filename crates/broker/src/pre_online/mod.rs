//! A master that comes back where a slave may have stood in for it (`enableSlaveActingMaster`; Java: `BrokerPreOnlineService`): before it
//! takes messages, delivers anything and is known to name servers, it asks its slaves how far they are, so that nothing that they let
//! consumers have meanwhile is delivered a second time.
//!
//! `task` is the course of it. How far they are is taken over by `slave_sync::SlaveTables` (offsets) and `role::RoleSwitch::come_back`
//! (timers and pops).

mod task;

pub(crate) use task::PreOnline;

#[cfg(test)]
#[path = "task_test.rs"]
mod test;
