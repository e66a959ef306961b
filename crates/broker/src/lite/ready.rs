//! The lite topics that may have messages for somebody, each once, in the order in which they came.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

/// Queues in which there may be something.
#[derive(Debug, Default)]
pub(super) struct Ready {
    order: VecDeque<Arc<str>>,
    known: HashSet<Arc<str>>,
    /// There were more than may be kept: all that is subscribed has to be looked at.
    is_over: bool,
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

    /// Takes out what is next.
    pub(super) fn take(&mut self) -> Option<Next> {
        if let Some(queue) = self.order.pop_front() {
            self.known.remove(&queue);
            return Some(Next::Queue(queue));
        }
        std::mem::take(&mut self.is_over).then_some(Next::Everything)
    }

    /// Forgets a queue.
    pub(super) fn remove(&mut self, queue: &str) {
        if self.known.remove(queue) {
            self.order.retain(|known| &**known != queue);
        }
    }

    /// Whether there is nothing to look at.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty() && !self.is_over
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
    }
}
