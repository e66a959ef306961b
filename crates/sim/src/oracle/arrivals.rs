//! Whoever waits for messages is told of each once, in the order of the log.

use std::sync::{Arc, Mutex, PoisonError};

use eruca_store::{Arrival, ArrivalListener};

use super::{Verdict, expect_eq};
use crate::model::ModelRecord;

/// A listener that remembers.
#[derive(Debug, Default, Clone)]
pub struct Ears(Arc<Mutex<Vec<Arrival>>>);

impl ArrivalListener for Ears {
    fn arrived(&self, arrivals: &[Arrival]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(arrivals);
    }
}

impl Ears {
    /// What was heard since the last time.
    pub fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was heard, against the records that became visible.
pub fn arrivals<'a>(visible: impl Iterator<Item = &'a ModelRecord>, heard: &[Arrival]) -> Verdict {
    let expected: Vec<_> = visible
        .filter_map(|record| {
            let offset = record.queue_offset?;
            Some((
                &*record.key.0,
                record.key.1,
                offset,
                offset + 1,
                record.tags_code,
                record.at,
                record.len_bytes(),
                record.stored,
            ))
        })
        .collect();
    let heard: Vec<_> = heard
        .iter()
        .map(|one| {
            let (offset, max) = (one.queue_offset.0, one.queue_offset_max.0);
            let (at, len) = (one.log_offset.0, u64::from(one.size_bytes));
            (&*one.topic, one.queue_id, offset, max, one.tags_code, at, len, one.store_timestamp)
        })
        .collect();
    expect_eq("each message is announced once, in order", "arrivals", &expected, &heard)
}
