//! Which slave has the log up to where, and who waits until enough of them have a message.
//!
//! Pure: events and times come in, waiters to be called come out.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
};

use eruca_message::{LogOffset, Timestamp};
use eruca_store::WriteStopped;

/// Most waiters; a send that would be one more is told so at once.
pub const WAITERS_MAX: usize = 64 << 10;
/// In place of a number of slaves: all that may become master, as a controller has it (`allAckInSyncStateSet`).
pub const WHOLE_SET: usize = usize::MAX;
/// Slaves that are gone and still named.
const GONE_MAX: usize = 8;

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Enough slaves have it.
    Replicated,
    /// Not in time, or too many wait: which slaves lack it, in words.
    Missing(String),
    /// It is not even in this log.
    Lost(WriteStopped),
}

/// Called once.
pub type Waiter = Box<dyn FnOnce(Outcome) + Send>;

/// What became of a slave, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It has all that `haMaxGapNotInSync` asks for.
    InSync {
        /// `host:port`.
        address: String,
        /// What it lacks.
        behind_bytes: u64,
    },
    /// It lacks more than that.
    FellBehind {
        /// `host:port`.
        address: String,
        /// What it lacks.
        behind_bytes: u64,
    },
}

/// A slave, as its master sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlaveState {
    /// Where its connection comes from.
    pub address: String,
    /// Since when.
    pub since: Timestamp,
    /// What it has, once it said so.
    pub acknowledged: Option<LogOffset>,
    /// When it said so last.
    pub heard: Timestamp,
    /// When it last had all that there was: under a steady load perhaps long ago, though it lacks the newest messages only.
    pub caught_up: Timestamp,
    /// When the first message that it lacks was stored; where that is known, and it lacks one. Found when somebody asks, as that
    /// costs a read.
    pub lacks_since: Option<Timestamp>,
    /// What is sent next.
    pub position: LogOffset,
    /// Bytes of the log sent in the last second.
    pub bytes_per_second: u64,
    /// As was last told.
    is_in_sync: Option<bool>,
}

impl SlaveState {
    /// What it lacks of a log that ends at `log_end`.
    pub fn behind_bytes(&self, log_end: LogOffset) -> u64 {
        log_end.0.saturating_sub(self.acknowledged.unwrap_or_default().0)
    }

    /// For how long it has lacked something, in ms: the age of the first message that it lacks.
    pub fn behind_ms(&self, log_end: LogOffset, now: Timestamp) -> i64 {
        match self.behind_bytes(log_end) {
            0 => 0,
            _ => now.ms_since(self.lacks_since.unwrap_or(self.caught_up)).max(0),
        }
    }
}

struct Waiting {
    deadline: Timestamp,
    waiter: Waiter,
}

/// By the end of the log that is waited for; the number keeps those apart that wait for the same.
type ByEnd = BTreeMap<(u64, u64), Waiting>;

/// The slaves, and those who wait for them.
#[derive(Default)]
pub struct InSync {
    slaves: BTreeMap<u64, SlaveState>,
    gone: VecDeque<(String, Timestamp)>,
    /// By the number of slaves that have to have it.
    waiting: BTreeMap<usize, ByEnd>,
    deadlines: BTreeSet<(Timestamp, usize, u64, u64)>,
    next_number: u64,
    /// What [`WHOLE_SET`] has.
    confirmed: LogOffset,
}

impl InSync {
    /// A slave came: `session` is a number that no other connection has.
    pub fn joined(&mut self, session: u64, address: String, now: Timestamp) {
        let state = SlaveState {
            address,
            since: now,
            acknowledged: None,
            heard: now,
            caught_up: now,
            lacks_since: None,
            position: LogOffset(0),
            bytes_per_second: 0,
            is_in_sync: None,
        };
        self.slaves.insert(session, state);
    }

    /// It went.
    pub fn left(&mut self, session: u64, now: Timestamp) {
        if let Some(slave) = self.slaves.remove(&session) {
            self.gone.truncate(GONE_MAX - 1);
            self.gone.push_front((slave.address, now));
        }
    }

    /// The slaves that there are.
    pub fn slaves(&self) -> impl Iterator<Item = &SlaveState> {
        self.slaves.values()
    }

    /// The same, with the numbers of their connections.
    pub fn sessions(&self) -> impl Iterator<Item = (u64, &SlaveState)> {
        self.slaves.iter().map(|(session, slave)| (*session, slave))
    }

