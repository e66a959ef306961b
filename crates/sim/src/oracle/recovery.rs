//! What was acknowledged survives, recovery ends in bounded steps, and a second recovery changes nothing.

use std::{rc::Rc, sync::Arc};

use eruca_message::{LogOffset, QueueOffset};
use eruca_store::{
    MessageStore, RecoveryReport, StoreConfig,
    disk::{Disk, SimDisk},
};

use super::{Verdict, Violation, expect, expect_eq};
use crate::{
    clock::SimClock,
    model::{Model, Queue},
};

const SURVIVES: &str = "what was acknowledged survives";
const SECOND: &str = "a second recovery changes nothing";

/// What happened before the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Nothing: it was closed.
    Closed,
    /// The process died.
    Kill,
    /// The power went.
    PowerCut,
}

/// Compares where log and queues start and end now with what had to survive. The model learns what did survive of the
/// rest.
pub fn survivors(store: &MessageStore, model: &mut Model, crash: Crash) -> Verdict {
    let (min, end) = (store.log_range().0.0, store.log_range().1.0);
    let must = if crash == Crash::PowerCut { model.flushed } else { model.written };
    expect(SURVIVES, end >= must, || format!("{crash:?}: the log up to {must}"), || format!("up to {end}"))?;
    let may = if crash == Crash::Closed { min..=min } else { 0..=model.log_min };
    expect(SURVIVES, may.contains(&min), || format!("the log from {may:?}"), || format!("from {min}"))?;
    let segment = store.config().segment_size_bytes;
    expect_eq(SURVIVES, "the log starts with a segment", &0, &(min % segment))?;
    model.log_min = min;

    for record in std::mem::take(&mut model.maybe) {
        model.push(record);
    }
    model.cut(end);
    // Behind the last record there may be a filler, and nothing else.
    let last = model.log.last().map_or(0, |record| record.end).max(min);
    let ends = [last, last.next_multiple_of(segment)];
    expect(SURVIVES, ends.contains(&end), || format!("the log ends at one of {ends:?}"), || end.to_string())?;
    (model.written, model.flushed) = (end, end);

    for topic in std::mem::take(&mut model.uncertain) {
        learn_topic(store, model, &topic)?;
    }
    let starts: Vec<u64> = model.queues.values().map(|queue| model.lowest(queue)).collect();
    model.queues.values_mut().zip(starts).for_each(|(queue, start)| queue.min = start);
    Ok(())
}

/// A topic whose deletion did not end: what is there must be records of that topic at their offsets.
fn learn_topic(store: &MessageStore, model: &mut Model, topic: &Rc<str>) -> Verdict {
    model.queues.retain(|(other, _), _| other != topic);
    let found = store.topics_with_queues().into_iter().find(|(name, _)| **name == **topic);
    for queue_id in found.into_iter().flat_map(|(_, queue_ids)| queue_ids) {
        let range = store.queue_range(topic, queue_id);
        let mut messages = Vec::new();
        let entries = store.queue_entries(topic, queue_id, QueueOffset(0), usize::MAX);
        expect_eq(
            SURVIVES,
            format!("entries of {topic}/{queue_id}"),
            &(range.max.0 - range.min.0),
            &(entries.len() as u64),
        )?;
        for (entry, offset) in entries.iter().zip(range.min.0..) {
            let place = model.log.binary_search_by_key(&entry.log_offset.0, |record| record.at).ok();
            let fits = place.filter(|place| {
                let record = &model.log[*place];
                record.queue_offset == Some(offset) && *record.key.0 == **topic && record.key.1 == queue_id
            });
            let Some(place) = fits else {
                let expected = format!("a record of {topic}/{queue_id} at {offset}");
                return Err(Violation { invariant: SURVIVES, expected, found: format!("{entry:?}") });
            };
            messages.push(place);
        }
        let queue = Queue { base: range.min.0, messages, min: range.min.0 };
        model.queues.insert((Rc::clone(topic), queue_id), queue);
    }
    Ok(())
}

/// Operations on the disk that one opening may take.
pub fn bounded(operations: u64, report: &RecoveryReport, segments: u64) -> Verdict {
    let queues = report.queues as u64;
    let limit = 400 + 40 * segments + 40 * queues + 12 * (report.records + report.entries_cut);
    expect(
        "recovery ends in bounded steps",
        operations <= limit,
        || format!("at most {limit} operations for {report:?} in {segments} segments"),
        || operations.to_string(),
    )
}

/// Kills the process that has just recovered, on a copy of the disk, and recovers again.
pub fn second_recovery(
    store: &MessageStore,
    disk: &SimDisk,
    config: &StoreConfig,
    clock: &SimClock,
) -> Verdict {
    let (fork, range, report) = recover_again(disk, config, clock)?;
    expect_eq(SECOND, "the log", &store.log_range(), &range)?;
    expect_eq(SECOND, "what was cut", &(0, None), &(report.entries_cut, report.torn_tail))?;
    if disk.capacity().is_none() {
        return expect_eq(SECOND, "a file that differs", &None, &difference(disk, &fork, config));
    }
    // On a full disk the first one may have kept in memory what the second, which had room, has written.
    let (third, ..) = recover_again(&fork, config, clock)?;
    expect_eq(SECOND, "a file that differs", &None, &difference(&fork, &third, config))
}

/// But for index files: each start cuts their last message off where it cannot trust it, and it is indexed again.
fn difference(one: &SimDisk, other: &SimDisk, config: &StoreConfig) -> Option<String> {
    let without_index = |disk: &SimDisk| {
        let (fork, dir) = (disk.fork(), config.root.join("index"));
        for entry in fork.list(&dir).unwrap_or_default() {
            // One that cannot be removed differs at most.
            let _ = fork.remove_file(&dir.join(entry.name));
        }
        fork
    };
    without_index(one).difference(&without_index(other))
}

type Recovered = (SimDisk, (LogOffset, LogOffset), RecoveryReport);

/// Recovers on a copy of the disk that has room.
fn recover_again(disk: &SimDisk, config: &StoreConfig, clock: &SimClock) -> Result<Recovered, Violation> {
    let fork = disk.fork();
    fork.set_rates(Default::default());
    fork.set_capacity(None);
    fork.kill();
    let opened = MessageStore::open(config.clone(), Arc::new(fork.clone()), clock.shared());
    let (store, report) = opened.map_err(|error| Violation {
        invariant: SECOND,
        expected: "the store opens".to_owned(),
        found: error.to_string(),
    })?;
    Ok((fork, store.log_range(), report))
}
