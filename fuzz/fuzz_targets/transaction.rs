#![no_main]

use eruca_message::transaction::{Half, checked_properties, committed_properties, encode_op_body, op_offsets};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let offsets: Vec<_> = op_offsets(data).collect();
    let written = encode_op_body(offsets.iter().copied());
    assert_eq!(op_offsets(&written).collect::<Vec<_>>(), offsets, "what was read is written and read again");

    let checked = checked_properties(data, 7);
    match Half::of_properties(data) {
        Ok(half) => {
            let copy = Half::of_properties(&checked).expect("a copy is a half message, too");
            assert_eq!((copy.topic, copy.queue_id, copy.check_times), (half.topic, half.queue_id, 7));
            assert!(Half::of_properties(&committed_properties(data)).is_err(), "a message does not say where it goes");
        }
        Err(_) => assert!(Half::of_properties(&checked).is_err()),
    }
});
