//! What is in flight after a restart, from the records that still wait for the end of the invisible time.
//!
//! Those whose time came meanwhile are in the revive topic, or soon will be: they are read there. So what is not found
//! here, because it is long ago, is not lost; its acknowledgements are only noted without being checked.

use std::ops::ControlFlow;

use eruca_message::{
    QueueOffset, Record, Timestamp,
    names::TIMER_TOPIC,
    properties::{self, REAL_TOPIC, TAGS, TIMER_DELIVER_MS},
};

use super::{
    record::{self, ReviveRecord},
    service::PopService,
};

/// Records are looked for so far back.
const SEARCHED_MS: i64 = 10 * 60 * 1000;
/// And at most so many.
const SEARCHED_RECORDS_MAX: u64 = 200_000;
/// Entries looked at at a time.
const ENTRIES_AT_ONCE: u64 = 1_024;

impl PopService {
    /// Searches the log, and begins to read the revive topic.
    pub(super) fn recover(&self, now: Timestamp) {
        self.begin_revive(now);
        let (found, since) = self.search(now);
        let pop_times = found.iter().filter_map(|(_, record)| match record {
            ReviveRecord::CheckPoint(check_point) => Some(check_point.key.pop_time),
            ReviveRecord::Acks(..) => None,
        });
        let latest = pop_times.max();
        let mut state = self.state();
        let (mut check_points, mut acks) = (0, 0);
        // The latest was found first.
        for (_, record) in found.into_iter().rev() {
            match record {
                ReviveRecord::CheckPoint(check_point) => {
                    check_points += usize::from(state.popped(check_point))
                }
                ReviveRecord::Acks(key, offsets) => {
                    acks += 1;
                    state.revive_acks(&key, &offsets, now);
                }
            }
        }
        if check_points + acks > 0 {
            tracing::info!(
                check_points,
                acks,
                in_flight = state.len(),
                "messages that were popped before are in flight"
            );
        }
        drop(state);
        // What came due meanwhile is known before anybody acknowledges it.
        while self.state().has_room() && self.read_revive_topic(now) {}
        let mut state = self.state();
        // A check point's record is delivered a second before its messages become visible.
        state.set_searched(since, now.add_ms(1_000));
        state.know_from(now, latest);
    }

    /// The records that wait, the latest first, and since when all are found.
    fn search(&self, now: Timestamp) -> (Vec<(Timestamp, ReviveRecord)>, Timestamp) {
        let oldest = now.add_ms(-SEARCHED_MS);
        let range = self.parts.store.queue_range(TIMER_TOPIC, 0);
        let lowest = range.min.0.max(range.max.0.saturating_sub(SEARCHED_RECORDS_MAX));
        let mut found = Vec::new();
        let mut end = range.max.0;
        let mut since = oldest;
        'search: while end > lowest {
            let start = lowest.max(end.saturating_sub(ENTRIES_AT_ONCE));
            let entries =
                self.parts.store.queue_entries(TIMER_TOPIC, 0, QueueOffset(start), (end - start) as usize);
            for entry in entries.iter().rev() {
                match self.parts.store.record_at(entry.log_offset) {
                    Ok(Some(bytes)) => {
                        if let ControlFlow::Break(()) =
                            self.look_at(&bytes, now, oldest, &mut found, &mut since)
                        {
                            break 'search;
                        }
                    }
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a record that waits for its time cannot be read, passed over");
                    }
                }
            }
            end = start;
        }
        let was_cut = lowest > range.min.0 && since > oldest;
        (found, if was_cut { since } else { oldest })
    }

    fn look_at(
        &self,
        bytes: &[u8],
        now: Timestamp,
        oldest: Timestamp,
        found: &mut Vec<(Timestamp, ReviveRecord)>,
        since: &mut Timestamp,
    ) -> ControlFlow<()> {
        let Ok(record) = Record::decode(bytes) else { return ControlFlow::Continue(()) };
        let fields = &record.fields;
        if fields.store_timestamp < oldest {
            return ControlFlow::Break(());
        }
        *since = fields.store_timestamp;
        let text = |name| properties::find_str(fields.properties, name);
        if text(REAL_TOPIC) != Some(self.log.topic()) {
            return ControlFlow::Continue(());
        }
        let deliver_at = text(TIMER_DELIVER_MS).and_then(|text| text.parse().ok()).map(Timestamp);
        let Some(deliver_at) = deliver_at else { return ControlFlow::Continue(()) };
        match record::decode(text(TAGS).unwrap_or_default(), fields.body) {
            // One whose time has come is dealt with when it is read in the revive topic, or has been.
            Ok(ReviveRecord::CheckPoint(_)) if deliver_at <= now => {}
            Ok(record) => found.push((deliver_at, record)),
            Err(error) => tracing::warn!(%error, "a record of a pop says nothing, passed over"),
        }
        ControlFlow::Continue(())
    }
}
