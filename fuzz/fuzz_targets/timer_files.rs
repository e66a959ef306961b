#![no_main]

use eruca_store::{TimerCheck, TimerUnit};
use libfuzzer_sys::fuzz_target;

// What a start reads from the timer log and `timercheck` that a power cut, a bad disk or another program left.
fuzz_target!(|data: &[u8]| {
    let _ = TimerCheck::decode(data);
    if let Some(unit) = TimerUnit::read(data) {
        let written = unit.encode();
        assert_eq!(TimerUnit::read(&written), Some(unit), "what was read is written and read again");
    }
});
