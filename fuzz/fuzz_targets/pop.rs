#![no_main]

use eruca_protocol::{
    body::{self, BatchAckMessageRequestBody},
    pop::{OrderCounts, PopTopic, QueueOffsets, ReceiptHandle},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(acks) = body::from_json::<BatchAckMessageRequestBody>(data) {
        let again = body::from_json(&body::to_json(&acks));
        assert_eq!(again, Ok(acks), "what was read is written and read again");
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(handle) = ReceiptHandle::parse(text) {
        // An old handle without a place is written without it.
        let again = ReceiptHandle::parse(&handle.to_string()).expect("what was read is written");
        assert_eq!(again.queue_offset.max(-1), handle.queue_offset.max(-1));
        assert_eq!((again.start_offset, again.pop_time, again.is_order()), (handle.start_offset, handle.pop_time, handle.is_order()));
    }
    let (start, messages) = text.split_once('|').unwrap_or((text, text));
    if let Ok(queues) = QueueOffsets::parse(start, messages) {
        let (mut start, mut messages) = (String::new(), String::new());
        queues.iter().for_each(|queue| queue.push_to(&mut start, &mut messages));
        assert_eq!(QueueOffsets::parse(&start, &messages).map(|again| again.len()), Ok(queues.len()));
    }
    if let Ok(counts) = OrderCounts::parse(text) {
        let _ = counts.of(PopTopic::Normal, 0, 0);
    }
});
