//! What is in flight against a simple model: random pops, acknowledgements, changes, time, and kills.

use proptest::prelude::*;

use super::*;

const TOPIC: &str = "T";
const RETRY: &str = "%RETRY%g_T";

/// A record that waits for its time, and then stands in the revive queue.
#[derive(Debug, Clone)]
enum Record {
    CheckPoint(CheckPoint),
    Acks(PopKey, Vec<i64>),
}

/// The world around the state: what the kernel has survives a kill.
#[derive(Debug, Default)]
struct World {
    now: i64,
    /// Message numbers by topic.
    queues: BTreeMap<&'static str, Vec<usize>>,
    cursors: BTreeMap<&'static str, i64>,
    /// Records that wait: when they are delivered.
    timer: Vec<(i64, Record)>,
    delivered: Vec<bool>,
    revive: Vec<(i64, Record)>,
    committed: Option<u64>,
    sent: usize,
    acked: BTreeSet<usize>,
    /// What consumers have in their hands: a handle and the message.
    handles: Vec<Handle>,
}

#[derive(Debug, Clone)]
struct Handle {
    key: PopKey,
    due: i64,
    offset: i64,
    message: usize,
}

struct Broker {
    world: World,
    state: PopState,
}

#[derive(Debug, Clone)]
enum Event {
    Send,
    Pop { most: usize, invisible_ms: i64 },
    Ack(usize),
    Change { which: usize, invisible_ms: i64 },
    Pass(i64),
    Kill { searches: bool },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Send),
        4 => (1..4usize, prop_oneof![Just(0i64), 1..9_000i64]).prop_map(|(most, invisible_ms)| Event::Pop { most, invisible_ms }),
        4 => (0..99usize).prop_map(Event::Ack),
        2 => (0..99usize, 0..9_000i64).prop_map(|(which, invisible_ms)| Event::Change { which, invisible_ms }),
        5 => (1..4_000i64).prop_map(Event::Pass),
        1 => any::<bool>().prop_map(|searches| Event::Kill { searches }),
    ]
}

