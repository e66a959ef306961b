//! Consumption in order: what of a queue a group has in flight, as a value. Nothing later is given out before it is
//! acknowledged or visible again.
//!
//! Its JSON is an entry of Java's `consumerOrderInfo.json` (`OrderInfo`), members sorted:
//!
//! | member | meaning |
//! |---|---|
//! | `a` | which attempt of the client got it: the same attempt may ask again |
//! | `cm` | bits of the messages that are acknowledged |
//! | `i` | how long they are invisible, in ms |
//! | `l` | when it was given out, in ms since 1970 |
//! | `o` | first offset, then the others less the first |
//! | `oc` | how often a message was given out before, by offset |
//! | `ot` | when a message becomes visible where that was changed, by offset |
//! | `popTime` | when it was given out, which names the pop |
//! | `behind` | ours alone, Java passes over it: offsets behind this pop that were acknowledged before it |

use std::collections::BTreeMap;

use eruca_message::Timestamp;
use serde::{Deserialize, Serialize};

/// Bits of `cm`.
const MESSAGES_MAX: usize = 64;

/// Messages of a queue that a group was given in order, at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct OrderInfo {
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    attempt_id: Option<String>,
    #[serde(rename = "cm")]
    acked: i64,
    #[serde(rename = "i")]
    invisible_ms: Option<i64>,
    #[serde(rename = "l")]
    given_at: i64,
    #[serde(rename = "o")]
    offsets: Vec<i64>,
    #[serde(rename = "oc", skip_serializing_if = "Option::is_none")]
    given_before: Option<BTreeMap<i64, i32>>,
    #[serde(rename = "ot", skip_serializing_if = "Option::is_none")]
    visible_at: Option<BTreeMap<i64, i64>>,
    #[serde(rename = "popTime")]
    pop_time: i64,
    /// A pop that takes fewer messages than the one before leaves out some that were acknowledged behind an open one.
    #[serde(rename = "behind", skip_serializing_if = "Vec::is_empty")]
    acked_behind: Vec<i64>,
}

/// What an acknowledgement in order met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderAck {
    /// It counts: the group goes on at this offset.
    Next(i64),
    /// It is of an earlier pop. Nothing is to be done.
    Stale,
    /// The pop had no such message.
    NotGiven,
}

impl OrderInfo {
    /// Messages at these offsets, at most 64 and rising, were given out now. `before` is what the queue had.
    pub(super) fn given(
        attempt_id: Option<&str>,
        pop_time: i64,
        invisible_ms: i64,
        offsets: &[i64],
        before: Option<&OrderInfo>,
    ) -> Self {
        let first = offsets.first().copied().unwrap_or(0);
        let relative = offsets.iter().enumerate().take(MESSAGES_MAX);
        let relative = relative.map(|(index, offset)| if index == 0 { first } else { offset - first });
        let given_before = before.map(|before| {
            if before.attempt_id.is_some() && before.attempt_id.as_deref() == attempt_id {
                return before.given_before.clone().unwrap_or_default();
            }
            let again = offsets.iter().filter(|offset| before.offsets().any(|given| given == **offset));
            let times = |offset: &i64| before.times_given(*offset).unwrap_or(0).saturating_add(1);
            again.map(|offset| (*offset, times(offset))).collect()
        });
        let last = offsets.last().copied().unwrap_or(0);
        let acked = before.into_iter().flat_map(OrderInfo::acked_offsets).filter(|offset| *offset > last);
        OrderInfo {
            attempt_id: attempt_id.map(str::to_owned),
            acked: 0,
            invisible_ms: Some(invisible_ms),
            given_at: pop_time,
            offsets: relative.collect(),
            given_before,
            visible_at: None,
            pop_time,
            acked_behind: acked.take(MESSAGES_MAX).collect(),
        }
    }

    /// What of this pop, and behind it, is acknowledged, rising.
    fn acked_offsets(&self) -> impl Iterator<Item = i64> {
        let of_pop = self.offsets().enumerate().filter(|(index, _)| self.is_acked(*index));
        of_pop.map(|(_, offset)| offset).chain(self.acked_behind.iter().copied())
    }

    /// The messages' places.
    pub(super) fn offsets(&self) -> impl Iterator<Item = i64> {
        let first = self.offsets.first().copied().unwrap_or(0);
        let rest = self.offsets.iter().skip(1).map(move |delta| first.saturating_add(*delta));
        self.offsets.first().copied().into_iter().chain(rest)
    }

