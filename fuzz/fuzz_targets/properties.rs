#![no_main]

use eruca_message::{Properties, properties};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let read = Properties::decode(data);
    for (name, value) in properties::iter(data) {
        let _ = properties::find_str(data, &name);
        let _ = value.len();
    }
    let written = read.to_bytes();
    assert_eq!(Properties::decode(&written).to_bytes(), written);
});
