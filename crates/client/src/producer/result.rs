//! What a broker said to a message.

use eruca_message::MessageQueue;
use eruca_protocol::{ResponseCode, request::SendMessageResponse};

/// How safely a message is stored. In every case it is stored (Java: `SendStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendStatus {
    /// As the broker is configured to.
    Ok,
    /// Not flushed to disk in time.
    FlushDiskTimeout,
    /// Not replicated in time.
    FlushSlaveTimeout,
    /// There is no slave to replicate to.
    SlaveNotAvailable,
}

/// A stored message (Java: `SendResult`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendResult {
    /// How safely it is stored.
    pub status: SendStatus,
    /// The id that this client gave it; of a batch, the ids of all, separated by `,` (Java: `msgId`).
    pub message_id: String,
    /// The id by which the broker finds it; of a batch, the ids of all, separated by `,` (Java: `offsetMsgId`).
    pub offset_message_id: String,
    /// The queue that holds it.
    pub queue: MessageQueue,
    /// Its offset in the queue; of a batch, that of the first one.
    pub queue_offset: i64,
    /// Id of the transaction, where it is part of one.
    pub transaction_id: Option<String>,
    /// What to recall a delayed message with, where the broker offers it.
    pub recall_handle: Option<String>,
}

impl SendStatus {
    /// The status that a response code means; `None` where the message was not stored.
    pub(crate) fn from_code(code: ResponseCode) -> Option<SendStatus> {
        match code {
            ResponseCode::SUCCESS => Some(SendStatus::Ok),
            ResponseCode::FLUSH_DISK_TIMEOUT => Some(SendStatus::FlushDiskTimeout),
            ResponseCode::FLUSH_SLAVE_TIMEOUT => Some(SendStatus::FlushSlaveTimeout),
            ResponseCode::SLAVE_NOT_AVAILABLE => Some(SendStatus::SlaveNotAvailable),
            _ => None,
        }
    }
}

impl SendResult {
    pub(crate) fn new(
        status: SendStatus,
        message_id: String,
        queue: &MessageQueue,
        header: SendMessageResponse,
    ) -> Self {
        SendResult {
            status,
            message_id,
            offset_message_id: header.msg_id,
            queue: MessageQueue { queue_id: header.queue_id, ..queue.clone() },
            queue_offset: header.queue_offset,
            transaction_id: header.transaction_id,
            recall_handle: header.recall_handle,
        }
    }
}