    /// The last place of which something is known.
    pub(super) fn last(&self) -> Option<i64> {
        self.offsets().chain(self.acked_behind.iter().copied()).max()
    }

    /// How often a message was given out before this pop.
    fn times_given(&self, offset: i64) -> Option<i32> {
        self.given_before.as_ref()?.get(&offset).copied()
    }

    /// By offset how often messages were given out before, and the least of all messages of this pop.
    pub(super) fn given_before(&self) -> (Vec<(i64, i32)>, i32) {
        let counts: Vec<_> =
            self.given_before.iter().flatten().map(|(offset, count)| (*offset, *count)).collect();
        let least = match counts.len() == self.offsets.len() {
            true => counts.iter().map(|(_, count)| *count).min().unwrap_or(0),
            false => 0,
        };
        (counts, least)
    }

    fn is_acked(&self, index: usize) -> bool {
        index < MESSAGES_MAX && self.acked & (1i64 << index) != 0
    }

    /// When the last of the messages that are not acknowledged becomes visible: until then nothing else is given out.
    /// `None` where all are acknowledged.
    pub(super) fn blocked_until(&self) -> Option<Timestamp> {
        let ordinary = self.pop_time.saturating_add(self.invisible_ms.unwrap_or(0).max(0));
        let open = self.offsets().enumerate().filter(|(index, _)| !self.is_acked(*index));
        let visible = |offset: i64| self.visible_at.as_ref().and_then(|times| times.get(&offset)).copied();
        open.map(|(_, offset)| Timestamp(visible(offset).unwrap_or(ordinary))).max()
    }

    /// Whether `attempt_id` must not be given anything of the queue now. In the millisecond of the pop nobody is, however short
    /// the messages are invisible: the handles of both would be the same.
    pub(super) fn blocks(&self, attempt_id: Option<&str>, now: Timestamp) -> bool {
        let is_same_attempt = self.attempt_id.is_some() && self.attempt_id.as_deref() == attempt_id;
        !is_same_attempt && self.blocked_until().is_some_and(|until| now < until || now.0 == self.pop_time)
    }

    /// A message was consumed.
    pub(super) fn ack(&mut self, offset: i64, pop_time: i64) -> OrderAck {
        if pop_time != self.pop_time {
            return OrderAck::Stale;
        }
        let Some(index) =
            self.offsets().position(|given| given == offset).filter(|index| *index < MESSAGES_MAX)
        else {
            return OrderAck::NotGiven;
        };
        self.acked |= 1i64 << index;
        let open = self.offsets().enumerate().find(|(index, _)| !self.is_acked(*index));
        // Only what follows without a gap: of others nobody knows whether something between was ever given out.
        let behind = self.acked_behind.iter().fold(
            self.offsets().last().unwrap_or(offset).saturating_add(1),
            |next, acked| {
                if *acked == next { next.saturating_add(1) } else { next }
            },
        );
        OrderAck::Next(open.map_or(behind, |(_, offset)| offset))
    }

    /// A message gets another time at which it becomes visible; false where the pop is not the one that gave it.
    pub(super) fn change(&mut self, offset: i64, pop_time: i64, visible_at: Timestamp) -> bool {
        let open = self.offsets().enumerate().any(|(index, given)| given == offset && !self.is_acked(index));
        if pop_time != self.pop_time || !open {
            return false;
        }
        self.visible_at.get_or_insert_default().insert(offset, visible_at.0);
        true
    }

    /// A consumer puts the queue off: all messages of the pop become visible at another time, and as in Java a message that was
    /// given out before does not count this time. False where the pop is not the one that gave the message.
    pub(super) fn suspend(&mut self, offset: i64, pop_time: i64, visible_at: Timestamp) -> bool {
        if !self.change(offset, pop_time, visible_at) {
            return false;
        }
        self.visible_at = None;
        self.invisible_ms = Some(visible_at.0.saturating_sub(self.pop_time));
        for count in self.given_before.iter_mut().flat_map(BTreeMap::values_mut).filter(|count| **count > 0) {
            *count -= 1;
        }
        true
    }

