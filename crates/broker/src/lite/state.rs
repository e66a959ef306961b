//! Clients and the lite topics that they subscribe to, as a state machine: no lock, no clock.
//!
//! A queue that gets a message is noted with every client that subscribes to it, and whoever pops first takes what is there:
//! consumption is in order, so that the others find nothing. So no client that is stuck keeps a message from another one. A group
//! that subscribes to everything has one note for all of its clients.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use eruca_message::{Timestamp, lite::lite_parts};
use eruca_remoting::Caller;

use super::ready::{Next, Ready};

/// A client that subscribes.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    /// Its id.
    pub(crate) client_id: String,
    /// Its group.
    pub(crate) group: String,
    /// The parent topic.
    pub(crate) topic: String,
    /// Most queues that are kept in mind for it.
    pub(crate) ready_max: usize,
    /// Its connection.
    pub(crate) caller: Caller,
}

/// Who may wait for what came; to be told to the pops that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Woken {
    /// Under this name.
    pub(crate) key: Arc<str>,
    /// Of this group.
    pub(crate) group: Arc<str>,
}

/// What there is for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A queue with messages, perhaps.
    Queue(Arc<str>),
    /// These queues have to be looked at.
    Queues(Vec<Arc<str>>),
    /// All lite topics of the parent have to be looked at.
    AllOf(Arc<str>),
}

/// There are too many subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "lite subscription quota exceeded {limit}: the broker has so many subscriptions of clients to lite topics; raise \
     maxLiteSubscriptionCount, or unsubscribe"
)]
pub(crate) struct QuotaExceeded {
    /// `maxLiteSubscriptionCount`.
    pub(crate) limit: usize,
}

/// Group and client.
type Member = (Arc<str>, Arc<str>);

#[derive(Debug)]
struct Client {
    group: Arc<str>,
    topic: Arc<str>,
    key: Arc<str>,
    queues: BTreeSet<Arc<str>>,
    ready: Ready,
    ready_max: usize,
    caller: Caller,
    /// When it told last to what it subscribes.
    updated: Timestamp,
    /// When it popped last.
    popped: Option<Timestamp>,
    /// When it was given something.
    given: Option<Timestamp>,
}

/// A group that subscribes to everything.
#[derive(Debug, Default)]
struct Wildcard {
    clients: BTreeSet<Arc<str>>,
    ready: Ready,
    ready_max: usize,
}

/// By parent topic and group.
type Wildcards = BTreeMap<Arc<str>, BTreeMap<Arc<str>, Wildcard>>;

/// The client's group, where that subscribes to everything.
fn wildcard_of<'a>(wildcards: &'a mut Wildcards, client: &Client) -> Option<&'a mut Wildcard> {
    wildcards.get_mut(&client.topic)?.get_mut(&client.group)
}

/// What there is to look at for a client, or for its whole group, and the most that is kept in mind.
fn ready_of<'a>(wildcards: &'a mut Wildcards, client: &'a mut Client) -> (&'a mut Ready, usize) {
    match wildcard_of(wildcards, client) {
        Some(wildcard) => (&mut wildcard.ready, wildcard.ready_max),
        None => (&mut client.ready, client.ready_max),
    }
}

/// What is known of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientView {
    pub(crate) group: Arc<str>,
    pub(crate) queues: BTreeSet<Arc<str>>,
    pub(crate) popped: Option<Timestamp>,
    pub(crate) given: Option<Timestamp>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct LiteState {
    clients: HashMap<Arc<str>, Client>,
    by_queue: HashMap<Arc<str>, BTreeSet<Member>>,
    wildcards: Wildcards,
    subscriptions: usize,
}

