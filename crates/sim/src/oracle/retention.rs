//! Only what is old enough expires, or what must make room; never what is not on the disk, nor the segment in use.

use eruca_message::Timestamp;
use eruca_store::{MessageStore, RetentionReport};

use super::{Verdict, Violation, expect, expect_eq};
use crate::model::Model;

const INVARIANT: &str = "only old segments expire, or those that must make room";
const HOUR_MS: i64 = 3_600_000;

/// What was true before.
#[derive(Debug, Clone, Copy)]
pub struct BeforeExpiry {
    /// Start of the log.
    pub log_min: u64,
    /// Up to here the log was on the disk.
    pub flushed: u64,
    /// Share of the disk in use.
    pub used_ratio: f64,
    /// Whether young segments may go where room is needed.
    pub may_force: bool,
}

impl BeforeExpiry {
    /// Looks at it.
    pub fn look(store: &MessageStore, may_force: bool) -> BeforeExpiry {
        let used_ratio = store.disk_usage().used_ratio;
        let flushed = store.watermarks().flushed.0;
        BeforeExpiry { log_min: store.log_range().0.0, flushed, used_ratio, may_force }
    }
}

/// Compares what went with what might go. The model learns where log and queues start now; where a fault struck, a
/// queue may still begin where it did.
pub fn retention(
    store: &MessageStore,
    model: &mut Model,
    before: BeforeExpiry,
    now: Timestamp,
    report: &RetentionReport,
    struck: bool,
) -> Verdict {
    let (config, min) = (store.config(), store.log_range().0.0);
    let segment = config.segment_size_bytes;
    let deleted = (min - before.log_min) / segment;
    if !struck {
        expect_eq(INVARIANT, "segments deleted", &(report.segments_deleted as u64), &deleted)?;
    }
    let forced =
        before.may_force && config.clean_forcibly && before.used_ratio > config.disk_clean_forcibly_ratio;
    for number in 1..=deleted {
        let end = before.log_min + number * segment;
        let stored = model.last_before(end).map_or(Timestamp(0), |record| record.stored);
        let age_ms = now.ms_since(stored);
        let old = age_ms >= i64::from(config.file_reserved_hours) * HOUR_MS;
        let what = || format!("segment before {end} kept, or {} h old", config.file_reserved_hours);
        expect(INVARIANT, forced || old, what, || format!("{age_ms} ms old"))?;
        let safe = end <= before.flushed && end < model.written;
        expect(
            INVARIANT,
            safe,
            || format!("{end} below {} and {}", before.flushed, model.written),
            || "deleted".to_owned(),
        )?;
    }
    model.log_min = min;
    let trimmed = report.segments_deleted > 0 && !struck;
    learn_queue_starts(store, model, trimmed)
}

fn learn_queue_starts(store: &MessageStore, model: &mut Model, trimmed: bool) -> Verdict {
    let mut starts = Vec::new();
    for (key, queue) in &model.queues {
        let (found, lowest) = (store.queue_range(&key.0, key.1).min.0, model.lowest(queue));
        let allowed = if trimmed { lowest..=lowest } else { queue.min..=lowest.max(queue.min) };
        if !allowed.contains(&found) {
            let expected = format!("{}/{} starts in {allowed:?}", key.0, key.1);
            return Err(Violation { invariant: INVARIANT, expected, found: found.to_string() });
        }
        starts.push(found);
    }
    model.queues.values_mut().zip(starts).for_each(|(queue, start)| queue.min = start);
    Ok(())
}
