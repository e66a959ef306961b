//! Consumer groups that are online, their members and what they subscribe to.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use eruca_message::Timestamp;
use eruca_protocol::body::{ConsumeFromWhere, ConsumeType, ConsumerConnection, ConsumerData, MessageModel};
use eruca_remoting::Caller;

use super::{ClientInfo, Member, Wishes, group::Group};
use crate::filter::{CompiledFilters, MessageFilter, Subscription};

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
    /// What it subscribes to, by topic: where members do not agree, the newest.
    pub subscriptions: BTreeMap<String, Arc<Subscription>>,
}

impl ConsumerGroupView {
    /// As the admin tools see it.
    pub fn connection(&self) -> ConsumerConnection {
        ConsumerConnection {
            connection_set: self.members.iter().map(Member::connection).collect(),
            consume_from_where: Some(self.consume_from_where),
            consume_type: Some(self.consume_type),
            message_model: Some(self.message_model),
            subscription_table: self.subscriptions.iter().map(|(t, s)| (t.clone(), s.data.clone())).collect(),
        }
    }
}

/// Consumer groups that are online (Java: `ConsumerManager`).
///
/// A group is there as long as it has members. Lookups on the way of a pull take a shared lock and allocate nothing.
#[derive(Debug, Default)]
pub struct ConsumerTable {
    inner: RwLock<Inner>,
    filters: Arc<CompiledFilters>,
}

#[derive(Debug, Default)]
struct Inner {
    groups: HashMap<String, Group>,
    /// Groups by connection, so that a closed one need not be looked for in all groups.
    groups_of: HashMap<u64, Vec<String>>,
    members: usize,
    /// Groups of which the members ask for different messages.
    differing: usize,
    /// Groups with clients that call themselves the same.
    with_twins: usize,
    /// Whether anybody ever filtered by an expression.
    expressions: bool,
}

impl ConsumerTable {
    /// An empty table; subscriptions are compiled by `filters`.
    pub fn new(filters: Arc<CompiledFilters>) -> Self {
        ConsumerTable { inner: RwLock::default(), filters }
    }

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
        let name = &heartbeat.consumer.group_name;
        let is_new = inner.join(caller, client, name, now)?;
        let Inner { groups, differing, with_twins, expressions, .. } = &mut *inner;
        let Some(group) = groups.get_mut(name) else { return Ok(Changed::default()) };
        group.consume_type = heartbeat.consumer.consume_type;
        group.message_model = heartbeat.consumer.message_model;
        group.consume_from_where = heartbeat.consumer.consume_from_where;
        group.count_twins(name, Some(now), with_twins);
        if heartbeat.is_without_sub {
            // A restart may have lost them.
            let needs_subscriptions = group.needs_subscriptions(caller.id(), heartbeat.fingerprint);
            return Ok(Changed { group: is_new, needs_subscriptions });
        }
        let asked = &heartbeat.consumer.subscription_data_set;
        *expressions |= asked.iter().any(|data| !data.is_tag_type());
        let topics = group.subscribe(caller.id(), heartbeat.fingerprint, asked, &self.filters);
        group.count_differences(name, differing);
        Ok(Changed { group: is_new || topics, needs_subscriptions: false })
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
                inner.groups.iter().flat_map(|(name, group)| group.members().map(move |m| (name, m)));
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

    /// What `group` subscribes to of `topic`, where members do not agree the newest; `None` also where it is not online.
    pub fn subscription(&self, group: &str, topic: &str) -> Option<Arc<Subscription>> {
        self.read().groups.get(group)?.subscription(topic).cloned()
    }

    /// What the caller subscribes to of `topic` as a member of `group`; of one who does not, as
    /// [`ConsumerTable::subscription`].
    pub fn subscription_of(&self, group: &str, topic: &str, caller_id: u64) -> Option<Arc<Subscription>> {
        let inner = self.read();
        let group = inner.groups.get(group)?;
        group.subscription_of(caller_id, topic).or_else(|| group.subscription(topic)).cloned()
    }

