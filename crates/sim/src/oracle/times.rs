//! A search by time finds what a look at every message finds.

use eruca_message::{QueueOffset, Timestamp};
use eruca_store::{Boundary, MessageStore};

use super::{Verdict, expect_eq};
use crate::model::{Key, Model};

/// Asks and compares.
pub fn offset_by_time(
    store: &MessageStore,
    model: &Model,
    key: &Key,
    time: Timestamp,
    boundary: Boundary,
) -> Verdict {
    let found = store.queue_offset_by_time(&key.0, key.1, time, boundary);
    let Some(queue) = model.queues.get(key) else {
        return expect_eq("offsets are found by time", "no such queue", &QueueOffset(0), &found);
    };
    let (min, max) = (queue.min, model.visible(queue));
    let stored = |offset: u64| {
        // A record that expired counts as an old one.
        model.message(queue, offset).filter(|record| record.at >= model.log_min).map(|record| record.stored)
    };
    let expected = match boundary {
        Boundary::Lower => {
            (min..max).find(|offset| stored(*offset).is_some_and(|stored| stored >= time)).unwrap_or(max)
        }
        Boundary::Upper => {
            let behind =
                (min..max).find(|offset| stored(*offset).is_some_and(|stored| stored > time)).unwrap_or(max);
            if behind == min { 0 } else { behind - 1 }
        }
    };
    let what = format!("{}/{} at {time}, {boundary:?}", key.0, key.1);
    expect_eq("offsets are found by time", what, &QueueOffset(expected), &found)
}