    /// When it was given out.
    pub(super) fn given_at(&self) -> Timestamp {
        Timestamp(self.given_at)
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body;

    use super::*;

    #[test]
    fn nothing_else_is_given_out_until_all_is_acknowledged_or_visible() {
        let mut info = OrderInfo::given(Some("a1"), 1_000, 500, &[10, 11, 14], None);
        assert!(info.blocks(None, Timestamp(1_499)));
        assert!(!info.blocks(Some("a1"), Timestamp(1_100)), "the same attempt asks again");
        assert!(!info.blocks(None, Timestamp(1_500)));
        assert_eq!(info.ack(11, 1_000), OrderAck::Next(10));
        assert_eq!(info.ack(10, 999), OrderAck::Stale);
        assert_eq!(info.ack(12, 1_000), OrderAck::NotGiven);
        assert_eq!(info.ack(10, 1_000), OrderAck::Next(14));
        assert!(info.change(14, 1_000, Timestamp(9_000)));
        assert!(!info.change(11, 1_000, Timestamp(9_999)), "acknowledged");
        assert_eq!(info.blocked_until(), Some(Timestamp(9_000)));
        assert_eq!(info.ack(14, 1_000), OrderAck::Next(15));
        assert_eq!(info.blocked_until(), None);
    }

    #[test]
    fn what_was_acknowledged_behind_an_open_one_does_not_come_again_after_a_smaller_pop() {
        let mut first = OrderInfo::given(None, 1_000, 1, &[10, 11, 12, 14], None);
        assert_eq!(first.ack(11, 1_000), OrderAck::Next(10));
        assert_eq!(first.ack(12, 1_000), OrderAck::Next(10));
        assert_eq!(first.ack(14, 1_000), OrderAck::Next(10));
        let mut smaller = OrderInfo::given(None, 2_000, 1, &[10], Some(&first));
        let mut copy: OrderInfo = body::from_json(&body::to_json(&smaller)).unwrap();
        assert_eq!(smaller.ack(10, 2_000), OrderAck::Next(13), "nobody knows of 13");
        assert_eq!(copy.ack(10, 2_000), OrderAck::Next(13), "after a restart");
        let mut next = OrderInfo::given(None, 3_000, 1, &[13], Some(&smaller));
        assert_eq!(next.ack(13, 3_000), OrderAck::Next(15));
    }

    #[test]
    fn two_pops_have_two_times() {
        let info = OrderInfo::given(Some("a1"), 1_000, 0, &[10], None);
        assert!(info.blocks(Some("a2"), Timestamp(1_000)) && !info.blocks(Some("a2"), Timestamp(1_001)));
        assert!(!info.blocks(Some("a1"), Timestamp(1_000)));
    }

    #[test]
    fn how_often_messages_were_given_out_is_counted() {
        let first = OrderInfo::given(Some("a1"), 1, 1, &[10, 11], None);
        assert_eq!(first.given_before(), (vec![], 0));
        let second = OrderInfo::given(Some("a2"), 2, 1, &[11, 12], Some(&first));
        assert_eq!(second.given_before(), (vec![(11, 1)], 0));
        let third = OrderInfo::given(Some("a3"), 3, 1, &[11, 12], Some(&second));
        assert_eq!(third.given_before(), (vec![(11, 2), (12, 1)], 1));
        let same = OrderInfo::given(Some("a3"), 4, 1, &[11, 12], Some(&third));
        assert_eq!(same.given_before(), third.given_before());
    }

    #[test]
    fn javas_entry_is_read_and_written() {
        let json = br#"{"a":"x","cm":2,"i":30000,"l":5,"o":[7,1],"oc":{7:1},"ot":{7:99},"popTime":5}"#;
        let info: OrderInfo = body::from_json(json).unwrap();
        assert_eq!(info.offsets().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(info.blocked_until(), Some(Timestamp(99)));
        assert_eq!(body::to_json(&info), json);
        let bare: OrderInfo = body::from_json(br#"{"o":null,"popTime":3}"#).unwrap();
        assert_eq!(bare.blocked_until(), None);
    }

    proptest::proptest! {
        /// A model: a set of what is open.
        #[test]
        fn the_group_goes_on_at_the_first_that_is_open(
            gaps in proptest::collection::vec(1i64..4, 1..32), acks in proptest::collection::vec(0usize..40, 0..60),
        ) {
            let offsets: Vec<i64> = gaps.iter().scan(100, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut info = OrderInfo::given(None, 1, 10, &offsets, None);
            let mut open: std::collections::BTreeSet<i64> = offsets.iter().copied().collect();
            for ack in acks {
                let Some(offset) = offsets.get(ack) else { continue };
                open.remove(offset);
                let next = open.first().copied().unwrap_or(offsets[offsets.len() - 1] + 1);
                proptest::prop_assert_eq!(info.ack(*offset, 1), OrderAck::Next(next));
                proptest::prop_assert_eq!(info.blocks(None, Timestamp(5)), !open.is_empty());
            }
        }
    }
}
