//! The producer groups that have open half messages: who is asked next, how fast, and whether anybody lives.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use eruca_message::{QueueOffset, Timestamp};

/// Most questions to a group within a second: a Java client drops those above 2,000 that it has not answered yet.
const CHECKS_PER_SECOND: u32 = 1_000;
const SECOND_MS: i64 = 1_000;
/// Pause between two looks for a producer of a group that has none.
pub(super) const ORPHAN_PAUSE_MS: i64 = 1_000;

/// Who sent half messages, and where they go: shared by all open ones that have it in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) group: Arc<str>,
    pub(super) topic: Arc<str>,
}

/// A group with open half messages.
#[derive(Debug)]
struct Group {
    /// By topic.
    origins: HashMap<Arc<str>, Arc<Origin>>,
    open: usize,
    /// Those that are due, oldest first.
    queued: BTreeSet<QueueOffset>,
    /// When they are looked at.
    look_at: Option<Timestamp>,
    /// Begin of the second that is counted.
    second: Timestamp,
    asked: u32,
    /// It had no producer when it was looked at.
    is_orphaned: bool,
}

/// All groups with open half messages. A group without is forgotten.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: HashMap<Arc<str>, Group>,
    looks: BTreeSet<(Timestamp, Arc<str>)>,
}

/// What a look at a group brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// These may be asked for now.
    Ask(Vec<QueueOffset>),
    /// Nobody can be asked; these are the oldest.
    Orphaned {
        /// Its name.
        group: Arc<str>,
        /// How many wait.
        queued: usize,
        /// Whether somebody could be asked the time before.
        is_new: bool,
        /// The oldest of them.
        oldest: Vec<QueueOffset>,
    },
}

impl Groups {
    /// One more half message is open.
    pub(super) fn enter(&mut self, group: &str, topic: &str) -> Arc<Origin> {
        let name: Arc<str> = match self.groups.get_key_value(group) {
            Some((name, _)) => Arc::clone(name),
            None => group.into(),
        };
        let state = self.groups.entry(Arc::clone(&name)).or_insert_with(Group::new);
        state.open += 1;
        if let Some(origin) = state.origins.get(topic) {
            return Arc::clone(origin);
        }
        let topic: Arc<str> = topic.into();
        let origin = Arc::new(Origin { group: name, topic: Arc::clone(&topic) });
        state.origins.insert(topic, Arc::clone(&origin));
        origin
    }

    /// One is open no more.
    pub(super) fn leave(&mut self, origin: &Origin) {
        let Some(group) = self.groups.get_mut(&origin.group) else { return };
        group.open = group.open.saturating_sub(1);
        if group.open == 0
            && let Some(group) = self.groups.remove(&origin.group)
            && let Some(at) = group.look_at
        {
            self.looks.remove(&(at, Arc::clone(&origin.group)));
        }
    }

    /// A half message is due.
    pub(super) fn queue(&mut self, origin: &Origin, offset: QueueOffset, now: Timestamp) {
        let Some(group) = self.groups.get_mut(&origin.group) else { return };
        group.queued.insert(offset);
        if group.look_at.is_none() {
            group.look_at = Some(now);
            self.looks.insert((now, Arc::clone(&origin.group)));
        }
    }

    /// It need not be asked for any more.
    pub(super) fn unqueue(&mut self, origin: &Origin, offset: QueueOffset) {
        if let Some(group) = self.groups.get_mut(&origin.group) {
            group.queued.remove(&offset);
        }
    }

