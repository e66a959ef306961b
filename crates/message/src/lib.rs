//! RocketMQ messages: names, offsets, and the bytes of a message at rest.
//!
//! Read in this order: what things are called (`names`, `lite`, `message_queue`, `offset`, `time`), what a
//! message carries (`properties`, `sys_flag`, `tag`, `message`), and its bytes (`record`, `record_tail`,
//! `batch`, `message_id`, `transaction`, `trace`). No I/O, no protocol.

mod batch;
mod delay_level;
pub mod lite;
mod message;
mod message_id;
mod message_queue;
mod name_map;
pub mod names;
mod offset;
pub mod properties;
mod recall_handle;
mod record;
mod record_tail;
pub mod sys_flag;
mod tag;
mod time;
pub mod trace;
pub mod transaction;

pub use batch::{BatchEntry, BatchError, decode_batch, encode_batch_entry};
pub use delay_level::{DelayLevels, DelayLevelsError};
pub use message::{Message, StoredMessage};
pub use message_id::{
    MessageIdError, OFFSET_ID_LEN_MAX, OffsetMessageId, UniqueIdGenerator, unique_id_timestamp,
};
pub use message_queue::MessageQueue;
pub use name_map::NameMap;
pub use offset::{LogOffset, QueueOffset};
pub use properties::{Properties, PropertiesError};
pub use recall_handle::{RecallHandle, RecallHandleError};
pub use record::{
    BLANK_MAGIC, MAGIC_V1, MAGIC_V2, Record, RecordError, RecordFields, RecordHeader, append_properties,
    encode_record, encoded_record_len, patch_offsets,
};
pub use record_tail::{HEAD_LEN_BYTES, TAIL_MAX_LEN_BYTES, tail_properties, tail_start};
pub use tag::{java_hash_code, tags_code};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