impl LiteState {
    /// A client subscribes to more. Returns the queues that are new to it; with an error nothing is changed.
    pub(super) fn add(
        &mut self,
        who: &Subscriber,
        queues: impl IntoIterator<Item = String>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Arc<str>>, QuotaExceeded> {
        let known = self.clients.get(who.client_id.as_str());
        let new: BTreeSet<String> = queues
            .into_iter()
            .filter(|queue| known.is_none_or(|client| !client.queues.contains(queue.as_str())))
            .collect();
        let new_client = usize::from(known.is_none());
        if self.subscriptions.saturating_add(new.len()) > limit || self.clients.len() + new_client > limit {
            return Err(QuotaExceeded { limit });
        }
        let client_id = self.ensure(who, now);
        let Some(client) = self.clients.get_mut(&client_id) else { return Ok(Vec::new()) };
        let mut added = Vec::new();
        for queue in new {
            let queue: Arc<str> = match self.by_queue.get_key_value(queue.as_str()) {
                Some((known, _)) => known.clone(),
                None => queue.into(),
            };
            client.queues.insert(queue.clone());
            self.by_queue.entry(queue.clone()).or_default().insert((client.group.clone(), client_id.clone()));
            self.subscriptions += 1;
            added.push(queue);
        }
        Ok(added)
    }

    /// A client subscribes to these only. Returns the queues that are new to it.
    pub(super) fn replace(
        &mut self,
        who: &Subscriber,
        queues: BTreeSet<String>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Arc<str>>, QuotaExceeded> {
        let gone: Vec<Arc<str>> = self.clients.get(who.client_id.as_str()).map_or_else(Vec::new, |client| {
            client.queues.iter().filter(|queue| !queues.contains(&***queue)).cloned().collect()
        });
        for queue in &gone {
            self.unsubscribe(&who.client_id, queue);
        }
        self.add(who, queues, limit, now)
    }

    /// A client of a group that subscribes to everything.
    pub(super) fn add_wildcard(
        &mut self,
        who: &Subscriber,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<Woken>, QuotaExceeded> {
        if !self.clients.contains_key(who.client_id.as_str()) && self.clients.len() >= limit {
            return Err(QuotaExceeded { limit });
        }
        let client_id = self.ensure(who, now);
        let Some(client) = self.clients.get_mut(&client_id) else { return Ok(None) };
        client.key = wildcard_key(&client.group);
        let group =
            self.wildcards.entry(client.topic.clone()).or_default().entry(client.group.clone()).or_default();
        group.ready_max = who.ready_max;
        if !group.clients.insert(client_id) {
            return Ok(None);
        }
        self.subscriptions += 1;
        group.ready.add_everything();
        Ok(Some(Woken { key: client.key.clone(), group: client.group.clone() }))
    }

    fn ensure(&mut self, who: &Subscriber, now: Timestamp) -> Arc<str> {
        let client_id: Arc<str> = who.client_id.as_str().into();
        let client = self.clients.entry(client_id.clone()).or_insert_with(|| Client {
            group: who.group.as_str().into(),
            topic: who.topic.as_str().into(),
            key: client_key(&who.client_id),
            queues: BTreeSet::new(),
            ready: Ready::default(),
            ready_max: who.ready_max,
            caller: who.caller.clone(),
            updated: now,
            popped: None,
            given: None,
        });
        (client.caller, client.ready_max, client.updated) = (who.caller.clone(), who.ready_max, now);
        client_id
    }

    /// A client subscribes to this queue no more; whether it did.
    pub(super) fn unsubscribe(&mut self, client_id: &str, queue: &str) -> bool {
        let Some(client) = self.clients.get_mut(client_id) else { return false };
        if !client.queues.remove(queue) {
            return false;
        }
        client.ready.remove(queue);
        self.subscriptions -= 1;
        if let Some(subscribers) = self.by_queue.get_mut(queue) {
            subscribers.retain(|(_, id)| &**id != client_id);
            if subscribers.is_empty() {
                self.by_queue.remove(queue);
            }
        }
        true
    }

    /// A client is gone; its group.
    pub(super) fn remove_client(&mut self, client_id: &str) -> Option<Arc<str>> {
        let queues: Vec<Arc<str>> = self.clients.get(client_id)?.queues.iter().cloned().collect();
        for queue in queues {
            self.unsubscribe(client_id, &queue);
        }
        let client = self.clients.remove(client_id)?;
        if let Some(groups) = self.wildcards.get_mut(&client.topic) {
            if let Some(group) = groups.get_mut(&client.group)
                && group.clients.remove(client_id)
            {
                self.subscriptions -= 1;
                if group.clients.is_empty() {
                    groups.remove(&client.group);
                }
            }
            if groups.is_empty() {
                self.wildcards.remove(&client.topic);
            }
        }
        Some(client.group)
    }

    /// All other clients of the group subscribe to this queue no more: who they are.
    pub(super) fn exclude_others(
        &mut self,
        client_id: &str,
        group: &str,
        queue: &str,
    ) -> Vec<(Arc<str>, Caller)> {
        let others: Vec<Arc<str>> = self.by_queue.get(queue).map_or_else(Vec::new, |subscribers| {
            let others = subscribers.iter().filter(|(of, id)| &**of == group && &**id != client_id);
            others.map(|(_, id)| id.clone()).collect()
        });
        let mut told = Vec::new();
        for other in others {
            self.unsubscribe(&other, queue);
            if let Some(client) = self.clients.get(&other) {
                told.push((other.clone(), client.caller.clone()));
            }
        }
        told
    }

    /// A queue is deleted: nobody subscribes to it.
    pub(super) fn forget_queue(&mut self, queue: &str) {
        let subscribers = self.by_queue.get(queue).cloned().unwrap_or_default();
        for (_, client_id) in subscribers {
            self.unsubscribe(&client_id, queue);
        }
        if let Some((parent, _)) = lite_parts(queue)
            && let Some(groups) = self.wildcards.get_mut(parent)
        {
            groups.values_mut().for_each(|group| group.ready.remove(queue));
        }
    }

    /// There may be something in `queue` for whoever subscribes to it, or for one group only.
    pub(super) fn notify(&mut self, queue: &str, group: Option<&str>, woken: &mut Vec<Woken>) {
        let is_meant = |of: &str| group.is_none_or(|group| group == of);
        if let Some((queue, subscribers)) = self.by_queue.get_key_value(queue) {
            for (of, client_id) in subscribers.iter().filter(|(of, _)| is_meant(of)) {
                let Some(client) = self.clients.get_mut(client_id) else { continue };
                client.ready.add(queue, client.ready_max);
                woken.push(Woken { key: client.key.clone(), group: of.clone() });
            }
        }
        if self.wildcards.is_empty() {
            return;
        }
        let Some(groups) = lite_parts(queue).and_then(|(parent, _)| self.wildcards.get_mut(parent)) else {
            return;
        };
        let queue: Arc<str> = queue.into();
        for (of, wildcard) in groups.iter_mut().filter(|(of, _)| is_meant(of)) {
            wildcard.ready.add(&queue, wildcard.ready_max);
            woken.push(Woken { key: wildcard_key(of), group: of.clone() });
        }
    }

    /// Everything that a client subscribes to has to be looked at, as an administrator wants it.
    pub(super) fn notify_client(&mut self, client_id: &str) -> Option<Woken> {
        let client = self.clients.get_mut(client_id)?;
        ready_of(&mut self.wildcards, client).0.add_everything();
        Some(Woken { key: client.key.clone(), group: client.group.clone() })
    }

    /// The clients of a group.
    pub(super) fn clients_of(&self, group: &str) -> Vec<Arc<str>> {
        let of_group = self.clients.iter().filter(|(_, client)| &*client.group == group);
        of_group.map(|(id, _)| id.clone()).collect()
    }

    /// Takes out what a client is to look at next; `None` where there is nothing, or it is not known in this group.
    pub(super) fn take(&mut self, client_id: &str, group: &str, now: Timestamp) -> Option<Found> {
        let client = self.clients.get_mut(client_id).filter(|client| &*client.group == group)?;
        client.popped = Some(now);
        Some(match wildcard_of(&mut self.wildcards, client) {
            Some(wildcard) => match wildcard.ready.take()? {
                Next::Queue(queue) => Found::Queue(queue),
                Next::Everything => Found::AllOf(client.topic.clone()),
            },
            None => match client.ready.take()? {
                Next::Queue(queue) => Found::Queue(queue),
                Next::Everything => Found::Queues(client.queues.iter().cloned().collect()),
            },
        })
    }

    /// A queue that was taken out is to be looked at again: by this client, or by one of its group.
    pub(super) fn put_back(&mut self, client_id: &str, queue: &Arc<str>) {
        let Some(client) = self.clients.get_mut(client_id) else { return };
        let (ready, most) = ready_of(&mut self.wildcards, client);
        ready.add(queue, most);
    }

    /// All that a client subscribes to was looked at, and there is something in these.
    pub(super) fn found(&mut self, client_id: &str, queues: Vec<Arc<str>>) {
        let Some(client) = self.clients.get_mut(client_id) else { return };
        match wildcard_of(&mut self.wildcards, client) {
            Some(wildcard) => wildcard.ready.found(queues),
            None => {
                // What it left meanwhile is not its own any more.
                let ours = queues.into_iter().filter(|queue| client.queues.contains(queue));
                client.ready.found(ours);
            }
        }
    }

    /// Whether there is something for a client to look at.
    pub(super) fn has_ready(&mut self, client_id: &str) -> bool {
        let Some(client) = self.clients.get_mut(client_id) else { return false };
        !ready_of(&mut self.wildcards, client).0.is_empty()
    }

    /// A client was given messages.
    pub(super) fn given(&mut self, client_id: &str, now: Timestamp) {
        if let Some(client) = self.clients.get_mut(client_id) {
            client.given = Some(now);
        }
    }

    /// Under which name a client's pops wait.
    pub(super) fn key_of(&self, client_id: &str) -> Arc<str> {
        self.clients.get(client_id).map_or_else(|| client_key(client_id), |client| client.key.clone())
    }

    /// Clients that have not told for longer than `timeout_ms` to what they subscribe.
    pub(super) fn silent(&self, timeout_ms: i64, now: Timestamp) -> Vec<Arc<str>> {
        let silent = self.clients.iter().filter(|(_, client)| now.ms_since(client.updated) > timeout_ms);
        silent.map(|(id, _)| id.clone()).collect()
    }

    /// What is known of a client.
    pub(super) fn client(&self, client_id: &str) -> Option<ClientView> {
        let client = self.clients.get(client_id)?;
        Some(ClientView {
            group: client.group.clone(),
            queues: client.queues.clone(),
            popped: client.popped,
            given: client.given,
        })
    }

    /// Group and client of all who subscribe to a queue; `*` stands for the clients of a group that subscribes to everything.
    pub(super) fn subscribers(&self, queue: &str) -> Vec<Member> {
        let mut all: Vec<_> = self.by_queue.get(queue).into_iter().flatten().cloned().collect();
        let groups = lite_parts(queue).and_then(|(parent, _)| self.wildcards.get(parent));
        all.extend(groups.into_iter().flatten().map(|(group, _)| (group.clone(), "*".into())));
        all
    }

    /// How many clients subscribe to how many queues.
    pub(super) fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    /// How many clients there are.
    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }
}

/// Pops wait by topic; no topic has a colon in its name.
fn client_key(client_id: &str) -> Arc<str> {
    format!("lite-client:{client_id}").into()
}

fn wildcard_key(group: &str) -> Arc<str> {
    format!("lite-group:{group}").into()
}

#[cfg(test)]
#[path = "state_test.rs"]
mod tests;
