//! Requests of ours that wait for their answers: opaque → waiter.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
};

use eruca_protocol::RemotingCommand;
use tokio::sync::oneshot;

/// The waiters of one connection. Closing it fails them all.
#[derive(Debug)]
pub(crate) struct Pending {
    next_opaque: AtomicI32,
    waiters: Mutex<Waiters>,
}

#[derive(Debug)]
struct Waiters {
    by_opaque: HashMap<i32, oneshot::Sender<RemotingCommand>>,
    closed: bool,
}

/// Why no waiter was added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotAdded {
    Closed,
    Full,
}

impl Pending {
    pub(crate) fn new() -> Pending {
        let waiters = Waiters { by_opaque: HashMap::new(), closed: false };
        Pending { next_opaque: AtomicI32::new(0), waiters: Mutex::new(waiters) }
    }

    /// A number for a request that wants no answer.
    pub(crate) fn next_opaque(&self) -> i32 {
        self.next_opaque.fetch_add(1, Ordering::Relaxed)
    }

    /// A waiter under a number that no other waiter has. It is removed by its answer, by [`Pending::forget`] and by
    /// [`Pending::close`], whichever comes first.
    pub(crate) fn add(&self, max: usize) -> Result<(i32, oneshot::Receiver<RemotingCommand>), NotAdded> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.lock();
        if waiters.closed {
            return Err(NotAdded::Closed);
        }
        if waiters.by_opaque.len() >= max {
            return Err(NotAdded::Full);
        }
        let mut opaque = self.next_opaque();
        // The counter wraps after 2^32 requests; a long poll may still hold its number then.
        while waiters.by_opaque.contains_key(&opaque) {
            opaque = self.next_opaque();
        }
        waiters.by_opaque.insert(opaque, sender);
        Ok((opaque, receiver))
    }

    /// Hands `answer` to its waiter. False if none waits (any more): the answer came too late.
    pub(crate) fn complete(&self, answer: RemotingCommand) -> bool {
        let waiter = self.lock().by_opaque.remove(&answer.opaque);
        waiter.is_some_and(|waiter| waiter.send(answer).is_ok())
    }

    /// The waiter has given up.
    pub(crate) fn forget(&self, opaque: i32) {
        self.lock().by_opaque.remove(&opaque);
    }

    /// Fails all waiters, and every later one.
    pub(crate) fn close(&self) {
        let mut waiters = self.lock();
        waiters.closed = true;
        let dropped = std::mem::take(&mut waiters.by_opaque);
        drop(waiters);
        drop(dropped);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().by_opaque.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::RequestCode;

    use super::*;

    fn answer(opaque: i32) -> RemotingCommand {
        let mut command = RemotingCommand::request_without_header(RequestCode(0));
        command.opaque = opaque;
        command
    }

    #[test]
    fn answers_find_their_waiters_in_any_order() {
        let pending = Pending::new();
        let (first, mut first_answer) = pending.add(2).unwrap();
        let (second, mut second_answer) = pending.add(2).unwrap();
        assert_eq!(pending.add(2).unwrap_err(), NotAdded::Full);
        assert!(pending.complete(answer(second)));
        assert!(pending.complete(answer(first)));
        assert!(!pending.complete(answer(first)), "answered twice");
        assert_eq!(first_answer.try_recv().unwrap().opaque, first);
        assert_eq!(second_answer.try_recv().unwrap().opaque, second);
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn closing_fails_present_and_later_waiters() {
        let pending = Pending::new();
        let (_, mut receiver) = pending.add(2).unwrap();
        pending.close();
        assert!(receiver.try_recv().is_err());
        assert_eq!(pending.add(2).unwrap_err(), NotAdded::Closed);
    }

    #[test]
    fn a_number_in_use_is_not_given_twice() {
        let pending = Pending::new();
        let (held, _receiver) = pending.add(9).unwrap();
        pending.next_opaque.store(held, Ordering::Relaxed);
        assert_ne!(pending.add(9).unwrap().0, held);
    }
}
