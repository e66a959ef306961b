//! The time that a parked message carries: the property `TIMER_OUT_MS`.
//!
//! A Java broker rounds the time of delivery down to its precision, and a time that needs no rounding to the step before: what
//! is due at 5,000 or at 4,001 gets 4,000, and is delivered when the second that begins there is over. Ours keeps the
//! millisecond and writes the time less one: 4,999 and 4,000. That lies in the same slot of the wheel for every time, so that a
//! Java broker delivers it in its next second, never early, and a recall, which names the time plus one, meets it there.

use eruca_message::{
    Properties, Timestamp,
    properties::{self, TIMER_DELAY_MS, TIMER_DELAY_SEC, TIMER_DELIVER_MS},
};

/// The value of `TIMER_OUT_MS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutTime(pub i64);

impl OutTime {
    /// What is written for a message that is due at `deliver_at`.
    ///
    /// A whole step of the precision is what Java writes. Where the properties do not show the time itself it could not be
    /// told apart: such a message is due a millisecond later.
    pub fn of(deliver_at: Timestamp, properties: &Properties, precision_ms: i64) -> OutTime {
        let out = deliver_at.0.saturating_sub(1);
        let is_relative = [TIMER_DELAY_SEC, TIMER_DELAY_MS].iter().any(|name| properties.get(name).is_some());
        OutTime(if is_relative && out % precision_ms == 0 { out.saturating_add(1) } else { out })
    }

    /// What recall handles name, and when the message is due if it is ours.
    pub fn recall_time(self) -> Timestamp {
        Timestamp(self.0.saturating_add(1))
    }

    /// Start of the message's slot in the wheel.
    pub fn slot_start(self, precision_ms: i64) -> Timestamp {
        Timestamp(self.0.div_euclid(precision_ms).saturating_mul(precision_ms))
    }

    /// When a message with these encoded `properties` is due, whoever wrote them; never before the time that was asked for.
    pub fn due(self, properties: &[u8], precision_ms: i64) -> Timestamp {
        if self.0 % precision_ms != 0 {
            return self.recall_time();
        }
        let end = self.0.saturating_add(precision_ms);
        let is_relative =
            [TIMER_DELAY_SEC, TIMER_DELAY_MS].iter().any(|name| properties::find(properties, name).is_some());
        let asked = properties::find_str(properties, TIMER_DELIVER_MS)
            .filter(|_| !is_relative)
            .and_then(|text| text.parse::<i64>().ok())
            .filter(|asked| (self.0 + 1..=end).contains(asked));
        Timestamp(asked.unwrap_or(end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a Java broker rounds.
    fn java(deliver_at: i64, precision_ms: i64) -> i64 {
        match deliver_at % precision_ms {
            0 => deliver_at - precision_ms,
            _ => deliver_at / precision_ms * precision_ms,
        }
    }

    fn with(name: &str, value: i64) -> Properties {
        let mut properties = Properties::new();
        properties.set(name, value.to_string());
        properties
    }

    proptest! {
        #[test]
        fn ours_and_javas_lie_in_one_slot_and_none_is_early(
            deliver_at in 1_000_000_000_000i64..4_000_000_000_000,
            precision_ms in proptest::sample::select(vec![100i64, 200, 500, 1000]),
        ) {
            let asked = with(TIMER_DELIVER_MS, deliver_at);
            let (bytes, javas) = (asked.to_bytes(), java(deliver_at, precision_ms));
            let ours = OutTime::of(Timestamp(deliver_at), &asked, precision_ms);
            prop_assert_eq!(ours.slot_start(precision_ms).0, javas);
            prop_assert_eq!(java(ours.recall_time().0, precision_ms), javas, "a recall meets it in a Java broker");
            prop_assert_eq!(ours.due(&bytes, precision_ms).0, deliver_at);
            prop_assert_eq!(OutTime(javas).due(&bytes, precision_ms).0, deliver_at, "also what Java parked");

            let relative = with(TIMER_DELAY_MS, 5);
            let ours = OutTime::of(Timestamp(deliver_at), &relative, precision_ms);
            let due = ours.due(&relative.to_bytes(), precision_ms).0;
            prop_assert!((deliver_at..=deliver_at + 1).contains(&due));
            prop_assert_eq!(java(ours.recall_time().0, precision_ms), ours.slot_start(precision_ms).0);
            let due = OutTime(javas).due(&relative.to_bytes(), precision_ms).0;
            prop_assert!((deliver_at..=deliver_at + precision_ms).contains(&due), "a second at most");
        }
    }
}