impl Broker {
    fn new(entries_max: usize) -> Broker {
        let world = World { now: 1_000_000, ..World::default() };
        let mut state = PopState::new(entries_max);
        state.read_revive_queue_from(0, 0, Timestamp(world.now));
        state.know_from(Timestamp(world.now), None);
        Broker { world, state }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.world.now)
    }

    fn send(&mut self) {
        let number = self.world.sent;
        self.world.sent += 1;
        self.world.queues.entry(TOPIC).or_default().push(number);
    }

    fn later(&mut self, deliver_at: i64, record: Record) {
        if deliver_at <= self.world.now {
            self.world.revive.push((deliver_at, record));
        } else {
            self.world.timer.push((deliver_at, record));
            self.world.delivered.push(false);
        }
    }

    fn log_check_point(&mut self, check_point: &CheckPoint) {
        self.later(check_point.due().0 - 1_000, Record::CheckPoint(check_point.clone()));
    }

    fn pop(&mut self, most: usize, invisible_ms: i64) {
        for topic in [RETRY, TOPIC] {
            let queue = self.world.queues.entry(topic).or_default().clone();
            let from = *self.world.cursors.entry(topic).or_default();
            let offsets: Vec<i64> = (from..queue.len() as i64).take(most).collect();
            let key = PopKey::new(QueueKey::new(topic, "g", 0), from, self.world.now);
            if offsets.is_empty() || self.state.contains(&key) {
                continue;
            }
            self.world.cursors.insert(topic, from + offsets.len() as i64);
            for offset in &offsets {
                let message = queue[*offset as usize];
                let due = self.world.now + invisible_ms;
                self.world.handles.push(Handle { key: key.clone(), due, offset: *offset, message });
            }
            let check_point = CheckPoint { key, invisible_ms, offsets, suspend: false };
            self.log_check_point(&check_point);
            self.state.popped(check_point);
        }
    }

    fn ack(&mut self, which: usize) {
        let Some(handle) = self.world.handles.get(which).cloned() else { return };
        match self.state.ack(&handle.key, Timestamp(handle.due), &[handle.offset], self.now()) {
            Acked::Stale => {}
            Acked::Unknown => self.later(handle.due, Record::Acks(handle.key, vec![handle.offset])),
            Acked::Yes(offsets) => {
                assert_eq!(offsets, [handle.offset]);
                self.world.acked.insert(handle.message);
                self.later(handle.due, Record::Acks(handle.key, offsets));
            }
        }
    }

    fn change(&mut self, which: usize, invisible_ms: i64) {
        let Some(handle) = self.world.handles.get(which).cloned() else { return };
        let pop_time = self.world.now.max(handle.key.pop_time + 1);
        let to = CheckPoint {
            key: PopKey::new(handle.key.queue.clone(), handle.offset, pop_time),
            invisible_ms,
            offsets: vec![handle.offset],
            suspend: false,
        };
        if self.state.change(&handle.key, Timestamp(handle.due), to.clone(), self.now()) == Acked::Stale {
            return;
        }
        self.log_check_point(&to);
        self.later(handle.due, Record::Acks(handle.key, vec![handle.offset]));
        let due = to.due().0;
        self.world.handles.push(Handle { key: to.key, due, ..handle });
    }

    /// Time passes; the timer delivers in order of time, the revive topic is read, and what is due is revived.
    fn pass(&mut self, ms: i64) {
        let end = self.world.now + ms;
        while self.world.now < end {
            self.world.now = end.min(self.world.now + 500);
            self.turn_timer();
            self.work();
        }
    }

    fn turn_timer(&mut self) {
        let mut due: Vec<usize> = (0..self.world.timer.len())
            .filter(|index| !self.world.delivered[*index] && self.world.timer[*index].0 <= self.world.now)
            .collect();
        due.sort_by_key(|index| self.world.timer[*index].0);
        for index in due {
            self.world.delivered[index] = true;
            self.world.revive.push(self.world.timer[index].clone());
        }
    }

    fn read_revive_queue(&mut self) {
        let now = self.now();
        while let Some((deliver_at, record)) =
            self.world.revive.get(self.state.revive_queue_next(0) as usize).cloned()
        {
            let offset = self.state.revive_queue_next(0);
            self.state.revive_record(0, offset, Timestamp(deliver_at), now);
            match record {
                Record::CheckPoint(check_point) => self.state.revive_check_point(0, offset, check_point),
                Record::Acks(key, offsets) => self.state.revive_acks(&key, &offsets, now),
            }
        }
    }

    fn work(&mut self) {
        let now = self.now();
        self.read_revive_queue();
        for Revival { id, check_point } in self.state.take_due(now, 100) {
            for offset in &check_point.offsets {
                let topic = if &*check_point.key.queue.topic == TOPIC { TOPIC } else { RETRY };
                let message = self.world.queues[topic][*offset as usize];
                self.world.queues.entry(RETRY).or_default().push(message);
            }
            self.state.revived(id, &check_point.offsets, now);
        }
        let committable = self.state.revive_committable(0);
        assert!(committable >= self.world.committed, "the group never goes back");
        self.world.committed = committable;
    }

    fn kill(&mut self, searches: bool, entries_max: usize) {
        // Without a search pops were long ago; not in this millisecond in any case.
        self.world.now += i64::from(!searches);
        let now = self.now();
        self.state = PopState::new(entries_max);
        self.state.read_revive_queue_from(0, self.world.committed.map_or(0, |offset| offset + 1), now);
        if !searches {
            self.read_revive_queue();
            self.state.know_from(now, None);
            return;
        }
        for (deliver_at, record) in self.world.timer.clone() {
            match record {
                Record::CheckPoint(check_point) if deliver_at > now.0 => drop(self.state.popped(check_point)),
                Record::CheckPoint(_) => {}
                Record::Acks(key, offsets) => self.state.revive_acks(&key, &offsets, now),
            }
        }
        self.read_revive_queue();
        self.state.set_searched(Timestamp(0), now.add_ms(1_000));
        self.state.know_from(now, None);
    }

    /// Messages that a pop would bring now.
    fn visible(&self) -> Vec<usize> {
        let of = |topic: &'static str| {
            let from = self.world.cursors.get(topic).copied().unwrap_or(0) as usize;
            self.world.queues.get(topic).map(|queue| queue[from..].to_vec()).unwrap_or_default()
        };
        [of(TOPIC), of(RETRY)].concat()
    }

    /// Messages that the state holds. Without a kill, what came from the log was acknowledged: its records come later.
    fn in_flight(&self) -> Vec<usize> {
        let is_held = |entry: &&Entry| entry.phase != Phase::Done && entry.source == Source::Popped;
        let entries = self.state.entries.values().filter(is_held);
        let messages = entries.flat_map(|entry| {
            let topic = if &*entry.check_point.key.queue.topic == TOPIC { TOPIC } else { RETRY };
            entry.check_point.offsets.iter().map(move |offset| self.world.queues[topic][*offset as usize])
        });
        messages.collect()
    }

    fn play(&mut self, event: &Event, entries_max: usize) {
        match event {
            Event::Send => self.send(),
            Event::Pop { most, invisible_ms } => self.pop(*most, *invisible_ms),
            Event::Ack(which) => self.ack(*which),
            Event::Change { which, invisible_ms } => self.change(*which, *invisible_ms),
            Event::Pass(ms) => self.pass(*ms),
            Event::Kill { searches } => self.kill(*searches, entries_max),
        }
    }
}

