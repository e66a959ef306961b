#![no_main]

use eruca_message::{OffsetMessageId, Timestamp, unique_id_timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = unique_id_timestamp(text, Timestamp(1_700_000_000_000));
    if let Ok(id) = text.parse::<OffsetMessageId>() {
        assert!(id.to_string().eq_ignore_ascii_case(text));
    }
});
