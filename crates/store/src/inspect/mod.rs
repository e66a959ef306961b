//! Looking at the directory of a store without opening it: nothing is written, whoever may be working with it.
//!
//! `directory` finds the files and their sizes, `queues` reads consume queues, `queue_log` the log that
//! very many of them share, `survey` says what a broker would do with
//! the directory, `timers` what waits for its time, `verify` reads everything and compares, `usage` adds up who fills the log.

mod directory;
mod queue_log;
mod queues;
mod survey;
mod timers;
mod usage;
mod verify;

pub use crate::timer::TimerSurvey;
pub use directory::{InspectError, SegmentFile, StoreDirectory};
pub use queue_log::QueueLogSurvey;
pub use queues::{QueueFileKind, QueueSummary};
pub use survey::{Problem, SizeFound, Survey};
pub use usage::{TopicUsage, Usage};
pub use verify::{Defect, Verified};