fn sorted(mut messages: Vec<usize>) -> Vec<usize> {
    messages.sort_unstable();
    messages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Without kills every message is, at every moment, in exactly one place: visible, in flight, or acknowledged.
    #[test]
    fn every_message_is_in_one_place(events in proptest::collection::vec(event(), 1..80)) {
        let mut broker = Broker::new(1_000);
        for event in events.iter().filter(|event| !matches!(event, Event::Kill { .. })) {
            broker.play(event, 1_000);
            let acked = broker.world.acked.iter().copied().collect();
            let all = sorted([broker.visible(), broker.in_flight(), acked].concat());
            prop_assert_eq!(all, (0..broker.world.sent).collect::<Vec<_>>(), "after {:?}", event);
        }
        broker.pass(30_000);
        prop_assert!(broker.state.entries.is_empty(), "all is dealt with: {:?}", broker.state);
        let read = broker.world.revive.len() as u64;
        prop_assert_eq!(broker.world.committed, read.checked_sub(1));
    }

    /// With kills at any step, and with a table that is too small, every message that was not acknowledged comes again;
    /// one that was does not.
    #[test]
    fn nothing_is_lost_and_what_is_acknowledged_stays_away(
        events in proptest::collection::vec(event(), 1..80), entries_max in prop_oneof![Just(1_000usize), 1..4usize],
    ) {
        let mut broker = Broker::new(entries_max);
        for event in &events {
            broker.play(event, entries_max);
        }
        broker.pass(40_000);
        let visible: BTreeSet<usize> = broker.visible().into_iter().collect();
        for message in 0..broker.world.sent {
            if broker.world.acked.contains(&message) {
                continue;
            }
            // What was acknowledged by a handle that only the log knew is not in the model's set.
            let by_log = broker.world.revive.iter().any(|(_, record)| matches!(record, Record::Acks(key, offsets)
                if broker.world.handles.iter().any(|handle| handle.message == message && handle.key == *key && offsets.contains(&handle.offset))));
            prop_assert!(visible.contains(&message) || by_log, "{message} is lost");
        }
        prop_assert!(broker.state.entries.is_empty(), "{:?}", broker.state);
    }

    /// A kill after which the log is searched is not noticed at all.
    #[test]
    fn a_kill_changes_nothing_that_the_log_has(
        before in proptest::collection::vec(event(), 1..40), after in proptest::collection::vec(event(), 1..40),
    ) {
        let (mut killed, mut other) = (Broker::new(1_000), Broker::new(1_000));
        let quiet = |event: &&Event| !matches!(event, Event::Kill { .. });
        for event in before.iter().filter(quiet) {
            killed.play(event, 1_000);
            other.play(event, 1_000);
        }
        // What is in the revive topic is dealt with.
        killed.pass(12_000);
        other.pass(12_000);
        killed.kill(true, 1_000);
        for event in after.iter().filter(quiet) {
            killed.play(event, 1_000);
            other.play(event, 1_000);
            prop_assert_eq!(sorted(killed.visible()), sorted(other.visible()));
            prop_assert_eq!(sorted(killed.in_flight()), sorted(other.in_flight()));
        }
    }
}

