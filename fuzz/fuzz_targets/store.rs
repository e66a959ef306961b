#![no_main]

use eruca_message::LogOffset;
use eruca_store::{BatchQueueEntry, Checkpoint, ConsumeQueueEntry, log_item};
use libfuzzer_sys::fuzz_target;

// What recovery reads from files that a crash, a bad disk or another program left.
fuzz_target!(|data: &[u8]| {
    let _ = Checkpoint::decode(data);
    let entries = ConsumeQueueEntry::decode_all(data).count();
    assert!(entries <= data.len() / 20);
    assert!(BatchQueueEntry::decode_all(data).count() <= data.len() / 46);
    for room_bytes in [data.len() as u64, 1 << 30] {
        let _ = log_item(data, LogOffset(0), room_bytes);
    }
});
