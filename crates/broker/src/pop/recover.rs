//! What is in flight after a restart, from the records that still wait for the end of the invisible time.
//!
//! Those whose time came meanwhile are in the revive topic, or soon will be: they are read there. So what is not found
//! here, because it is long ago, is not lost; its acknowledgements are only noted without being checked.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

use eruca_message::{
    LogOffset, QueueOffset, Record, Timestamp,
    names::TIMER_TOPIC,
    properties::{self, REAL_TOPIC, TIMER_DELIVER_MS},
};

use super::{
    log::CHECK_POINT_LEAD_MS,
    record::{BadRecord, ReviveRecord},
    service::PopService,
    state::{PopKey, QueueKey},
};
use crate::queue_walk::for_each_backwards;

/// Records are looked for so far back.
const SEARCHED_MS: i64 = 10 * 60 * 1000;
/// And at most so many.
const SEARCHED_RECORDS_MAX: u64 = 200_000;

/// Who delivers the records that wait in the timer topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timers {
    /// This broker, into the revive topic, or it has.
    Ours,
    /// Nobody where the time came while the group had no master: a slave that stands in has no revive topic of its own to
    /// put them in, and its timers pass them over. So all that is not in the revive topic is looked for.
    PassedOver,
}

/// What a search of the timer topic found.
struct Waiting {
    /// The latest first.
    records: Vec<ReviveRecord>,
    /// Check points that the timer may have delivered already, though their time is not over.
    perhaps_delivered: HashSet<PopKey>,
    /// Since when all are found.
    since: Timestamp,
}

impl PopService {
    /// Searches the log, and begins to read the revive topic.
    pub(super) fn recover(&self, now: Timestamp, timers: Timers) {
        self.forget_lost_orders();
        self.begin_revive(now);
        let Waiting { mut records, perhaps_delivered, since } = self.search(now, timers);
        let delivered = match perhaps_delivered.is_empty() {
            true => Some(HashSet::new()),
            false => {
                let searched_ms = match timers {
                    Timers::Ours => CHECK_POINT_LEAD_MS,
                    Timers::PassedOver => SEARCHED_MS,
                };
                self.delivered_since(now.add_ms(-searched_ms), now)
            }
        };
        // What the timer delivered is read in the revive topic, or was, and is done with.
        records.retain(|record| match record {
            ReviveRecord::CheckPoint(check_point) if self.state().is_dealt_with(check_point) => false,
            ReviveRecord::CheckPoint(check_point) if perhaps_delivered.contains(&check_point.key) => {
                delivered.as_ref().is_some_and(|delivered| !delivered.contains(&check_point.key))
            }
            _ => true,
        });
        let pop_times = records.iter().filter_map(|record| match record {
            ReviveRecord::CheckPoint(check_point) => Some(check_point.key.pop_time),
            ReviveRecord::Acks(..) => None,
        });
        let latest = pop_times.max();
        let mut acks = Vec::new();
        let mut check_points = 0;
        // The latest was found first.
        for record in records.into_iter().rev() {
            match record {
                ReviveRecord::CheckPoint(check_point) => {
                    check_points += usize::from(self.state().popped(check_point));
                }
                ReviveRecord::Acks(key, offsets) => acks.push((key, offsets)),
            }
        }
        // What came due meanwhile is known before anybody acknowledges it.
        let mut is_more = true;
        while is_more && self.state().has_room() {
            is_more = self.read_revive_topic(now);
        }
        let mut state = self.state();
        // Last, as they may be of check points that are in the revive topic already.
        acks.iter().for_each(|(key, offsets)| state.revive_acks(key, offsets, now));
        if check_points + acks.len() > 0 {
            tracing::info!(
                check_points,
                acks = acks.len(),
                in_flight = state.len(),
                "messages that were popped before are in flight"
            );
        }
        let knows_delivered = delivered.is_some() && !is_more;
        state.set_searched(since, if knows_delivered { now } else { now.add_ms(CHECK_POINT_LEAD_MS) });
        state.know_from(now, latest);
    }

    /// The records that wait in the timer topic.
    fn search(&self, now: Timestamp, timers: Timers) -> Waiting {
        let oldest = now.add_ms(-SEARCHED_MS);
        let range = self.parts.store.queue_range(TIMER_TOPIC, 0);
        let lowest = range.min.max(QueueOffset(range.max.0.saturating_sub(SEARCHED_RECORDS_MAX)));
        let mut found = Waiting { records: Vec::new(), perhaps_delivered: HashSet::new(), since: oldest };
        let mut reached = oldest;
        let _ = for_each_backwards(&self.parts.store, TIMER_TOPIC, 0, lowest, |_, entry| {
            self.look_at(entry.log_offset, oldest, &mut reached, |record| {
                self.note_waiting(record, now, timers, &mut found)
            })
        });
        let was_cut = lowest > range.min && reached > oldest;
        if was_cut {
            found.since = reached;
        }
        found
    }

