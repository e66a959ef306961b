//! `eruca bench`: load on a broker over its own protocol, measured from outside.
//!
//! Read in this order: what can be typed (`args`), where the load goes (`destination`), what a request is made of
//! (`frame_template`, `send_frames`, `window`, `reply`), when it is due (`plan`, `precise_sleep`), how it travels (`wire`,
//! `threads`), what is counted and shown (`meter`, `failures`, `process`, `watch`, `report`), the loads (`produce`, `consume`,
//! `latency` with its `stamp`, `timers`), and the floor to compare a broker with (`echo`).
//!
//! The raw loads keep their own cost low, because they share the machine with what they measure: prepared frames whose
//! few changing fields are patched in place, many in flight on each connection, one write and one read for many.

mod args;
mod consume;
mod destination;
mod echo;
mod error;
mod failures;
mod frame_template;
mod latency;
mod meter;
mod plan;
mod precise_sleep;
mod process;
mod produce;
mod reply;
mod report;
mod run;
mod send_frames;
mod stamp;
mod threads;
mod timers;
mod watch;
mod window;
mod wire;

pub use args::BenchArgs;
pub use error::BenchError;
pub use run::run;
