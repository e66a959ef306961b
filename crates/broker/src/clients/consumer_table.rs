//! Consumer groups that are online, their members and what they subscribe to.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use eruca_message::Timestamp;
use eruca_protocol::body::{
    ConsumeFromWhere, ConsumeType, ConsumerConnection, ConsumerData, MessageModel, SubscriptionData,
};
use eruca_remoting::Caller;

use super::{ClientInfo, Member};

/// Most places in groups; more clients are refused, and told so.
const MEMBERS_MAX: usize = 1_000_000;

/// There is no room for another member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MEMBERS_MAX} members of consumer groups are connected, which is the limit of this broker")]
pub struct TableFull;

/// What a heartbeat brings of one group.
#[derive(Debug, Clone)]
pub struct Heartbeat<'a> {
    /// Group, model, and (unless `is_without_sub`) subscriptions.
    pub consumer: &'a ConsumerData,
    /// Hash of all that the client subscribes to; 0 from clients that send everything every time.
    pub fingerprint: i32,
    /// The subscriptions were left out, because they are what `fingerprint` stood for before.
    pub is_without_sub: bool,
}

/// What a heartbeat changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// The members or topics of the group: its members must share the queues anew.
    pub group: bool,
    /// The subscriptions that we know are not those of this client: it must send them.
    pub needs_subscriptions: bool,
}

/// A group as it is now, for handlers.
#[derive(Debug, Clone)]
pub struct ConsumerGroupView {
    /// Whether its members push or pull.
    pub consume_type: ConsumeType,
    /// Whether its members share messages or each get all.
    pub message_model: MessageModel,
    /// Where a member starts that has no offset.
    pub consume_from_where: ConsumeFromWhere,
    /// Its members.
    pub members: Vec<Member>,
    /// What it subscribes to, by topic.
    pub subscriptions: BTreeMap<String, Arc<SubscriptionData>>,
}

impl ConsumerGroupView {
    /// As the admin tools see it.
    pub fn connection(&self) -> ConsumerConnection {
        ConsumerConnection {
            connection_set: self.members.iter().map(Member::connection).collect(),
            consume_from_where: Some(self.consume_from_where),
            consume_type: Some(self.consume_type),
            message_model: Some(self.message_model),
            subscription_table: self.subscriptions.iter().map(|(t, s)| (t.clone(), (**s).clone())).collect(),
        }
    }
}

#[derive(Debug, Default)]
struct Group {
    consume_type: ConsumeType,
    message_model: MessageModel,
    consume_from_where: ConsumeFromWhere,
    /// By connection.
    members: BTreeMap<u64, Member>,
    subscriptions: BTreeMap<String, Arc<SubscriptionData>>,
    /// Of the heartbeat that brought the subscriptions.
    fingerprint: i32,
}

/// Consumer groups that are online (Java: `ConsumerManager`).
///
/// A group is there as long as it has members. Lookups on the way of a pull take a shared lock and allocate nothing.
#[derive(Debug, Default)]
pub struct ConsumerTable {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    groups: HashMap<String, Group>,
    /// Groups by connection, so that a closed one need not be looked for in all groups.
    groups_of: HashMap<u64, Vec<String>>,
    members: usize,
}

impl ConsumerTable {
    /// Takes note of a client in a group.
    ///
    /// # Errors
    /// The table is full; nothing is changed.
    pub fn heartbeat(
        &self,
        caller: &Caller,
        client: &ClientInfo,
        heartbeat: &Heartbeat<'_>,
        now: Timestamp,
    ) -> Result<Changed, TableFull> {
        let mut inner = self.write();
        let is_new = inner.join(caller, client, &heartbeat.consumer.group_name, now)?;
        let Some(group) = inner.groups.get_mut(&heartbeat.consumer.group_name) else {
            return Ok(Changed::default());
        };
        group.consume_type = heartbeat.consumer.consume_type;
        group.message_model = heartbeat.consumer.message_model;
        group.consume_from_where = heartbeat.consumer.consume_from_where;
        if heartbeat.is_without_sub {
            // Another member may have brought other subscriptions, or a restart may have lost this one's.
            let needs_subscriptions = group.fingerprint != heartbeat.fingerprint;
            return Ok(Changed { group: is_new, needs_subscriptions });
        }
        group.fingerprint = heartbeat.fingerprint;
        let has_new_topics = group.subscribe(&heartbeat.consumer.subscription_data_set);
        Ok(Changed { group: is_new || has_new_topics, needs_subscriptions: false })
    }

    /// Removes the caller from a group. Whether it was a member.
    pub fn unregister(&self, group: &str, caller_id: u64) -> bool {
        let mut inner = self.write();
        if let Some(groups) = inner.groups_of.get_mut(&caller_id) {
            groups.retain(|name| name != group);
        }
        inner.leave(group, caller_id)
    }

    /// Removes a connection that is gone. The groups that changed.
    pub fn disconnected(&self, caller_id: u64) -> Vec<String> {
        let mut inner = self.write();
        let groups = inner.groups_of.remove(&caller_id).unwrap_or_default();
        groups.into_iter().filter(|group| inner.leave(group, caller_id)).collect()
    }