fn check_point(start: i64, pop_time: i64, offsets: &[i64]) -> CheckPoint {
    let key = PopKey::new(QueueKey::new(TOPIC, "g", 0), start, pop_time);
    CheckPoint { key, invisible_ms: 5_000, offsets: offsets.to_vec(), suspend: false }
}

#[test]
fn what_could_not_be_revived_is_tried_again() {
    let mut state = PopState::new(10);
    state.popped(check_point(0, 1_000, &[0, 1]));
    assert_eq!(state.next_due(), Some(Timestamp(6_000)));
    assert!(state.take_due(Timestamp(5_999), 9).is_empty());
    let due = state.take_due(Timestamp(6_000), 9).remove(0);
    assert_eq!(
        state.ack(&due.check_point.key, Timestamp(6_000), &[1], Timestamp(6_000)),
        Acked::Stale,
        "too late"
    );
    state.revived(due.id, &[0], Timestamp(6_000));
    assert!(state.take_due(Timestamp(6_999), 9).is_empty());
    assert_eq!(state.take_due(Timestamp(7_000), 9).remove(0).check_point.offsets, [1]);
}

#[test]
fn a_record_that_the_timer_delivers_twice_counts_once() {
    let mut state = PopState::new(10);
    let one = check_point(0, 1_000, &[0]);
    for offset in 0..2 {
        state.revive_record(0, offset, Timestamp(5_000), Timestamp(5_000));
        state.revive_check_point(0, offset, one.clone());
    }
    assert_eq!((state.len(), state.revive_committable(0)), (1, None));
    let due = state.take_due(Timestamp(8_000), 9);
    assert_eq!(due.len(), 1);
    state.revived(due[0].id, &[0], Timestamp(8_000));
    assert_eq!((state.len(), state.revive_committable(0)), (0, Some(1)));
}

#[test]
fn pops_of_a_clock_that_was_ahead_are_not_taken_for_stale() {
    let mut state = PopState::new(10);
    let ahead = check_point(0, 1_001, &[0]);
    state.revive_record(0, 0, Timestamp(500), Timestamp(1_000));
    state.revive_check_point(0, 0, ahead.clone());
    state.know_from(Timestamp(1_000), None);
    let ack = |state: &mut PopState, pop_time: i64| {
        let other = check_point(5, pop_time, &[5]);
        state.ack(&other.key, other.due(), &[5], Timestamp(1_000))
    };
    assert_eq!((ack(&mut state, 1_001), ack(&mut state, 1_002)), (Acked::Unknown, Acked::Stale));
    assert_eq!(state.ack(&ahead.key, ahead.due(), &[0], Timestamp(1_000)), Acked::Yes(vec![0]));
}

#[test]
fn what_was_acknowledged_early_stays_so_when_its_record_is_read() {
    let mut state = PopState::new(10);
    state.know_from(Timestamp(0), None);
    let one = check_point(0, 1_000, &[0]);
    state.popped(one.clone());
    assert_eq!(state.ack(&one.key, one.due(), &[0], Timestamp(1_500)), Acked::Yes(vec![0]));
    assert_eq!(state.len(), 0, "nothing is kept of it");
    // A second before its time; the record of the acknowledgement comes with it.
    state.revive_record(0, 0, Timestamp(5_000), Timestamp(5_000));
    state.revive_check_point(0, 0, one.clone());
    assert_eq!((state.len(), state.revive_committable(0)), (0, Some(0)));
    let to = CheckPoint { invisible_ms: 9_000, ..check_point(0, 5_500, &[0]) };
    assert_eq!(state.change(&one.key, one.due(), to, Timestamp(5_500)), Acked::Stale);
}