    /// A slave that is sent something.
    pub fn sends(&mut self, session: u64, position: LogOffset, bytes_per_second: u64) {
        if let Some(slave) = self.slaves.get_mut(&session) {
            (slave.position, slave.bytes_per_second) = (position, bytes_per_second);
        }
    }

    /// A slave said what it has. Those whose wait is over, to be called without a lock.
    pub fn acknowledged(
        &mut self,
        session: u64,
        has: LogOffset,
        log_end: LogOffset,
        now: Timestamp,
    ) -> Vec<Waiter> {
        let Some(slave) = self.slaves.get_mut(&session) else { return Vec::new() };
        slave.heard = now;
        slave.acknowledged = Some(has);
        if has >= log_end {
            slave.caught_up = now;
        }
        self.take_satisfied()
    }

    /// All that may become master have the log up to here. Those whose wait is over, to be called without a lock.
    pub fn confirmed(&mut self, up_to: LogOffset) -> Vec<Waiter> {
        self.confirmed = up_to;
        self.take_satisfied()
    }

    /// What at least `slaves` of the slaves have.
    pub fn with_at_least(&self, slaves: usize) -> LogOffset {
        if slaves == WHOLE_SET {
            return self.confirmed;
        }
        let mut ends: Vec<u64> =
            self.slaves.values().filter_map(|s| s.acknowledged).map(|end| end.0).collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        match slaves.checked_sub(1) {
            None => LogOffset(u64::MAX),
            Some(place) => LogOffset(ends.get(place).copied().unwrap_or(0)),
        }
    }

    fn take_satisfied(&mut self) -> Vec<Waiter> {
        let mut ready = Vec::new();
        let counts: Vec<usize> = self.waiting.keys().copied().collect();
        for slaves in counts {
            let end = self.with_at_least(slaves).0;
            let Some(waiting) = self.waiting.get_mut(&slaves) else { continue };
            let later = waiting.split_off(&(end.saturating_add(1), 0));
            for ((end, number), one) in std::mem::replace(waiting, later) {
                self.deadlines.remove(&(one.deadline, slaves, end, number));
                ready.push(one.waiter);
            }
        }
        ready
    }

    /// Calls `waiter` when `slaves` slaves have the log up to `end`, or at `deadline`. Gives it back where it need not wait: with
    /// how that ends. `true`: it is the first one that waits.
    pub fn wait(
        &mut self,
        end: LogOffset,
        slaves: usize,
        deadline: Timestamp,
        now: Timestamp,
        waiter: Waiter,
    ) -> Result<bool, (Waiter, Outcome)> {
        if self.with_at_least(slaves) >= end {
            return Err((waiter, Outcome::Replicated));
        }
        if self.deadlines.len() >= WAITERS_MAX {
            let missing = self.missing(end, slaves, now);
            let text = format!("{WAITERS_MAX} sends wait for slaves already, send more slowly; {missing}");
            return Err((waiter, Outcome::Missing(text)));
        }
        let number = self.next_number;
        self.next_number += 1;
        let is_first = self.deadlines.is_empty();
        self.waiting.entry(slaves).or_default().insert((end.0, number), Waiting { deadline, waiter });
        self.deadlines.insert((deadline, slaves, end.0, number));
        Ok(is_first)
    }

