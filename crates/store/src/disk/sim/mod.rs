//! A file system in memory that tears writes, loses what was not synced, fills up, is slow and fails, on command or
//! by chance. The same seed and calls give the same losses.
//!
//! What it keeps apart: what the kernel has (survives a killed process) and what the disk has (survives a power cut).
//!
//! | simulated | how |
//! |---|---|
//! | a killed process | [`FaultKind::Crash`]: the write that it was in is torn at any byte, all before it is in the kernel |
//! | a power cut | any subset of the changed sectors (512 bytes), new lengths, new names and removals is lost, whatever the order |
//! | sectors that are not atomic | [`SimDisk::tear_sectors`]: a sector of a file may be new up to any byte and old behind it |
//! | a kernel that writes back by itself | [`FaultRates::write_back`]: so an older state of a sector may be what the disk has |
//! | failed calls | [`SimDisk::inject`] (one, by count), [`FaultRates`] (by chance, for each kind of operation) |
//! | a failed sync | its changes may be on the disk or not; with [`SimDisk::forget_after_failed_sync`] the kernel believes that they are, as Linux does, so that no later sync brings them there |
//! | a full disk | [`SimDisk::set_capacity`]: the sectors that still find room are written; holes take no room |
//! | a slow disk | [`FaultRates::slow`]: operations let the simulated clock go on |
//! | bit rot | [`SimDisk::flip`], where the caller says |
//!
//! Not simulated: sectors that come back from another place or time (misdirected writes), reads that differ from one
//! time to the next, a journal of the file system that orders names and data (real ones lose less), other processes
//! that change the files, and calls that never return.

mod faults;
mod file;
mod handle;
mod ops;
mod world;

pub use faults::{Fault, FaultKind, FaultRates, SimOp};
pub use handle::SimDisk;