    /// When the next group is to be looked at.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        self.looks.first().map(|(at, _)| *at)
    }

    /// How many half messages wait for a producer to come.
    pub(super) fn orphaned(&self) -> usize {
        self.groups.values().filter(|group| group.is_orphaned).map(|group| group.queued.len()).sum()
    }

    /// By topic, how many half messages are open.
    pub(super) fn open_by_topic(&self) -> HashMap<Arc<str>, u64> {
        let mut counts = HashMap::new();
        for (topic, origin) in self.groups.values().flat_map(|group| &group.origins) {
            // The table of origins holds one itself.
            let open = Arc::strong_count(origin) as u64 - 1;
            *counts.entry(Arc::clone(topic)).or_default() += open;
        }
        counts
    }

    /// Looks at a group whose time has come; `None` where there is none. At most `max` (not 0) are taken out of it.
    pub(super) fn look(
        &mut self,
        now: Timestamp,
        is_live: &mut dyn FnMut(&str) -> bool,
        max: usize,
    ) -> Option<Look> {
        loop {
            let first = self.looks.first().filter(|(at, _)| *at <= now)?.clone();
            self.looks.remove(&first);
            let (_, name) = first;
            let Some(group) = self.groups.get_mut(&name) else { continue };
            group.look_at = None;
            if group.queued.is_empty() {
                group.is_orphaned = false;
                continue;
            }
            let look = if is_live(&name) {
                group.is_orphaned = false;
                Look::Ask(group.take(now, max))
            } else {
                let is_new = !std::mem::replace(&mut group.is_orphaned, true);
                let oldest = group.queued.iter().take(max).copied().collect();
                Look::Orphaned { group: Arc::clone(&name), queued: group.queued.len(), is_new, oldest }
            };
            let next = match &look {
                _ if group.queued.is_empty() => None,
                Look::Orphaned { .. } => Some(now.add_ms(ORPHAN_PAUSE_MS)),
                Look::Ask(_) if group.asked >= CHECKS_PER_SECOND => Some(group.second.add_ms(SECOND_MS)),
                Look::Ask(_) => Some(now),
            };
            group.look_at = next;
            if let Some(at) = next {
                self.looks.insert((at, name));
            }
            return Some(look);
        }
    }
}

impl Group {
    fn new() -> Group {
        Group {
            origins: HashMap::new(),
            open: 0,
            queued: BTreeSet::new(),
            look_at: None,
            second: Timestamp(i64::MIN),
            asked: 0,
            is_orphaned: false,
        }
    }

    /// Takes out what may be asked for within the second.
    fn take(&mut self, now: Timestamp, max: usize) -> Vec<QueueOffset> {
        // Also where the clock was set back.
        if now < self.second || now.0.saturating_sub(self.second.0) >= SECOND_MS {
            (self.second, self.asked) = (now, 0);
        }
        let mut taken = Vec::new();
        while taken.len() < max && self.asked < CHECKS_PER_SECOND {
            let Some(offset) = self.queued.pop_first() else { break };
            taken.push(offset);
            self.asked += 1;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_asked_at_its_pace_and_forgotten_when_nothing_is_open() {
        let mut groups = Groups::default();
        let origin = groups.enter("g", "T");
        let others: Vec<_> = (1..1_500).map(|_| groups.enter("g", "T")).collect();
        assert!(others.iter().all(|other| Arc::ptr_eq(other, &origin)), "shared");
        assert_eq!(groups.open_by_topic().get("T"), Some(&1_500));
        (0..1_500).for_each(|at| groups.queue(&origin, QueueOffset(at), Timestamp(0)));
        let mut asked = 0;
        while let Some(Look::Ask(taken)) = groups.look(Timestamp(5), &mut |_| true, 300) {
            asked += taken.len();
        }
        assert_eq!((asked, groups.next_look()), (1_000, Some(Timestamp(1_005))));
        groups.unqueue(&origin, QueueOffset(1_499));
        let Some(Look::Ask(taken)) = groups.look(Timestamp(1_005), &mut |_| true, 1_000) else {
            panic!("due")
        };
        assert_eq!((taken.len(), groups.next_look()), (499, None));
        (0..1_500).for_each(|_| groups.leave(&origin));
        assert!(groups.groups.is_empty());
    }

    #[test]
    fn a_group_without_producers_is_told_once_and_looked_at_again() {
        let mut groups = Groups::default();
        let origin = groups.enter("g", "T");
        groups.queue(&origin, QueueOffset(7), Timestamp(0));
        for (now, expected) in [(0, true), (1_000, false)] {
            let look = groups.look(Timestamp(now), &mut |_| false, 10);
            let Some(Look::Orphaned { is_new, oldest, queued: 1, .. }) = look else { panic!("{look:?}") };
            assert_eq!((is_new, oldest), (expected, vec![QueueOffset(7)]));
            assert_eq!(groups.look(Timestamp(now + 999), &mut |_| true, 10), None);
        }
        assert_eq!(groups.orphaned(), 1);
        assert_eq!(groups.look(Timestamp(2_000), &mut |_| true, 10), Some(Look::Ask(vec![QueueOffset(7)])));
        assert_eq!((groups.orphaned(), groups.next_look()), (0, None));
        groups.queue(&origin, QueueOffset(7), Timestamp(3_000));
        groups.leave(&origin);
        assert_eq!((groups.groups.len(), groups.next_look()), (0, None));
    }
}