    /// When the first wait ends without success.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, ..)| *deadline)
    }

    /// Those whose time is over, to be called without a lock.
    pub fn expire(&mut self, now: Timestamp) -> Vec<(Waiter, Outcome)> {
        let mut late = Vec::new();
        while let Some((deadline, slaves, end, number)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.deadlines.pop_first();
            let one = self.waiting.get_mut(&slaves).and_then(|waiting| waiting.remove(&(end, number)));
            if let Some(one) = one {
                late.push((one.waiter, Outcome::Missing(self.missing(LogOffset(end), slaves, now))));
            }
        }
        late
    }

    /// The log ends at `end` again, what was appended behind it is not there: those who wait for that, to be told so.
    pub fn take_after(&mut self, end: LogOffset) -> Vec<Waiter> {
        let mut lost = Vec::new();
        for (slaves, waiting) in &mut self.waiting {
            for ((end, number), one) in waiting.split_off(&(end.0.saturating_add(1), 0)) {
                self.deadlines.remove(&(one.deadline, *slaves, end, number));
                lost.push(one.waiter);
            }
        }
        lost
    }

    /// Ends all waits: the broker stops or is no master any more.
    pub fn give_up(&mut self, why: &str) -> Vec<(Waiter, Outcome)> {
        self.deadlines.clear();
        let all = std::mem::take(&mut self.waiting).into_values().flat_map(BTreeMap::into_values);
        all.map(|one| (one.waiter, Outcome::Missing(why.to_owned()))).collect()
    }

    /// How many copies lack at most `gap_max_bytes` of a log that ends at `log_end`, this one with them (Java:
    /// `inSyncReplicasNums`).
    pub fn copies_in_sync(&self, log_end: LogOffset, gap_max_bytes: u64) -> usize {
        1 + self.slaves.values().filter(|slave| slave.is_near(log_end, gap_max_bytes)).count()
    }

    /// What changed since it was last asked.
    pub fn judge(&mut self, log_end: LogOffset, gap_max_bytes: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for slave in self.slaves.values_mut().filter(|slave| slave.acknowledged.is_some()) {
            let is_near = slave.is_near(log_end, gap_max_bytes);
            if slave.is_in_sync.replace(is_near) != Some(is_near) {
                let (address, behind_bytes) = (slave.address.clone(), slave.behind_bytes(log_end));
                events.push(match is_near {
                    true => Event::InSync { address, behind_bytes },
                    false => Event::FellBehind { address, behind_bytes },
                });
            }
        }
        events
    }

    /// Which slaves lack the log before `end`, since when and how much of it, in words.
    pub fn missing(&self, end: LogOffset, slaves: usize, now: Timestamp) -> String {
        let has = |slave: &&SlaveState| slave.acknowledged.is_some_and(|has| has >= end);
        let have = self.slaves.values().filter(has).count();
        let mut text = match slaves {
            WHOLE_SET => format!("the whole in-sync set has to have the message, {have} slaves do"),
            slaves => format!("{have} of {slaves} slaves have the message"),
        };
        for slave in self.slaves.values().filter(|slave| !has(slave)) {
            let lacks = slave.behind_bytes(end);
            let since_ms = now.ms_since(slave.caught_up).max(0);
            let silent_ms = now.ms_since(slave.heard).max(0);
            text += &format!(
                "; {} is {lacks} bytes behind, had all {since_ms} ms ago, said something {silent_ms} ms ago",
                slave.address
            );
        }
        if self.slaves.len() < slaves {
            for (address, since) in &self.gone {
                text += &format!("; {address} is gone for {} ms", now.ms_since(*since).max(0));
            }
            text += &format!("; {} slaves are connected", self.slaves.len());
        }
        text
    }
}

impl SlaveState {
    /// Whether it lacks less than `gap_max_bytes` of a log that ends at `log_end`, as far as it said.
    pub(crate) fn is_near(&self, log_end: LogOffset, gap_max_bytes: u64) -> bool {
        self.acknowledged.is_some() && self.behind_bytes(log_end) < gap_max_bytes
    }
}