    /// Removes members without heartbeat for longer than `timeout_ms`, and closes their connections. The groups that
    /// changed.
    pub fn expire_step(&self, now: Timestamp, timeout_ms: i64) -> Vec<String> {
        let expired: Vec<(String, Member)> = {
            let inner = self.read();
            let members =
                inner.groups.iter().flat_map(|(name, group)| group.members.values().map(move |m| (name, m)));
            let expired = members.filter(|(_, member)| member.is_expired(now, timeout_ms));
            expired.map(|(name, member)| (name.clone(), member.clone())).collect()
        };
        let mut changed = Vec::new();
        for (group, member) in expired {
            tracing::warn!(group, client = %member.client.client_id, peer = %member.caller.peer_addr(), "consumer expired: no heartbeat");
            if self.unregister(&group, member.caller.id()) {
                changed.push(group);
            }
            member.caller.close();
        }
        changed.dedup();
        changed
    }

    /// What `group` subscribes to of `topic`; `None` also where the group is not online.
    pub fn subscription(&self, group: &str, topic: &str) -> Option<Arc<SubscriptionData>> {
        self.read().groups.get(group)?.subscriptions.get(topic).cloned()
    }

    /// The group's model; `None` where it is not online.
    pub fn message_model(&self, group: &str) -> Option<MessageModel> {
        self.read().groups.get(group).map(|group| group.message_model)
    }

    /// Whether the group is online.
    pub fn contains(&self, group: &str) -> bool {
        self.read().groups.contains_key(group)
    }

    /// The ids of the group's members, each once; empty where it is not online.
    pub fn client_ids(&self, group: &str) -> Vec<String> {
        let inner = self.read();
        let members = inner.groups.get(group).into_iter().flat_map(|group| group.members.values());
        let mut ids: Vec<String> = members.map(|member| member.client.client_id.to_string()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The connections of the group's members.
    pub fn callers(&self, group: &str) -> Vec<Caller> {
        let inner = self.read();
        let members = inner.groups.get(group).into_iter().flat_map(|group| group.members.values());
        members.map(|member| member.caller.clone()).collect()
    }

    /// The newest connection of the group's member `client_id`.
    pub fn member(&self, group: &str, client_id: &str) -> Option<Member> {
        let inner = self.read();
        let mut members = inner.groups.get(group)?.members.values().rev();
        members.find(|member| &*member.client.client_id == client_id).cloned()
    }

    /// The group as it is now; `None` where it is not online.
    pub fn group(&self, group: &str) -> Option<ConsumerGroupView> {
        let inner = self.read();
        let group = inner.groups.get(group)?;
        Some(ConsumerGroupView {
            consume_type: group.consume_type,
            message_model: group.message_model,
            consume_from_where: group.consume_from_where,
            members: group.members.values().cloned().collect(),
            subscriptions: group.subscriptions.clone(),
        })
    }

    /// Groups that subscribe to `topic`.
    pub fn groups_of_topic(&self, topic: &str) -> Vec<String> {
        let inner = self.read();
        let groups = inner.groups.iter().filter(|(_, group)| group.subscriptions.contains_key(topic));
        groups.map(|(name, _)| name.clone()).collect()
    }

    /// Names of the groups that are online.
    pub fn groups(&self) -> Vec<String> {
        self.read().groups.keys().cloned().collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // Every change leaves the table whole before anything can panic.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Makes the caller a member of `group`, or notes its sign of life. Whether it is new there.
    fn join(
        &mut self,
        caller: &Caller,
        client: &ClientInfo,
        group: &str,
        now: Timestamp,
    ) -> Result<bool, TableFull> {
        if let Some(member) = self.groups.get_mut(group).and_then(|g| g.members.get_mut(&caller.id())) {
            member.last_update = now;
            if member.client != *client {
                member.client = client.clone();
            }
            return Ok(false);
        }
        if self.members >= MEMBERS_MAX {
            return Err(TableFull);
        }
        let member = Member { caller: caller.clone(), client: client.clone(), last_update: now };
        self.groups.entry(group.to_owned()).or_default().members.insert(caller.id(), member);
        self.groups_of.entry(caller.id()).or_default().push(group.to_owned());
        self.members += 1;
        Ok(true)
    }

    fn leave(&mut self, name: &str, caller_id: u64) -> bool {
        let Some(group) = self.groups.get_mut(name) else { return false };
        let was_member = group.members.remove(&caller_id).is_some();
        self.members -= usize::from(was_member);
        if group.members.is_empty() {
            self.groups.remove(name);
        }
        if self.groups_of.get(&caller_id).is_some_and(Vec::is_empty) {
            self.groups_of.remove(&caller_id);
        }
        was_member
    }
}

impl Group {
    /// Takes over what a member subscribes to: per topic the newest wins, other topics go. Whether topics came or
    /// went.
    fn subscribe(&mut self, subscriptions: &[SubscriptionData]) -> bool {
        let mut is_changed = false;
        for new in subscriptions {
            match self.subscriptions.get(&new.topic) {
                Some(known) if known.sub_version >= new.sub_version => {}
                known => {
                    is_changed |= known.is_none();
                    self.subscriptions.insert(new.topic.clone(), Arc::new(new.clone()));
                }
            }
        }
        let before = self.subscriptions.len();
        self.subscriptions.retain(|topic, _| subscriptions.iter().any(|new| new.topic == *topic));
        is_changed || self.subscriptions.len() < before
    }
}

#[cfg(test)]
#[path = "consumer_table_test.rs"]
mod tests;
