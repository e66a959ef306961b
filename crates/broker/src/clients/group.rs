//! One consumer group: its members, what each of them asks for, and what they ask for together.
//!
//! Members may ask for different messages, as while a new version of them is rolled out. Each is given what it asked for
//! itself. But a queue is read by one member only: what the others want of it is handed over to them (`handler/pull/hand_over.rs`,
//! `handler/pop/members.rs`), later and out of order. That they differ is said, once for each change.

use std::{collections::BTreeMap, fmt::Write, net::SocketAddr, sync::Arc};

use eruca_message::{
    Timestamp,
    names::{is_retry_topic, retry_topic},
};
use eruca_protocol::body::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionData};
use eruca_remoting::Caller;

use super::{ClientInfo, Member, Wishes, twins::ClientIds};
use crate::filter::{CompiledFilters, MessageFilter, Subscription};

/// So many topics, and expressions of each, are named in a warning.
const NAMED_MAX: usize = 5;
/// So many characters of an expression.
const SHOWN_CHARS: usize = 80;

/// A consumer group that is online.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) consume_type: ConsumeType,
    pub(super) message_model: MessageModel,
    pub(super) consume_from_where: ConsumeFromWhere,
    /// By connection.
    places: BTreeMap<u64, Place>,
    topics: BTreeMap<String, Topic>,
    /// Members that ask for something.
    subscribed: usize,
    /// What was last said of members that ask for different messages; `None` while they agree.
    told: Option<String>,
    ids: ClientIds,
    /// Whether it is counted among the groups with clients that call themselves the same.
    has_twins: bool,
}

/// A member's place.
#[derive(Debug)]
struct Place {
    member: Member,
    /// Of the heartbeat that brought the subscriptions.
    fingerprint: i32,
    /// Sorted by topic.
    subscriptions: Vec<Arc<Subscription>>,
}

/// What the members ask for of a topic.
#[derive(Debug)]
struct Topic {
    newest: Arc<Subscription>,
    /// Different ones, and how many members ask so.
    wishes: Vec<(Arc<Subscription>, usize)>,
}

impl Group {
    /// Makes the caller a member, or notes its sign of life.
    pub(super) fn join(&mut self, caller: &Caller, client: &ClientInfo, now: Timestamp) {
        if let Some(Place { member, .. }) = self.places.get_mut(&caller.id()) {
            member.last_update = now;
            if member.client != *client {
                self.ids.left(&member.client.client_id, caller.id());
                member.client = client.clone();
            }
            self.ids.heard(&member.client.client_id, caller.id(), now);
            return;
        }
        self.ids.heard(&client.client_id, caller.id(), now);
        let member = Member { caller: caller.clone(), client: client.clone(), last_update: now };
        self.places.insert(caller.id(), Place { member, fingerprint: 0, subscriptions: Vec::new() });
    }

    /// Whether the caller is a member.
    pub(super) fn has(&self, caller_id: u64) -> bool {
        self.places.contains_key(&caller_id)
    }

    /// Takes a member out. Whether it was one.
    pub(super) fn leave(&mut self, caller_id: u64) -> bool {
        self.replace(caller_id, Vec::new());
        let place = self.places.remove(&caller_id);
        if let Some(Place { member, .. }) = &place {
            self.ids.left(&member.client.client_id, caller_id);
        }
        place.is_some()
    }

    /// Takes over what a member asks for, of each topic what is not older than what it asked for before. Whether topics of
    /// the group came or went.
    pub(super) fn subscribe(
        &mut self,
        caller_id: u64,
        fingerprint: i32,
        data: &[SubscriptionData],
        filters: &CompiledFilters,
    ) -> bool {
        let Some(place) = self.places.get_mut(&caller_id) else { return false };
        place.fingerprint = fingerprint;
        let mut new: Vec<Arc<Subscription>> = data
            .iter()
            .map(|data| match place.subscription(&data.topic) {
                Some(known) if known.data.sub_version > data.sub_version || known.data == *data => {
                    known.clone()
                }
                _ => Arc::new(Subscription::new(data.clone(), filters)),
            })
            .collect();
        new.sort_by(|a, b| a.data.topic.cmp(&b.data.topic));
        new.dedup_by(|a, b| a.data.topic == b.data.topic);
        self.replace(caller_id, new)
    }

