//! Which half messages are open, and what is due about them: an event and *now* in, actions out.
//!
//! A half message is known by its offset in the half queue, the *key*. A question to its producer makes a copy of it at the
//! end of the half queue, as in Java: the copy's offset is its key from then on, the one before becomes an *alias*, so that an
//! answer that names it still finds the half message. Everything is found by key in a map: settling one does not depend on
//! how many there are.
//!
//! | state | meaning | left by |
//! |---|---|---|
//! | `Waiting` | due then | time; an end |
//! | `Queued` | due, its group is asked when its turn comes | a look at the group; an end |
//! | `Checking` | an [`Action`] is under way | what came of it; an end |
//! | `Ending` | it is committed or rolled back, not yet in the kernel | the kernel has it, or refused it |

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use eruca_message::{LogOffset, QueueOffset, Timestamp};

use super::groups::{Groups, Look, Origin};

/// Settled half messages of which it is known what became of them.
const CLOSED_MAX: usize = 32_768;
/// Pause before something that failed is tried again.
pub(super) const RETRY_MS: i64 = 1_000;
/// The half queue may be so much longer than what is open in it, plus as much again as is open: a start reads it all.
pub(super) const GAP_MAX: u64 = 100_000;

/// What an operator can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// `transactionCheckMax`.
    pub(super) check_max: u32,
    /// `fileReservedTime`: older half messages are given up.
    pub(super) age_max_ms: i64,
}

/// A half message that becomes open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NewHalf<'a> {
    pub(super) offset: QueueOffset,
    pub(super) log_offset: LogOffset,
    pub(super) group: &'a str,
    pub(super) topic: &'a str,
    /// Since when it waits.
    pub(super) since: Timestamp,
    pub(super) check_times: u32,
    /// When its producer is asked first.
    pub(super) due: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting(Timestamp),
    Queued,
    Checking,
    Ending,
}

#[derive(Debug)]
struct Open {
    log_offset: LogOffset,
    since: Timestamp,
    origin: Arc<Origin>,
    state: State,
    check_times: u32,
    copy_of: Option<QueueOffset>,
}

/// Where an open half message was before.
#[derive(Debug)]
struct Alias {
    log_offset: LogOffset,
    copied_to: QueueOffset,
    copy_of: Option<QueueOffset>,
}

/// What became of a half message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    Committed,
    RolledBack,
    GivenUp,
    /// It is in another group, whose master sees to it.
    Moved,
}

/// Why a half message cannot be ended now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not open, and it is not known what became of it.
    NotOpen,
    /// It is settled.
    Closed(Closed),
    /// Another request is ending it.
    Busy,
}

/// What is to be done about a half message, which is in state `Checking` meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) offset: QueueOffset,
    pub(super) log_offset: LogOffset,
    pub(super) kind: ActionKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActionKind {
    /// Copy it and ask its producer, for the time that is told.
    Check { times: u32 },
    /// Copy it and nothing else: it keeps the half queue long.
    Copy { times: u32 },
    /// Give it up: it was asked for too often.
    GiveUpChecks { times: u32 },
    /// Give it up: it is too old.
    GiveUpAge { age_ms: i64 },
}

/// A group of which nobody lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Orphaned {
    pub(super) group: Arc<str>,
    pub(super) queued: usize,
}

/// What a step brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) actions: Vec<Action>,
    /// Groups that were found without a producer for the first time.
    pub(super) orphaned: Vec<Orphaned>,
    /// When there is something to do again; `None`: when a half message comes.
    pub(super) next: Option<Timestamp>,
}

/// All open half messages.
#[derive(Debug, Default)]
pub(super) struct HalfTable {
    open: BTreeMap<QueueOffset, Open>,
    due: BTreeSet<(Timestamp, QueueOffset)>,
    aliases: HashMap<QueueOffset, Alias>,
    groups: Groups,
    closed: HashMap<QueueOffset, (LogOffset, Closed)>,
    closed_order: VecDeque<QueueOffset>,
    /// End of the half queue as far as it is known here.
    end: QueueOffset,
}

