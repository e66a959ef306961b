//! Whether, and by which time, a message of the timer topic waits in the wheel.

use eruca_message::{
    LogOffset, Record, Timestamp, java_hash_code,
    properties::{self, REAL_TOPIC, TIMER_DEL_UNIQUE_KEY, TIMER_OUT_MS},
};
use eruca_store::{NewTimer, UnitKind};

use super::recall_key::{RecallKey, RecallKeys};
use crate::delay::OutTime;

/// A message that has to wait, or had to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) timer: NewTimer,
    /// When something is to be done with it.
    pub(super) due: Timestamp,
    /// Which message it recalls.
    pub(super) recalls: Option<RecallKey>,
}

/// Why a message in the timer topic never will be delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it does not say until when it waits (property {TIMER_OUT_MS})")]
pub(super) struct NoTime;

/// What becomes of a message. With a time further away than `window_ms` it is parked anew on the way: after that, or after
/// half of it where little would be left.
pub(super) fn take(
    record: &Record<'_>,
    keys: &RecallKeys,
    precision_ms: i64,
    window_ms: i64,
    now: Timestamp,
) -> Result<Taken, NoTime> {
    let encoded = record.fields.properties;
    let out = properties::find_str(encoded, TIMER_OUT_MS).and_then(|out| out.parse().ok()).map(OutTime);
    let out = out.filter(|out| out.0 >= 0).ok_or(NoTime)?;
    let is_recall = properties::find(encoded, TIMER_DEL_UNIQUE_KEY).is_some();
    let rest_ms = Timestamp(out.0).ms_since(now).saturating_sub(window_ms);
    let (kind, slot_time, due) = if rest_ms >= 0 {
        let wait_ms = if rest_ms < window_ms / 3 { window_ms / 2 } else { window_ms };
        let again = now.add_ms(wait_ms);
        (if is_recall { UnitKind::RollRecall } else { UnitKind::Roll }, again, again)
    } else {
        let kind = if is_recall { UnitKind::Recall } else { UnitKind::Deliver };
        (kind, Timestamp(out.0), out.due(encoded, precision_ms))
    };
    let topic = properties::find_str(encoded, REAL_TOPIC).unwrap_or_default();
    let timer = NewTimer {
        kind,
        out: slot_time,
        log_offset: LogOffset(record.fields.log_offset.0),
        size_bytes: u32::try_from(record.total_len).unwrap_or(u32::MAX),
        topic_hash: java_hash_code(topic),
    };
    let recalls = (kind == UnitKind::Recall).then(|| keys.recalled(encoded)).flatten();
    Ok(Taken { timer, due, recalls })
}

#[cfg(test)]
mod tests {
    use eruca_message::names::TIMER_TOPIC;

    use super::*;
    use crate::handler::test_parts::TestParts;

    fn taken(properties: &str) -> Result<Taken, NoTime> {
        let parts = TestParts::new();
        let properties = properties.replace('=', "\u{1}").replace(' ', "\u{2}");
        let at = parts.store(TIMER_TOPIC, 0, "body", properties.as_bytes()).log_offset;
        let bytes = parts.store.record_at(at).unwrap().unwrap();
        take(&Record::decode(&bytes).unwrap(), &RecallKeys::default(), 1_000, 30_000, Timestamp(1_000_000))
    }

    #[test]
    fn near_times_are_waited_for_and_far_ones_on_the_way() {
        let of = |text: &str| {
            let taken = taken(text).unwrap();
            (taken.timer.kind, taken.timer.out.0, taken.due.0)
        };
        assert_eq!(of("TIMER_OUT_MS=1005499"), (UnitKind::Deliver, 1_005_499, 1_005_500));
        assert_eq!(of("TIMER_OUT_MS=1005000"), (UnitKind::Deliver, 1_005_000, 1_006_000), "as Java rounds");
        assert_eq!(of("TIMER_OUT_MS=1029999"), (UnitKind::Deliver, 1_029_999, 1_030_000));
        assert_eq!(
            of("TIMER_OUT_MS=1030001"),
            (UnitKind::Roll, 1_015_000, 1_015_000),
            "half: the rest is short"
        );
        assert_eq!(of("TIMER_OUT_MS=1040001"), (UnitKind::Roll, 1_030_000, 1_030_000));
        let recall = "TIMER_DEL_UNIQKEY=K REAL_TOPIC=T TIMER_OUT_MS=";
        assert_eq!(of(&format!("{recall}1005499")).0, UnitKind::Recall);
        assert_eq!(of(&format!("{recall}9005499")).0, UnitKind::RollRecall);
        assert!(taken(&format!("{recall}1005499")).unwrap().recalls.is_some());
        assert_eq!(
            taken("TIMER_OUT_MS=7 REAL_TOPIC=TopicTest").unwrap().timer.topic_hash,
            java_hash_code("TopicTest")
        );
    }

    #[test]
    fn without_a_time_there_is_nothing_to_wait_for() {
        for text in ["", "TIMER_OUT_MS=soon", "TIMER_OUT_MS=-5"] {
            assert_eq!(taken(text), Err(NoTime), "{text}");
        }
    }
}
