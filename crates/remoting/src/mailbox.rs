//! One wake-up per shard: connections of a shard that got something to send from another thread.
//!
//! Waking a task of another thread's runtime costs a system call each. When one disk flush answers the requests of
//! many connections, their shard is woken once, and wakes its own tasks by itself, which is cheap.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
};

use crate::link::Link;

/// Links of one shard that have to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    posted: Mutex<Posted>,
}

#[derive(Debug, Default)]
struct Posted {
    links: Vec<Arc<Link>>,
    shard: Option<Waker>,
    closed: bool,
}

impl Mailbox {
    /// Has the shard wake this link's task. Called once per link until the task has looked.
    pub(crate) fn post(&self, link: Arc<Link>) {
        let mut posted = self.lock();
        if posted.closed {
            return;
        }
        posted.links.push(link);
        let shard = posted.shard.take();
        drop(posted);
        if let Some(shard) = shard {
            shard.wake();
        }
    }

    /// Wakes the tasks of posted links, for as long as the shard lives.
    pub(crate) async fn deliver(&self) {
        let mut links = Vec::new();
        loop {
            poll_fn(|cx| {
                let mut posted = self.lock();
                if posted.links.is_empty() {
                    posted.shard = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                std::mem::swap(&mut posted.links, &mut links);
                Poll::Ready(())
            })
            .await;
            links.drain(..).for_each(|link: Arc<Link>| link.wake_task());
        }
    }

    /// Nobody will deliver any more.
    pub(crate) fn close(&self) {
        let mut posted = self.lock();
        posted.closed = true;
        let links = std::mem::take(&mut posted.links);
        drop(posted);
        drop(links);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