impl HalfTable {
    /// A table of a half queue that ends there.
    pub(super) fn new(end: QueueOffset) -> HalfTable {
        HalfTable { end, ..HalfTable::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// How many wait for a producer to come.
    pub(super) fn orphaned(&self) -> usize {
        self.groups.orphaned()
    }

    /// By topic, how many are open.
    pub(super) fn open_by_topic(&self) -> HashMap<Arc<str>, u64> {
        self.groups.open_by_topic()
    }

    /// All half messages before it are settled.
    pub(super) fn settled_up_to(&self) -> QueueOffset {
        self.open.first_key_value().map_or(self.end, |(offset, _)| *offset)
    }

    /// The first open half messages that nobody is ending, at most `most`: where they lie.
    pub(super) fn first_open(&self, most: usize) -> Vec<(QueueOffset, LogOffset)> {
        let free = self.open.iter().filter(|(_, open)| open.state != State::Ending);
        free.map(|(offset, open)| (*offset, open.log_offset)).take(most).collect()
    }

    /// A half message was stored.
    pub(super) fn opened(&mut self, half: &NewHalf<'_>) {
        let origin = self.groups.enter(half.group, half.topic);
        let open = Open {
            log_offset: half.log_offset,
            since: half.since,
            origin,
            state: State::Waiting(half.due),
            check_times: half.check_times,
            copy_of: None,
        };
        self.due.insert((half.due, half.offset));
        self.open.insert(half.offset, open);
        self.end = self.end.max(half.offset.add_messages(1));
    }

    /// The store could not keep a half message, nor those that came after it.
    pub(super) fn dropped(&mut self, offset: QueueOffset) {
        self.forget(offset);
        self.end = self.end.min(offset);
    }

    /// Begins to settle the half message that lies, or lay, there: its key. Nobody else can, until [`HalfTable::close`] or
    /// [`HalfTable::reopen`].
    pub(super) fn begin_end(
        &mut self,
        offset: QueueOffset,
        log_offset: LogOffset,
    ) -> Result<QueueOffset, Refusal> {
        let Some(key) = self.key_of(offset, log_offset) else {
            return Err(match self.closed.get(&offset) {
                Some((at, how)) if *at == log_offset => Refusal::Closed(*how),
                _ => Refusal::NotOpen,
            });
        };
        match self.open.get(&key).map(|open| open.state) {
            Some(State::Ending) => Err(Refusal::Busy),
            _ => {
                self.set_state(key, State::Ending);
                Ok(key)
            }
        }
    }

    /// The key and where it was before: what an operation that settles it has to name.
    pub(super) fn offsets_of(&self, key: QueueOffset) -> Vec<QueueOffset> {
        let mut offsets = vec![key];
        let mut before = self.open.get(&key).and_then(|open| open.copy_of);
        while let Some(offset) = before {
            offsets.push(offset);
            before = self.aliases.get(&offset).and_then(|alias| alias.copy_of);
        }
        offsets
    }

    /// The kernel has it: the half message is settled.
    pub(super) fn close(&mut self, key: QueueOffset, how: Closed) {
        let offsets = self.offsets_of(key);
        for offset in offsets {
            let log_offset = match self.open.get(&offset) {
                Some(open) => open.log_offset,
                None => match self.aliases.get(&offset) {
                    Some(alias) => alias.log_offset,
                    None => continue,
                },
            };
            if self.closed.insert(offset, (log_offset, how)).is_none() {
                self.closed_order.push_back(offset);
            }
        }
        while self.closed_order.len() > CLOSED_MAX {
            if let Some(oldest) = self.closed_order.pop_front() {
                self.closed.remove(&oldest);
            }
        }
        self.forget(key);
    }

    /// What settled it, or was to be done about it, failed: it is due again a little later.
    pub(super) fn reopen(&mut self, key: QueueOffset, now: Timestamp) {
        self.set_state(key, State::Waiting(now.add_ms(RETRY_MS)));
    }

    /// Whether an action on it is still wanted.
    pub(super) fn is_checking(&self, key: QueueOffset) -> bool {
        self.open.get(&key).is_some_and(|open| open.state == State::Checking)
    }

    /// It was copied: the copy is what is open now.
    pub(super) fn copied(
        &mut self,
        key: QueueOffset,
        to: QueueOffset,
        log_offset: LogOffset,
        check_times: u32,
        due: Timestamp,
    ) {
        self.set_state(key, State::Checking);
        let Some(before) = self.open.remove(&key) else { return };
        let alias = Alias { log_offset: before.log_offset, copied_to: to, copy_of: before.copy_of };
        self.aliases.insert(key, alias);
        let copy = Open { log_offset, state: State::Waiting(due), check_times, copy_of: Some(key), ..before };
        self.due.insert((due, to));
        self.open.insert(to, copy);
        self.end = self.end.max(to.add_messages(1));
    }

    /// The store could not keep the copy at `to`, nor those that came after it.
    pub(super) fn copy_dropped(&mut self, to: QueueOffset, now: Timestamp) {
        self.end = self.end.min(to);
        let Some(key) = self.open.get(&to).and_then(|copy| copy.copy_of) else { return };
        self.set_state(to, State::Checking);
        let (Some(copy), Some(alias)) = (self.open.remove(&to), self.aliases.remove(&key)) else { return };
        let before = Open { log_offset: alias.log_offset, copy_of: alias.copy_of, ..copy };
        self.open.insert(key, before);
        self.reopen(key, now);
    }

    /// The producer was asked without a copy being made, which was not possible.
    pub(super) fn checked_in_place(&mut self, key: QueueOffset, check_times: u32, due: Timestamp) {
        if let Some(open) = self.open.get_mut(&key) {
            open.check_times = check_times;
        }
        self.set_state(key, State::Waiting(due));
    }

    /// Counts its checks from 0 again, and makes it due. Whether there was such a half message.
    pub(super) fn resume(&mut self, offset: QueueOffset, log_offset: LogOffset, now: Timestamp) -> bool {
        let Some(key) = self.key_of(offset, log_offset) else { return false };
        if let Some(open) = self.open.get_mut(&key) {
            open.check_times = 0;
            open.since = now;
            if let State::Waiting(_) = open.state {
                self.set_state(key, State::Waiting(now));
            }
        }
        true
    }

    /// What is due now, at most `max` (not 0) actions.
    pub(super) fn step(
        &mut self,
        now: Timestamp,
        rules: &Rules,
        is_live: &mut dyn FnMut(&str) -> bool,
        max: usize,
    ) -> Step {
        let mut step = Step::default();
        self.shorten_queue(&mut step, max / 2);
        while step.actions.len() < max
            && let Some((_, offset)) = self.due.first().copied().filter(|(due, _)| *due <= now)
        {
            match self.gives_up(offset, now, rules) {
                Some(kind) => self.act(offset, kind, &mut step),
                None => self.set_state(offset, State::Queued),
            }
            if let Some(open) = self.open.get(&offset)
                && open.state == State::Queued
            {
                self.groups.queue(&Arc::clone(&open.origin), offset, now);
            }
        }
        while step.actions.len() < max
            && let Some(look) = self.groups.look(now, is_live, max - step.actions.len())
        {
            match look {
                Look::Ask(offsets) => {
                    offsets.into_iter().for_each(|offset| self.ask(offset, now, rules, &mut step))
                }
                Look::Orphaned { group, queued, is_new, oldest } => {
                    for offset in oldest {
                        // In order of age: once one is young enough, all others are.
                        let Some(kind) = self.gives_up(offset, now, rules) else { break };
                        self.act(offset, kind, &mut step);
                    }
                    if is_new {
                        step.orphaned.push(Orphaned { group, queued });
                    }
                }
            }
        }
        step.next = match step.actions.len() >= max {
            true => Some(now),
            false => self.due.first().map(|(due, _)| *due).into_iter().chain(self.groups.next_look()).min(),
        };
        step
    }

    fn ask(&mut self, offset: QueueOffset, now: Timestamp, rules: &Rules, step: &mut Step) {
        let Some(open) = self.open.get(&offset) else { return };
        let times = open.check_times.saturating_add(1);
        let kind = self.gives_up(offset, now, rules).unwrap_or(ActionKind::Check { times });
        self.act(offset, kind, step);
    }

    fn act(&mut self, offset: QueueOffset, kind: ActionKind, step: &mut Step) {
        self.set_state(offset, State::Checking);
        if let Some(open) = self.open.get(&offset) {
            step.actions.push(Action { offset, log_offset: open.log_offset, kind });
        }
    }

    fn gives_up(&self, offset: QueueOffset, now: Timestamp, rules: &Rules) -> Option<ActionKind> {
        let open = self.open.get(&offset)?;
        let age_ms = now.ms_since(open.since);
        if open.check_times >= rules.check_max {
            Some(ActionKind::GiveUpChecks { times: open.check_times })
        } else if age_ms > rules.age_max_ms {
            Some(ActionKind::GiveUpAge { age_ms })
        } else {
            None
        }
    }

    /// A few that stay open (nobody of their group lives) must not keep all of the half queue: they are copied to its end.
    fn shorten_queue(&mut self, step: &mut Step, max: usize) {
        let length = self.end.0.saturating_sub(self.settled_up_to().0);
        if length <= GAP_MAX.saturating_add(2 * self.open.len() as u64) {
            return;
        }
        let oldest: Vec<(QueueOffset, u32)> =
            self.open.iter().take(max.max(1)).map(|(offset, open)| (*offset, open.check_times)).collect();
        for (offset, times) in oldest {
            let is_free = self
                .open
                .get(&offset)
                .is_some_and(|open| matches!(open.state, State::Waiting(_) | State::Queued));
            if is_free {
                self.act(offset, ActionKind::Copy { times }, step);
            }
        }
    }

    fn key_of(&self, offset: QueueOffset, log_offset: LogOffset) -> Option<QueueOffset> {
        if let Some(open) = self.open.get(&offset) {
            return (open.log_offset == log_offset).then_some(offset);
        }
        let mut alias = self.aliases.get(&offset).filter(|alias| alias.log_offset == log_offset)?;
        loop {
            match self.aliases.get(&alias.copied_to) {
                Some(later) => alias = later,
                None => return self.open.contains_key(&alias.copied_to).then_some(alias.copied_to),
            }
        }
    }

    fn set_state(&mut self, key: QueueOffset, state: State) {
        let Some(open) = self.open.get_mut(&key) else { return };
        match open.state {
            State::Waiting(due) => drop(self.due.remove(&(due, key))),
            State::Queued => self.groups.unqueue(&open.origin, key),
            State::Checking | State::Ending => {}
        }
        open.state = state;
        if let State::Waiting(due) = state {
            self.due.insert((due, key));
        }
    }

    fn forget(&mut self, key: QueueOffset) {
        self.set_state(key, State::Ending);
        for alias in self.offsets_of(key).into_iter().skip(1) {
            self.aliases.remove(&alias);
        }
        if let Some(open) = self.open.remove(&key) {
            self.groups.leave(&open.origin);
        }
    }
}

#[cfg(test)]
#[path = "table_test.rs"]
mod tests;
