//! The subscriptions to lite topics, shared by handlers and threads. They are in memory only, as in Java: clients tell them again
//! and again.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use eruca_message::{Timestamp, lite::is_lite_queue};
use eruca_remoting::Caller;

use eruca_store::Arrival;

use super::state::{ClientView, Found, LiteState, QuotaExceeded, Subscriber, Woken};
use crate::long_poll::{ANY_QUEUE, PopHold};

/// Who subscribes to which lite topic, and what there is for whom.
#[derive(Debug, Default)]
pub struct LiteRegistry {
    state: Mutex<LiteState>,
    /// Whether anybody ever subscribed, for a look without the lock.
    is_used: AtomicBool,
}

impl LiteRegistry {
    /// A client subscribes to these queues, too; which are new to it.
    pub(crate) fn add(
        &self,
        who: &Subscriber,
        queues: BTreeSet<String>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Arc<str>>, QuotaExceeded> {
        self.used().add(who, queues, limit, now)
    }

    /// A client subscribes to these queues only; which are new to it.
    pub(crate) fn replace(
        &self,
        who: &Subscriber,
        queues: BTreeSet<String>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Arc<str>>, QuotaExceeded> {
        self.used().replace(who, queues, limit, now)
    }

    /// A client of a group that subscribes to everything.
    pub(crate) fn add_wildcard(
        &self,
        who: &Subscriber,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<Woken>, QuotaExceeded> {
        self.used().add_wildcard(who, limit, now)
    }

    /// A client subscribes to this queue no more; whether it did.
    pub(crate) fn unsubscribe(&self, client_id: &str, queue: &str) -> bool {
        self.lock().unsubscribe(client_id, queue)
    }

    /// A client is gone; its group.
    pub(crate) fn remove_client(&self, client_id: &str) -> Option<Arc<str>> {
        self.lock().remove_client(client_id)
    }

    /// All other clients of the group subscribe to this queue no more: who they are.
    pub(crate) fn exclude_others(
        &self,
        client_id: &str,
        group: &str,
        queue: &str,
    ) -> Vec<(Arc<str>, Caller)> {
        self.lock().exclude_others(client_id, group, queue)
    }

    /// A queue is deleted.
    pub(crate) fn forget_queue(&self, queue: &str) {
        self.lock().forget_queue(queue);
    }

    /// There may be something in `topic`, if that is a lite topic's queue, for all who subscribe to it or one group of them. Who
    /// is to be woken.
    pub(crate) fn notify(&self, topic: &str, group: Option<&str>, woken: &mut Vec<Woken>) {
        if self.is_used.load(Ordering::Acquire) && is_lite_queue(topic) {
            self.lock().notify(topic, group, woken);
        }
    }

    /// Messages became visible: wakes who waits for them. To be called by the store's listener.
    pub(crate) fn arrived<T: Send>(&self, arrivals: &[Arrival], hold: &PopHold<T>) {
        if !self.is_used.load(Ordering::Acquire) {
            return;
        }
        let mut woken = Vec::new();
        arrivals.iter().for_each(|arrival| self.notify(&arrival.topic, None, &mut woken));
        wake(&woken, hold);
    }

    /// Everything that these clients subscribe to has to be looked at. Who is to be woken.
    pub(crate) fn notify_clients(&self, group: &str, client_id: Option<&str>) -> Vec<Woken> {
        let mut state = self.lock();
        let clients = match client_id {
            Some(client_id) => vec![client_id.into()],
            None => state.clients_of(group),
        };
        clients.iter().filter_map(|client| state.notify_client(client)).collect()
    }

    /// Takes out what a client is to look at next.
    pub(crate) fn take(&self, client_id: &str, group: &str, now: Timestamp) -> Option<Found> {
        self.lock().take(client_id, group, now)
    }

    /// A queue that was taken out is to be looked at again.
    pub(crate) fn put_back(&self, client_id: &str, queue: &Arc<str>) {
        self.lock().put_back(client_id, queue);
    }

    /// All that a client subscribes to was looked at, and there is something in these.
    pub(crate) fn found(&self, client_id: &str, queues: Vec<Arc<str>>) {
        self.lock().found(client_id, queues);
    }

    /// Whether there is something for a client to look at.
    pub(crate) fn has_ready(&self, client_id: &str) -> bool {
        self.lock().has_ready(client_id)
    }

    /// A client was given messages.
    pub(crate) fn given(&self, client_id: &str, now: Timestamp) {
        self.lock().given(client_id, now);
    }

    /// Under which name a client's pops wait.
    pub(crate) fn key_of(&self, client_id: &str) -> Arc<str> {
        self.lock().key_of(client_id)
    }

    /// Clients that have not told for longer than `timeout_ms` to what they subscribe are taken out; how many.
    pub(crate) fn remove_silent(&self, timeout_ms: i64, now: Timestamp) -> usize {
        let mut state = self.lock();
        let silent = state.silent(timeout_ms, now);
        silent.iter().filter(|client| state.remove_client(client).is_some()).count()
    }

    /// What is known of a client.
    pub(crate) fn client(&self, client_id: &str) -> Option<ClientView> {
        self.lock().client(client_id)
    }

    /// Group and client of all who subscribe to a queue.
    pub(crate) fn subscribers(&self, queue: &str) -> Vec<(Arc<str>, Arc<str>)> {
        self.lock().subscribers(queue)
    }

    /// How many clients subscribe to how many queues.
    pub(crate) fn subscriptions(&self) -> usize {
        self.lock().subscriptions()
    }

    /// How many clients there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn used(&self) -> MutexGuard<'_, LiteState> {
        let state = self.lock();
        self.is_used.store(true, Ordering::Release);
        state
    }

    fn lock(&self) -> MutexGuard<'_, LiteState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes pops of lite topics that wait.
pub(crate) fn wake<T: Send>(woken: &[Woken], hold: &PopHold<T>) {
    woken.iter().for_each(|one| hold.notify(&one.key, &one.group, ANY_QUEUE));
}
