//! Topics: which there are, what they allow, how new ones come to be.

mod kind;
mod system;
mod table;

pub(crate) use kind::{
    BATCH, LITE_TOPIC_EXPIRATION, MESSAGE_TYPE, QUEUE_TYPE, batch_topics, has_batch_queues, has_priorities,
    is_lite_parent, lite_expiration_minutes,
};
pub use system::{SystemTopics, reply_topic};
pub use table::{TopicLimits, TopicTable};

/// Permission bits of a topic and of a broker (Java: `PermName`).
pub mod perm {
    /// Messages may be pulled.
    pub const READ: i32 = 4;
    /// Messages may be sent.
    pub const WRITE: i32 = 2;
    /// New topics may be made after this one.
    pub const INHERIT: i32 = 1;

    /// Whether messages may be pulled.
    pub fn is_readable(perm: i32) -> bool {
        perm & READ != 0
    }

    /// Whether messages may be sent.
    pub fn is_writeable(perm: i32) -> bool {
        perm & WRITE != 0
    }

    /// Whether new topics may be made after this one.
    pub fn is_inherited(perm: i32) -> bool {
        perm & INHERIT != 0
    }

    /// As Java's remarks write it: `RW-`.
    pub fn text(perm: i32) -> String {
        let letter = |bit, letter| if perm & bit != 0 { letter } else { '-' };
        [letter(READ, 'R'), letter(WRITE, 'W'), letter(INHERIT, 'X')].iter().collect()
    }
}
