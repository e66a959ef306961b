//! Idempotent sends: in a topic with the attribute `idempotent.window.seconds`, a message that is sent again within that
//! time is acknowledged with the place of the first one and stored once. Java's broker has no such thing.
//!
//! A message is the same when unique id (`UNIQ_KEY`, which clients give once and keep when they try again), topic and
//! body are. The newest ids are remembered in memory, as hashes; older ones, and those from before a start, are
//! found through the index of keys. Either only says where to look: the record in the log decides.

mod find;
mod recent;
mod sends;

pub use find::Earlier;
pub use sends::{IDEMPOTENT_WINDOW_SECONDS, IdempotentSends, TopicSends};
