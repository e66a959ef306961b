//! What tests of this folder share.

use eruca_message::{LogOffset, Timestamp};
use eruca_store::{AppendMessage, MessageStore};

use super::HaSettings;
use crate::classic::Shipped;

/// Appends a message to queue 0 of topic `T` and settles it. Where it ends.
pub(super) fn send(store: &MessageStore, body: &[u8]) -> LogOffset {
    let host = "127.0.0.1:10911".parse().unwrap();
    let message = AppendMessage {
        topic: "T",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp(1),
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: b"",
    };
    let appended = store.append(&message).unwrap();
    store.settle().unwrap();
    appended.log_offset_end
}

/// What the tests are set to.
pub(super) fn settings(acknowledges_flushed: bool) -> HaSettings {
    HaSettings {
        shipped: Shipped {
            batch_bytes: 32 << 10,
            heartbeat_ms: 1_000,
            silence_max_ms: 20_000,
            bytes_per_second: None,
        },
        gap_max_bytes: 1 << 20,
        acknowledges_flushed,
        sync_from_last_file: false,
        is_learner: false,
    }
}
