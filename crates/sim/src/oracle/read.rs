//! A read from anywhere brings what the filter takes, in order, within its limits, and says where to go on.

use eruca_message::QueueOffset;
use eruca_store::{EntryFilter, MessageStore, ReadLimits, ReadStatus};

use super::{Verdict, expect, expect_eq};
use crate::model::{Key, Model};

const INVARIANT: &str = "a read brings the messages from its offset on";

/// Takes the messages of one `tagsCode`, or all.
#[derive(Debug, Clone, Copy)]
struct Tag(Option<i64>);

impl EntryFilter for Tag {
    fn matches_entry(&self, tags_code: i64) -> bool {
        self.0.is_none_or(|wanted| wanted == tags_code)
    }
}

/// What is read.
#[derive(Debug, Clone)]
pub struct Question {
    /// The queue.
    pub key: Key,
    /// From where.
    pub from: u64,
    /// How much.
    pub limits: ReadLimits,
    /// Only this `tagsCode`.
    pub tags_code: Option<i64>,
}

/// Asks and compares. `lenient`: reads from the disk may fail, so that less may come.
pub fn read(store: &MessageStore, model: &Model, ask: &Question, lenient: bool) -> Verdict {
    let Question { key, from, limits, tags_code } = ask;
    let filter = Tag(*tags_code);
    let got = store.read(&key.0, key.1, QueueOffset(*from), limits, &filter);
    let what = || format!("{ask:?}");
    let Some(queue) = model.queues.get(key) else {
        let none = matches!(got.status, ReadStatus::NoMatchedQueue | ReadStatus::NoMessageInQueue);
        return expect(INVARIANT, none, what, || format!("{:?}", got.status));
    };
    let (min, max) = (queue.min, model.visible(queue));
    let refused = match *from {
        _ if max == 0 => Some((ReadStatus::NoMessageInQueue, 0)),
        from if from < min => Some((ReadStatus::OffsetTooSmall, min)),
        from if from == max => Some((ReadStatus::OffsetOverflowOne, max)),
        from if from > max => Some((ReadStatus::OffsetOverflowBadly, max)),
        _ => None,
    };
    if let Some(expected) = refused {
        // A queue that never had a visible message may not be there at all.
        let absent = max == 0 && got.status == ReadStatus::NoMatchedQueue;
        return if absent {
            Ok(())
        } else {
            expect_eq(INVARIANT, what(), &expected, &(got.status, got.next_offset.0))
        };
    }
    if lenient && got.status != ReadStatus::Found {
        return Ok(());
    }
    let next = got.next_offset.0;
    expect(
        INVARIANT,
        (from + 1..=max).contains(&next),
        || format!("{ask:?}: next in {}..={max}", from + 1),
        || next.to_string(),
    )?;
    let chosen = (*from..next)
        .filter_map(|offset| model.message(queue, offset))
        .filter(|record| record.at >= model.log_min && tags_code.is_none_or(|code| code == record.tags_code));
    let expected: Vec<&[u8]> = chosen.map(|record| record.bytes.as_slice()).collect();
    if !lenient {
        let same = *got.records == *expected.concat() && got.message_count == expected.len();
        let lengths: Vec<usize> = expected.iter().map(|bytes| bytes.len()).collect();
        expect(
            INVARIANT,
            same,
            || format!("{ask:?}: records of {lengths:?} bytes up to {next}"),
            || format!("{} records, {} bytes", got.message_count, got.records.len()),
        )?;
    }
    let within = got.message_count <= limits.max_messages.max(1)
        && (got.message_count <= 1 || got.records.len() <= limits.max_bytes);
    expect(
        INVARIANT,
        within,
        || format!("within {limits:?}"),
        || format!("{} records, {} bytes", got.message_count, got.records.len()),
    )
}