impl fmt::Debug for InSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InSync")
            .field("slaves", &self.slaves)
            .field("waiting", &self.deadlines.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<(u64, Outcome)>>>);

    impl Heard {
        fn waiter(&self, number: u64) -> Waiter {
            let heard = self.0.clone();
            Box::new(move |outcome| heard.lock().unwrap().push((number, outcome)))
        }

        fn take(&self) -> Vec<(u64, Outcome)> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    fn with_slaves(acknowledged: &[u64]) -> InSync {
        let mut state = InSync::default();
        for (session, has) in (0..).zip(acknowledged) {
            state.joined(session, format!("10.0.0.{session}:1"), Timestamp(0));
            assert!(state.acknowledged(session, LogOffset(*has), LogOffset(100), Timestamp(0)).is_empty());
        }
        state
    }

    #[test]
    fn a_message_waits_until_enough_slaves_have_it() {
        let (mut state, heard) = (with_slaves(&[100, 100, 50]), Heard::default());
        let deadline = Timestamp(3_000);
        for (number, end, slaves) in [(1, 120, 1), (2, 120, 2), (3, 110, 2), (4, 101, 3)] {
            let waits = state.wait(LogOffset(end), slaves, deadline, Timestamp(0), heard.waiter(number));
            assert_eq!(waits.map_err(|(_, outcome)| outcome), Ok(number == 1));
        }
        let (_, there) =
            state.wait(LogOffset(100), 2, deadline, Timestamp(0), heard.waiter(5)).err().unwrap();
        assert_eq!(there, Outcome::Replicated);
        let mut says = |session, has| {
            let ready = state.acknowledged(session, LogOffset(has), LogOffset(120), Timestamp(1));
            ready.into_iter().for_each(|waiter| waiter(Outcome::Replicated));
            heard.take().into_iter().map(|(number, _)| number).collect::<Vec<_>>()
        };
        assert_eq!(says(0, 119), [] as [u64; 0]);
        assert_eq!(says(0, 120), [1]);
        assert_eq!(says(1, 115), [3]);
        assert_eq!(says(2, 120), [2, 4]);
        assert_eq!(state.next_deadline(), None);
    }

    #[test]
    fn who_waits_too_long_is_told_who_lacks_it() {
        let (mut state, heard) = (with_slaves(&[100, 40]), Heard::default());
        state.wait(LogOffset(100), 2, Timestamp(3_000), Timestamp(0), heard.waiter(1)).ok().unwrap();
        state.wait(LogOffset(100), 3, Timestamp(2_000), Timestamp(0), heard.waiter(2)).ok().unwrap();
        state.left(0, Timestamp(1_000));
        assert!(state.expire(Timestamp(1_999)).is_empty());
        assert_eq!(state.next_deadline(), Some(Timestamp(2_000)));
        for (waiter, outcome) in state.expire(Timestamp(3_000)) {
            waiter(outcome);
        }
        let told = heard.take();
        assert_eq!(told.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 1]);
        let Outcome::Missing(text) = &told[1].1 else { panic!() };
        for part in ["0 of 2 slaves", "10.0.0.1:1 is 60 bytes behind", "10.0.0.0:1 is gone for 2000 ms"] {
            assert!(text.contains(part), "{text}");
        }
        state.wait(LogOffset(800), 1, Timestamp(9_000), Timestamp(0), heard.waiter(4)).ok().unwrap();
        assert_eq!((state.take_after(LogOffset(800)).len(), state.take_after(LogOffset(799)).len()), (0, 1));
        assert_eq!(state.next_deadline(), None);
        state.wait(LogOffset(900), 1, Timestamp(9_000), Timestamp(0), heard.waiter(3)).ok().unwrap();
        assert_eq!(state.give_up("stopping").len(), 1);
    }

    #[test]
    fn waiters_have_a_limit_that_says_so() {
        let mut state = InSync::default();
        for _ in 0..WAITERS_MAX {
            state.wait(LogOffset(1), 1, Timestamp(1), Timestamp(0), Box::new(|_| ())).ok().unwrap();
        }
        let refused = state.wait(LogOffset(1), 1, Timestamp(1), Timestamp(0), Box::new(|_| ()));
        let Err((_, Outcome::Missing(text))) = refused else { panic!() };
        assert!(text.contains("send more slowly"), "{text}");
        assert_eq!(state.expire(Timestamp(1)).len(), WAITERS_MAX);
    }

    #[test]
    fn slaves_are_in_sync_up_to_a_gap_and_that_is_told_once() {
        let mut state = with_slaves(&[100, 40]);
        assert_eq!(state.copies_in_sync(LogOffset(100), 60), 2);
        assert_eq!(state.copies_in_sync(LogOffset(100), 61), 3);
        assert_eq!(state.judge(LogOffset(100), 60).len(), 2);
        assert!(state.judge(LogOffset(100), 60).is_empty());
        let _ = state.acknowledged(1, LogOffset(90), LogOffset(100), Timestamp(5));
        let address = "10.0.0.1:1".to_owned();
        assert_eq!(state.judge(LogOffset(100), 60), [Event::InSync { address, behind_bytes: 10 }]);
        let slave = state.slaves().nth(1).unwrap();
        assert_eq!(
            (slave.behind_bytes(LogOffset(100)), slave.behind_ms(LogOffset(100), Timestamp(70))),
            (10, 70)
        );
        let slave = SlaveState { lacks_since: Some(Timestamp(67)), ..slave.clone() };
        assert_eq!(slave.behind_ms(LogOffset(100), Timestamp(70)), 3);
        assert_eq!(slave.behind_ms(LogOffset(90), Timestamp(70)), 0);
    }
}
