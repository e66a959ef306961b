//! What tests of this folder share.

use eruca_message::{LogOffset, Timestamp};
use eruca_store::{AppendMessage, MessageStore};

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