    /// What lies behind `end` in the log is about to be cut off, and with it the check points there: what was popped by them comes again
    /// only where its group goes back to it.
    pub(crate) fn log_will_be_cut(&self, end: LogOffset) {
        let mut starts: HashMap<QueueKey, i64> = HashMap::new();
        let mut reached = self.parts.clock.now();
        let _ = for_each_backwards(&self.parts.store, TIMER_TOPIC, 0, QueueOffset(0), |_, entry| {
            if entry.log_offset < end {
                return ControlFlow::Break(());
            }
            self.look_at(entry.log_offset, Timestamp(0), &mut reached, |record| {
                if let Some((_, Ok(ReviveRecord::CheckPoint(check_point)))) = self.waiting(record)
                    && check_point.key.broker.is_none()
                {
                    let PopKey { queue, start, .. } = check_point.key;
                    starts.entry(queue).and_modify(|lowest| *lowest = start.min(*lowest)).or_insert(start);
                }
            })
        });
        for (queue, start) in starts {
            let QueueKey { topic, group, queue_id } = &queue;
            let offsets = &self.parts.offsets;
            if offsets.committed(group, topic, *queue_id).is_some_and(|committed| committed > start) {
                offsets.commit(group, topic, *queue_id, start);
            }
        }
    }

    /// Reads a record, and gives it to `each`, unless it is older than `oldest`, which ends the search. When it was stored goes
    /// into `reached`.
    fn look_at(
        &self,
        at: LogOffset,
        oldest: Timestamp,
        reached: &mut Timestamp,
        each: impl FnOnce(&Record<'_>),
    ) -> ControlFlow<()> {
        match self.parts.store.record_at(at) {
            Ok(Some(bytes)) => {
                let Ok(record) = Record::decode(&bytes) else { return ControlFlow::Continue(()) };
                if record.fields.store_timestamp < oldest {
                    return ControlFlow::Break(());
                }
                *reached = record.fields.store_timestamp;
                each(&record);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a record of a pop cannot be read, passed over"),
        }
        ControlFlow::Continue(())
    }

    /// What a record of the timer topic says of a pop, and when it is delivered; `None` where it is of something else.
    fn waiting(&self, record: &Record<'_>) -> Option<(Timestamp, Result<ReviveRecord, BadRecord>)> {
        let text = |name| properties::find_str(record.fields.properties, name);
        if text(REAL_TOPIC) != Some(self.log.topic()) {
            return None;
        }
        let deliver_at = text(TIMER_DELIVER_MS)?.parse().ok().map(Timestamp)?;
        Some((deliver_at, self.log.read(record)))
    }

    fn note_waiting(&self, record: &Record<'_>, now: Timestamp, timers: Timers, found: &mut Waiting) {
        let Some((deliver_at, said)) = self.waiting(record) else { return };
        match said {
            // One whose time is over is dealt with when it is read in the revive topic, or has been.
            Ok(ReviveRecord::CheckPoint(check_point))
                if timers == Timers::Ours && deliver_at <= now && check_point.due() <= now => {}
            Ok(record) => {
                if let ReviveRecord::CheckPoint(check_point) = &record
                    && deliver_at <= now
                {
                    found.perhaps_delivered.insert(check_point.key.clone());
                }
                found.records.push(record);
            }
            Err(error) => tracing::warn!(%error, "a record of a pop says nothing, passed over"),
        }
    }

    /// The check points that the timer delivered since `oldest`: within the last second where only those still in flight
    /// matter; `None` where there are too many to look at.
    fn delivered_since(&self, oldest: Timestamp, now: Timestamp) -> Option<HashSet<PopKey>> {
        let mut delivered = HashSet::new();
        let (mut looked_at, mut reached) = (0, now);
        for queue in 0..self.revive_queue_nums {
            let _ =
                for_each_backwards(&self.parts.store, self.log.topic(), queue, QueueOffset(0), |_, entry| {
                    looked_at += 1;
                    if looked_at > SEARCHED_RECORDS_MAX {
                        return ControlFlow::Break(());
                    }
                    self.look_at(entry.log_offset, oldest, &mut reached, |record| {
                        let said = self.log.read(record);
                        if let Ok(ReviveRecord::CheckPoint(check_point)) = said {
                            delivered.insert(check_point.key);
                        }
                    })
                });
        }
        (looked_at <= SEARCHED_RECORDS_MAX).then_some(delivered)
    }
}

#[cfg(test)]
#[path = "recover_test.rs"]
mod tests;
