#![no_main]

use eruca_message::trace::TraceRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for record in TraceRecord::decode_all(&text).flatten() {
        let mut written = String::new();
        record.encode(&mut written);
        let again: Vec<_> = TraceRecord::decode_all(&written).flatten().collect();
        assert_eq!(again, [record], "what was read is written and read again");
    }
});
