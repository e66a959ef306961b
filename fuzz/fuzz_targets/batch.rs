#![no_main]

use eruca_message::{decode_batch, encode_batch_entry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(entries) = decode_batch(data) else { return };
    let mut out = Vec::new();
    for entry in &entries {
        encode_batch_entry(entry, &mut out).expect("an entry that was read can be written");
    }
    assert_eq!(decode_batch(&out).expect("a batch that was written"), entries);
});