    /// What members of `group` want of `topic`, where they do not want the same; none where they do.
    pub fn wishes(&self, group: &str, topic: &str) -> Vec<MessageFilter> {
        self.read().groups.get(group).map(|group| group.wishes(topic)).unwrap_or_default()
    }

    /// What the caller leaves of `topic` to other members of `group` that want it (see [`Wishes`]); nothing where all want the same. Of the
    /// group's retry topic: of each topic of which it does not want all.
    pub fn left_by(&self, group: &str, topic: &str, caller_id: u64) -> Vec<Wishes> {
        let inner = self.read();
        inner.groups.get(group).map(|known| known.left_by(caller_id, group, topic)).unwrap_or_default()
    }

    /// What the member of `group` whose connection is from `peer` wants of `topic`.
    pub fn wish_at(&self, group: &str, topic: &str, peer: SocketAddr) -> Option<MessageFilter> {
        self.read().groups.get(group)?.wish_at(topic, peer)
    }

    /// What groups filter by expressions that can be evaluated; their names come with it.
    pub fn expressions(&self) -> Vec<(String, Arc<Subscription>)> {
        let inner = self.read();
        if !inner.expressions {
            return Vec::new();
        }
        let all = inner.groups.iter().flat_map(|(name, group)| group.subscriptions().map(move |s| (name, s)));
        all.filter(|(_, subscription)| !subscription.data.is_tag_type() && subscription.filter.is_ok())
            .map(|(name, subscription)| (name.clone(), subscription.clone()))
            .collect()
    }

    /// How many groups have members that ask for different messages.
    pub fn differing_groups(&self) -> usize {
        self.read().differing
    }

    /// How many groups have clients that call themselves the same.
    pub fn groups_with_twins(&self) -> usize {
        self.read().with_twins
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
        let members = inner.groups.get(group).into_iter().flat_map(Group::members);
        let mut ids: Vec<String> = members.map(|member| member.client.client_id.to_string()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The connections of the group's members.
    pub fn callers(&self, group: &str) -> Vec<Caller> {
        let inner = self.read();
        let members = inner.groups.get(group).into_iter().flat_map(Group::members);
        members.map(|member| member.caller.clone()).collect()
    }

    /// The newest connection of the group's member `client_id`.
    pub fn member(&self, group: &str, client_id: &str) -> Option<Member> {
        let inner = self.read();
        let mut members = inner.groups.get(group)?.members().rev();
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
            members: group.members().cloned().collect(),
            subscriptions: group.subscriptions().map(|s| (s.data.topic.clone(), s.clone())).collect(),
        })
    }

    /// Groups that subscribe to `topic`.
    pub fn groups_of_topic(&self, topic: &str) -> Vec<String> {
        let inner = self.read();
        let groups = inner.groups.iter().filter(|(_, group)| group.subscription(topic).is_some());
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
        let is_known = self.groups.get(group).is_some_and(|known| known.has(caller.id()));
        if !is_known && self.members >= MEMBERS_MAX {
            return Err(TableFull);
        }
        self.groups.entry(group.to_owned()).or_default().join(caller, client, now);
        if !is_known {
            self.groups_of.entry(caller.id()).or_default().push(group.to_owned());
            self.members += 1;
        }
        Ok(!is_known)
    }

    fn leave(&mut self, name: &str, caller_id: u64) -> bool {
        let Some(group) = self.groups.get_mut(name) else { return false };
        let was_member = group.leave(caller_id);
        self.members -= usize::from(was_member);
        group.count_differences(name, &mut self.differing);
        group.count_twins(name, None, &mut self.with_twins);
        if group.is_empty() {
            self.groups.remove(name);
        }
        if self.groups_of.get(&caller_id).is_some_and(Vec::is_empty) {
            self.groups_of.remove(&caller_id);
        }
        was_member
    }
}

#[cfg(test)]
#[path = "consumer_table_test.rs"]
mod tests;