    /// Replaces what a member asks for. Whether topics of the group came or went.
    fn replace(&mut self, caller_id: u64, new: Vec<Arc<Subscription>>) -> bool {
        let Some(place) = self.places.get_mut(&caller_id) else { return false };
        let is_same = |(a, b): (&Arc<Subscription>, &Arc<Subscription>)| Arc::ptr_eq(a, b);
        if place.subscriptions.len() == new.len() && place.subscriptions.iter().zip(&new).all(is_same) {
            return false;
        }
        let old = std::mem::take(&mut place.subscriptions);
        self.subscribed -= usize::from(!old.is_empty());
        self.subscribed += usize::from(!new.is_empty());
        let names: Vec<String> = old.iter().chain(&new).map(|asked| asked.data.topic.clone()).collect();
        let known = |group: &Group| -> Vec<bool> {
            names.iter().map(|name| group.topics.contains_key(name)).collect()
        };
        let before = known(self);
        old.iter().for_each(|subscription| self.withdraw(subscription));
        new.iter().for_each(|subscription| self.wish(subscription));
        if let Some(place) = self.places.get_mut(&caller_id) {
            place.subscriptions = new;
        }
        known(self) != before
    }

    fn wish(&mut self, subscription: &Arc<Subscription>) {
        let topic = self
            .topics
            .entry(subscription.data.topic.clone())
            .or_insert_with(|| Topic { newest: subscription.clone(), wishes: Vec::new() });
        if topic.newest.data.sub_version < subscription.data.sub_version {
            topic.newest = subscription.clone();
        }
        match topic.wishes.iter_mut().find(|(known, _)| known.asks_as(subscription)) {
            Some((_, count)) => *count += 1,
            None => topic.wishes.push((subscription.clone(), 1)),
        }
    }

    /// To be called when the member's place no longer has it.
    fn withdraw(&mut self, subscription: &Arc<Subscription>) {
        let name = &subscription.data.topic;
        let Some(topic) = self.topics.get_mut(name) else { return };
        if let Some((_, count)) = topic.wishes.iter_mut().find(|(known, _)| known.asks_as(subscription)) {
            *count -= 1;
        }
        topic.wishes.retain(|(_, count)| *count > 0);
        if topic.wishes.is_empty() {
            self.topics.remove(name);
        } else if Arc::ptr_eq(&topic.newest, subscription) {
            let others = self.places.values().filter_map(|place| place.subscription(name));
            if let Some(newest) = others.max_by_key(|other| other.data.sub_version) {
                topic.newest = newest.clone();
            }
        }
    }

    /// Whether the client must send its subscriptions: they are not those that `fingerprint` stands for.
    pub(super) fn needs_subscriptions(&self, caller_id: u64, fingerprint: i32) -> bool {
        self.places.get(&caller_id).is_none_or(|place| place.fingerprint != fingerprint)
    }

    /// The newest that any member asks for of a topic.
    pub(super) fn subscription(&self, topic: &str) -> Option<&Arc<Subscription>> {
        self.topics.get(topic).map(|topic| &topic.newest)
    }

    /// What this member asks for of a topic.
    pub(super) fn subscription_of(&self, caller_id: u64, topic: &str) -> Option<&Arc<Subscription>> {
        self.places.get(&caller_id)?.subscription(topic)
    }

    /// What the members want of a topic, where they do not want the same.
    pub(super) fn wishes(&self, topic: &str) -> Vec<MessageFilter> {
        let wishes = self.topics.get(topic).map(|topic| &topic.wishes).filter(|wishes| wishes.len() > 1);
        wishes.into_iter().flatten().filter_map(|(wish, _)| wish.filter.as_ref().ok().cloned()).collect()
    }

    /// What this member wants of `topic` where the group wants more of it, and that can be handed over: all of its members pull its retry
    /// topic. Of that topic itself: what it wants of all others of which it does not want all.
    pub(super) fn left_by(&self, caller_id: u64, name: &str, topic: &str) -> Vec<Wishes> {
        let is_retry = is_retry_topic(topic);
        if self.message_model != MessageModel::Clustering || self.told.is_none() && !is_retry {
            return Vec::new();
        }
        let retry = retry_topic(name);
        let Some(place) = self.places.get(&caller_id).filter(|_| self.topics.contains_key(&retry)) else {
            return Vec::new();
        };
        let concerned = |name: &str| match is_retry {
            true => topic == retry && !is_retry_topic(name),
            false => name == topic,
        };
        let wishes = self.topics.iter().filter(|(name, _)| concerned(name)).map(|(name, topic)| Wishes {
            topic: name.clone(),
            own: place.subscription(name).and_then(|own| own.filter.as_ref().ok().cloned()),
            all: match self.do_differ(topic) {
                true => {
                    topic.wishes.iter().filter_map(|(wish, _)| wish.filter.as_ref().ok().cloned()).collect()
                }
                false => Vec::new(),
            },
        });
        wishes
            .filter(|wishes| !wishes.all.is_empty() || !matches!(wishes.own, Some(MessageFilter::All)))
            .collect()
    }

