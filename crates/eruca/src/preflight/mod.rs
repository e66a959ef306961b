//! What is checked before anything is started: addresses, disk, open files, memory.
//!
//! Each check returns what was found, for the ready line, or a failure that names the thing, its value, the limit
//! and the remedy. Ports are checked here, too, so that a port in use is found before a store is put in order.

mod address;
mod disk;
mod files;
mod memory;
mod ports;
mod server_limits;

pub(crate) use address::check_advertised;
pub(crate) use disk::check_data_dir;
pub(crate) use files::{OpenFiles, raise_open_files};
pub(crate) use memory::{MemoryBudget, memory_budget};
pub(crate) use ports::{broker_ports, check_ports};
pub(crate) use server_limits::server_limits;
