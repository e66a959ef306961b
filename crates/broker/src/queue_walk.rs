//! Going through a queue from its end, for what a start has to know of the latest messages.

use std::ops::ControlFlow;

use eruca_message::QueueOffset;
use eruca_store::{ConsumeQueueEntry, MessageStore};

/// Entries read at a time.
const ENTRIES_AT_ONCE: u64 = 1_024;

/// Calls `each` with the entries of a queue, the last one first, back to `lowest`, until it breaks. Blank ones are left out.
pub(crate) fn for_each_backwards(
    store: &MessageStore,
    topic: &str,
    queue_id: i32,
    lowest: QueueOffset,
    mut each: impl FnMut(QueueOffset, &ConsumeQueueEntry) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let range = store.queue_range(topic, queue_id);
    let (lowest, mut end) = (lowest.max(range.min), range.max);
    while end > lowest {
        let start = QueueOffset(end.0.saturating_sub(ENTRIES_AT_ONCE)).max(lowest);
        let entries = store.queue_entries(topic, queue_id, start, (end.0 - start.0) as usize);
        for (index, entry) in entries.iter().enumerate().rev() {
            if !entry.is_blank() {
                each(start.add_messages(index as u64), entry)?;
            }
        }
        end = start;
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::test_parts::TestParts;

    #[test]
    fn a_queue_is_gone_through_from_its_end() {
        let parts = TestParts::new();
        let count = 2 * ENTRIES_AT_ONCE + 5;
        for _ in 0..count {
            parts.store("T", 0, "x", b"");
        }
        let mut seen = Vec::new();
        let walked = for_each_backwards(&parts.store, "T", 0, QueueOffset(3), |offset, _| {
            seen.push(offset.0);
            ControlFlow::Continue(())
        });
        assert!(walked.is_continue());
        assert_eq!(seen, (3..count).rev().collect::<Vec<_>>());
        let mut count = 0;
        let walked = for_each_backwards(&parts.store, "T", 0, QueueOffset(0), |_, _| {
            count += 1;
            if count == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(walked.is_break() && count == 7);
    }
}