    /// What the member whose connection is from there wants of a topic.
    pub(super) fn wish_at(&self, topic: &str, peer: SocketAddr) -> Option<MessageFilter> {
        let place = self.places.values().find(|place| place.member.caller.peer_addr() == peer)?;
        place.subscription(topic)?.filter.as_ref().ok().cloned()
    }

    fn do_differ(&self, topic: &Topic) -> bool {
        topic.wishes.len() > 1 || self.members_of(topic) < self.subscribed
    }

    /// The newest subscriptions of all topics.
    pub(super) fn subscriptions(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.topics.values().map(|topic| &topic.newest)
    }

    /// The members, in the order of their connections.
    pub(super) fn members(&self) -> impl DoubleEndedIterator<Item = &Member> {
        self.places.values().map(|place| &place.member)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Looks whether members ask for different messages: says so in the log when it changes, and keeps count of such groups.
    /// Where each member gets all messages there is nothing to say.
    pub(super) fn count_differences(&mut self, name: &str, differing: &mut usize) {
        let differences = match self.message_model {
            MessageModel::Clustering => self.differences(),
            MessageModel::Broadcasting | MessageModel::LiteSelective => None,
        };
        if differences != self.told {
            match &differences {
                Some(differences) => tracing::warn!(
                    group = name,
                    differences,
                    "members of a consumer group ask for different messages: each is given what it asks for, but what is in the queues of \
                     another one comes later, out of order and perhaps twice; let all members subscribe alike, or use two groups"
                ),
                None => tracing::info!(
                    group = name,
                    "the members of a consumer group ask for the same messages again"
                ),
            }
            *differing += usize::from(differences.is_some());
            *differing -= usize::from(self.told.is_some());
            self.told = differences;
        }
    }

    /// Looks whether clients call themselves the same, keeps count of groups where they do, and warns now and then as
    /// long as heartbeats come (`now`). Where each member gets all messages nothing is taken twice.
    pub(super) fn count_twins(&mut self, name: &str, now: Option<Timestamp>, count: &mut usize) {
        let twins = match self.message_model {
            MessageModel::Clustering | MessageModel::LiteSelective => self.ids.twins(),
            MessageModel::Broadcasting => Vec::new(),
        };
        if self.has_twins == twins.is_empty() {
            self.has_twins = !twins.is_empty();
            *count = if self.has_twins { *count + 1 } else { *count - 1 };
            if !self.has_twins {
                tracing::info!(group = name, "the clients of a consumer group have ids of their own again");
            }
        }
        if self.has_twins && now.is_some_and(|now| self.ids.is_to_be_told(now)) {
            let peers: Vec<String> = self
                .members()
                .filter(|member| twins.contains(&member.client.client_id))
                .take(NAMED_MAX)
                .map(|member| format!("{} from {}", member.client.client_id, member.caller.peer_addr()))
                .collect();
            tracing::warn!(
                group = name,
                clients = peers.join(", "),
                "clients of a consumer group have the same client id: they take the same queues, so that each consumes the \
                 messages of the other, too, and other queues may have nobody; give each process an instance name (setInstanceName, \
                 rocketmq.client.name) or unit name (setUnitName) of its own, or a host name and network of its own"
            );
        }
    }

    /// In words.
    fn differences(&self) -> Option<String> {
        let mut text = String::new();
        let mut differing =
            self.topics.iter().filter(|(name, topic)| !is_retry_topic(name) && self.do_differ(topic));
        for (name, topic) in differing.by_ref().take(NAMED_MAX) {
            let separator = if text.is_empty() { "" } else { "; " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}topic {name}:");
            let mut wishes: Vec<(String, usize)> =
                topic.wishes.iter().map(|(wish, count)| (shown(&wish.data), *count)).collect();
            wishes.sort_unstable();
            for (wish, count) in wishes.iter().take(NAMED_MAX) {
                let _ = write!(text, " {count} of {} ask for {wish},", self.subscribed);
            }
            text.pop();
        }
        let more = differing.count();
        if more > 0 {
            let _ = write!(text, "; {more} more topics");
        }
        (!text.is_empty()).then_some(text)
    }

    fn members_of(&self, topic: &Topic) -> usize {
        topic.wishes.iter().map(|(_, count)| count).sum()
    }
}

impl Place {
    fn subscription(&self, topic: &str) -> Option<&Arc<Subscription>> {
        let at = self.subscriptions.binary_search_by(|known| known.data.topic.as_str().cmp(topic)).ok()?;
        self.subscriptions.get(at)
    }
}

fn shown(data: &SubscriptionData) -> String {
    let expression = &data.sub_string;
    let cut = if expression.chars().nth(SHOWN_CHARS).is_some() { "…" } else { "" };
    format!("'{}{cut}'", expression.chars().take(SHOWN_CHARS).collect::<String>())
}
