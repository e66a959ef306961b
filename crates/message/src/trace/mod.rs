//! Message traces: what clients write about the way of a message, as a topic's messages of their own (Java:
//! `TraceDataEncoder`).
//!
//! A body holds records back to back, of the messages of one client. Fields end with 0x01, records with 0x02; a text that there
//! is not is `null`. The KEYS of the message are the ids and keys of all messages that its records tell of.
//!
//! | first field | the others |
//! |---|---|
//! | `Pub` | time, region, group, topic, message id, tags, keys, store host, body bytes, ms, kind, offset message id, success; of some versions a client host |
//! | `SubBefore` | time, region, group, request id, message id, how often it came back, keys |
//! | `SubAfter` | request id, message id, ms, success, keys, outcome; unless a cloud's client wrote it, time and group |
//! | `EndTransaction` | time, region, group, topic, message id, tags, keys, store host, kind, transaction id, state, whether asked for |
//! | `Recall` | time, region, group, topic, message id, success |

mod read;
mod record;
#[cfg(test)]
mod trace_test;

pub use record::{DEFAULT_REGION, TraceError, TraceKind, TraceOutcome, TraceRecord, TraceTransactionState};
