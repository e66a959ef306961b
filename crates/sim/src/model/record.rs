//! A record that was given its place.

use std::rc::Rc;

use eruca_message::Timestamp;

/// Topic and queue number.
pub type Key = (Rc<str>, i32);

/// A record as the store must give it back.
#[derive(Debug, Clone)]
pub struct ModelRecord {
    /// Its queue.
    pub key: Key,
    /// Where it starts.
    pub at: u64,
    /// Where it ends, exclusive.
    pub end: u64,
    /// Its offset in the queue; `None` for a kind that has no entry.
    pub queue_offset: Option<u64>,
    /// What its entry says beside its place.
    pub tags_code: i64,
    /// When it was stored.
    pub stored: Timestamp,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl ModelRecord {
    /// Length in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.end - self.at
    }
}
