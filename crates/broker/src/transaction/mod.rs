//! Transactions: messages that wait until their producer says what becomes of them.
//!
//! A transactional send stores a *half message* in the half topic. `END_TRANSACTION` commits it (the message is stored in its
//! topic) or rolls it back; an *operation* in the op topic says that the half message is settled. Producers that say
//! nothing are asked (`CHECK_TRANSACTION_STATE`). Read in this order: what is open and what is due (`table`, pure), how far
//! all is settled (`progress`), how a start finds what is open (`rebuild`, `unnoted`), the parts that do it (`service`, `check`), when they do (`duty`), and what a
//! slave that stands in for its master does instead (`moving`). `metrics` is the file that tells a Java broker what is open.

mod check;
mod counters;
mod duty;
mod groups;
mod metrics;
mod moving;
mod progress;
mod rebuild;
mod refusals;
mod service;
#[cfg(test)]
mod simulation_test;
mod table;
mod unnoted;
#[cfg(test)]
mod work_test;

pub use counters::TransactionCounts;
pub(crate) use metrics::TransactionMetrics;
pub(crate) use service::CHECK_TIMES_ROOM_BYTES;
pub use service::{Ended, HALF_MESSAGES_MAX, Outcome, Transactions};
