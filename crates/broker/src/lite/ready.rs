//! The lite topics that may have messages for somebody, each once, in the order in which they came.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

/// Queues in which there may be something.
#[derive(Debug, Default)]
pub(super) struct Ready {
    order: VecDeque<Arc<str>>,
    known: HashSet<Arc<str>>,
    /// There were more than may be kept: all that is subscribed has to be looked at.
    is_over: bool,
    /// What there was when everything was looked at, less what was taken out since: so a backlog in very many queues is looked
    /// for once, and not each time that `order` is empty.
    found: BTreeSet<Arc<str>>,
}

/// What there is to look at next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// This queue.
    Queue(Arc<str>),
    /// Every queue that is subscribed.
    Everything,
}

impl Ready {
    /// There may be something in `queue`. More than `most` are not kept, but known to be.
    pub(super) fn add(&mut self, queue: &Arc<str>, most: usize) {
        if self.known.contains(queue) {
            return;
        }
        if self.order.len() >= most {
            self.is_over = true;
            return;
        }
        self.known.insert(Arc::clone(queue));
        self.order.push_back(Arc::clone(queue));
    }

    /// Everything has to be looked at.
    pub(super) fn add_everything(&mut self) {
        self.is_over = true;
    }

    /// Everything was looked at, and there is something in these.
    pub(super) fn found(&mut self, queues: impl IntoIterator<Item = Arc<str>>) {
        self.found.extend(queues);
    }

    /// Takes out what is next.
    pub(super) fn take(&mut self) -> Option<Next> {
        if let Some(queue) = self.order.pop_front() {
            self.known.remove(&queue);
            self.found.remove(&queue);
            return Some(Next::Queue(queue));
        }
        if let Some(queue) = self.found.pop_first() {
            return Some(Next::Queue(queue));
        }
        std::mem::take(&mut self.is_over).then_some(Next::Everything)
    }

    /// Forgets a queue.
    pub(super) fn remove(&mut self, queue: &str) {
        self.found.remove(queue);
        if self.known.remove(queue) {
            self.order.retain(|known| &**known != queue);
        }
    }

    /// Whether there is nothing to look at.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.found.is_empty() && !self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_once_and_none_is_lost_above_the_limit() {
        let names: Vec<Arc<str>> = ["a", "b", "c"].map(Arc::from).into();
        let mut ready = Ready::default();
        assert!(ready.is_empty() && ready.take().is_none());
        for name in [&names[0], &names[1], &names[0], &names[2]] {
            ready.add(name, 2);
        }
        assert_eq!(ready.take(), Some(Next::Queue(names[0].clone())));
        ready.add(&names[0], 2);
        ready.remove("b");
        assert_eq!(ready.take(), Some(Next::Queue(names[0].clone())));
        assert!(!ready.is_empty());
        assert_eq!(ready.take(), Some(Next::Everything), "c was too much");
        assert!(ready.is_empty());
        ready.found([names[1].clone(), names[2].clone(), names[0].clone()]);
        ready.add(&names[1], 2);
        ready.remove("a");
        assert_eq!(
            ready.take(),
            Some(Next::Queue(names[1].clone())),
            "what came last is not asked for everything"
        );
        assert!(!ready.is_empty());
        assert_eq!(ready.take(), Some(Next::Queue(names[2].clone())));
        assert!(ready.is_empty() && ready.take().is_none());
    }
}
