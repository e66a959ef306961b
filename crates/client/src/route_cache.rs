//! What the client knows of topics and brokers: routes as the name server gave them, and what follows from them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use eruca_message::{MessageQueue, Timestamp};
use eruca_protocol::body::{QueueData, TopicRouteData};

/// The id of a group's master.
pub(crate) const MASTER_ID: i64 = 0;
const PERM_WRITE: i32 = 2;
const PERM_READ: i32 = 4;
/// Most queues of one topic on one broker group that we believe: a route is input from the network.
const MAX_QUEUES_PER_BROKER: i32 = 65_536;
/// A route that nobody asked for in this time is forgotten and no longer refreshed.
const FORGET_AFTER_MS: i64 = 10 * 60_000;

/// Where a topic can be written and read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicRoute {
    /// Queues to send to: writable, and their broker group has a master.
    pub publish_queues: Vec<MessageQueue>,
    /// Queues to pull from: readable.
    pub subscribe_queues: Vec<MessageQueue>,
    /// Whether the order of queues over brokers is fixed by an order configuration.
    pub is_order_topic: bool,
    /// Addresses by broker name and broker id; id 0 is the master.
    pub brokers: BTreeMap<String, BTreeMap<i64, String>>,
}

impl TopicRoute {
    /// What `data` means for clients of `topic`.
    pub fn new(topic: &str, data: &TopicRouteData) -> Self {
        let brokers: BTreeMap<_, _> =
            data.broker_datas.iter().map(|b| (b.broker_name.clone(), b.broker_addrs.clone())).collect();
        let mut queue_datas: Vec<&QueueData> = data.queue_datas.iter().collect();
        queue_datas.sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
        let has_master = |name: &str| {
            brokers.get(name).is_some_and(|addrs: &BTreeMap<i64, String>| addrs.contains_key(&MASTER_ID))
        };
        let order = data.order_topic_conf.as_deref().filter(|conf| !conf.trim().is_empty());
        let publish_queues = match order {
            Some(conf) => ordered_queues(topic, conf),
            None => queue_datas
                .iter()
                .filter(|data| data.perm & PERM_WRITE != 0 && has_master(&data.broker_name))
                .flat_map(|data| queues(topic, &data.broker_name, data.write_queue_nums))
                .collect(),
        };
        let subscribe_queues = queue_datas
            .iter()
            .filter(|data| data.perm & PERM_READ != 0)
            .flat_map(|data| queues(topic, &data.broker_name, data.read_queue_nums))
            .collect();
        TopicRoute { publish_queues, subscribe_queues, is_order_topic: order.is_some(), brokers }
    }
}

fn queues(topic: &str, broker_name: &str, count: i32) -> impl Iterator<Item = MessageQueue> {
    (0..count.min(MAX_QUEUES_PER_BROKER)).map(move |queue_id| MessageQueue::new(topic, broker_name, queue_id))
}

/// The queues of an order configuration, `brokerA:4;brokerB:4`; parts that cannot be read are skipped.
fn ordered_queues(topic: &str, conf: &str) -> Vec<MessageQueue> {
    conf.split(';')
        .filter_map(|part| {
            let (broker, count) = part.trim().split_once(':')?;
            Some((broker, count.trim().parse::<i32>().ok()?))
        })
        .flat_map(|(broker, count)| queues(topic, broker, count))
        .collect()
}

/// A cached route.
#[derive(Debug)]
struct Entry {
    route: Arc<TopicRoute>,
    /// Made from the template topic, because the topic itself does not exist yet.
    from_template: bool,
    last_used: Timestamp,
}

/// The routes of the topics in use. Pure: time is given.
#[derive(Debug, Default)]
pub(crate) struct RouteCache {
    topics: HashMap<String, Entry>,
}

impl RouteCache {
    /// The route of `topic`, and that it is in use.
    pub(crate) fn route(&mut self, topic: &str, now: Timestamp) -> Option<Arc<TopicRoute>> {
        let entry = self.topics.get_mut(topic)?;
        entry.last_used = now;
        Some(entry.route.clone())
    }

    /// Takes in a route of the topic itself; whether it differs from what was known.
    pub(crate) fn update(&mut self, topic: &str, data: &TopicRouteData, now: Timestamp) -> bool {
        self.insert(topic, TopicRoute::new(topic, data), false, now)
    }

    /// Takes in the route of the template topic in place of that of `topic`, which does not exist yet: the first send
    /// will create it. No more than `max_queues` queues per broker group.
    pub(crate) fn update_from_template(
        &mut self,
        topic: &str,
        mut data: TopicRouteData,
        max_queues: i32,
        now: Timestamp,
    ) -> bool {
        for queues in &mut data.queue_datas {
            queues.read_queue_nums = queues.read_queue_nums.min(max_queues);
            queues.write_queue_nums = queues.write_queue_nums.min(max_queues);
        }
        self.insert(topic, TopicRoute::new(topic, &data), true, now)
    }

    fn insert(&mut self, topic: &str, route: TopicRoute, from_template: bool, now: Timestamp) -> bool {
        match self.topics.get_mut(topic) {
            Some(entry) => {
                entry.from_template = from_template;
                let changed = *entry.route != route;
                if changed {
                    entry.route = Arc::new(route);
                }
                changed
            }
            None => {
                let entry = Entry { route: Arc::new(route), from_template, last_used: now };
                self.topics.insert(topic.to_owned(), entry);
                true
            }
        }
    }

    /// The name server says that the topic is gone; a template's stand-in stays, for its topic has yet to come.
    pub(crate) fn remove(&mut self, topic: &str) -> bool {
        let stands_in = self.topics.get(topic).is_some_and(|entry| entry.from_template);
        !stands_in && self.topics.remove(topic).is_some()
    }

    /// The topics to refresh. Those that nobody used for ten minutes are forgotten.
    pub(crate) fn topics_in_use(&mut self, now: Timestamp) -> Vec<String> {
        self.topics.retain(|_, entry| now.ms_since(entry.last_used) < FORGET_AFTER_MS);
        self.topics.keys().cloned().collect()
    }

    /// Marks the routes that lead to a group as in use; whether there are any.
    pub(crate) fn keep(&mut self, broker_name: &str, now: Timestamp) -> bool {
        let leading = self.topics.values_mut().filter(|entry| entry.route.brokers.contains_key(broker_name));
        leading.map(|entry| entry.last_used = now).count() > 0
    }

    /// The address of broker `id` of a group.
    pub(crate) fn broker_addr(&self, broker_name: &str, id: i64) -> Option<String> {
        self.brokers(broker_name).find_map(|addrs| addrs.get(&id)).cloned()
    }

    /// The master's address, else that of any member of the group.
    pub(crate) fn any_addr(&self, broker_name: &str) -> Option<String> {
        self.broker_addr(broker_name, MASTER_ID)
            .or_else(|| self.brokers(broker_name).find_map(|addrs| addrs.values().next()).cloned())
    }

    /// The addresses of all brokers of the topics in use, or only of the masters.
    pub(crate) fn addrs(&self, masters_only: bool) -> BTreeSet<String> {
        self.topics
            .values()
            .flat_map(|entry| entry.route.brokers.values())
            .flat_map(|addrs| addrs.iter())
            .filter(|(id, _)| !masters_only || **id == MASTER_ID)
            .map(|(_, addr)| addr.clone())
            .collect()
    }

    fn brokers(&self, broker_name: &str) -> impl Iterator<Item = &BTreeMap<i64, String>> {
        self.topics.values().filter_map(move |entry| entry.route.brokers.get(broker_name))
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::BrokerData;

    use super::*;

    fn queue_data(broker: &str, read: i32, write: i32, perm: i32) -> QueueData {
        QueueData {
            broker_name: broker.into(),
            read_queue_nums: read,
            write_queue_nums: write,
            perm,
            ..QueueData::default()
        }
    }

    fn broker_data(name: &str, addrs: &[(i64, &str)]) -> BrokerData {
        BrokerData {
            cluster: "c".into(),
            broker_name: name.into(),
            broker_addrs: addrs.iter().map(|(id, addr)| (*id, (*addr).to_owned())).collect(),
            ..BrokerData::default()
        }
    }

    fn data() -> TopicRouteData {
        TopicRouteData {
            queue_datas: vec![queue_data("b", 2, 1, 6), queue_data("a", 1, 2, 6), queue_data("ro", 1, 1, 4)],
            broker_datas: vec![
                broker_data("a", &[(0, "a:1"), (1, "a:2")]),
                broker_data("b", &[(1, "b:2")]),
                broker_data("ro", &[(0, "r:1")]),
            ],
            ..TopicRouteData::default()
        }
    }

    #[test]
    fn only_writable_queues_with_a_master_are_published_to() {
        let route = TopicRoute::new("t", &data());
        assert_eq!(route.publish_queues, [MessageQueue::new("t", "a", 0), MessageQueue::new("t", "a", 1)]);
        let read: Vec<_> =
            route.subscribe_queues.iter().map(|q| (q.broker_name.as_str(), q.queue_id)).collect();
        assert_eq!(read, [("a", 0), ("b", 0), ("b", 1), ("ro", 0)]);
    }

    #[test]
    fn an_order_configuration_fixes_the_queues() {
        let conf = Some("b:1;a:2;broken".to_owned());
        let route = TopicRoute::new("t", &TopicRouteData { order_topic_conf: conf, ..data() });
        let queues: Vec<_> =
            route.publish_queues.iter().map(|q| (q.broker_name.as_str(), q.queue_id)).collect();
        assert_eq!(queues, [("b", 0), ("a", 0), ("a", 1)]);
        assert!(route.is_order_topic);
    }

    #[test]
    fn a_template_gives_no_more_queues_than_asked_for_and_stays_until_the_topic_comes() {
        let mut cache = RouteCache::default();
        assert!(cache.update_from_template("new", data(), 1, Timestamp(0)));
        assert_eq!(cache.route("new", Timestamp(0)).unwrap().publish_queues.len(), 1);
        assert!(!cache.remove("new"));
        assert!(cache.update("new", &data(), Timestamp(1)));
        assert!(!cache.update("new", &data(), Timestamp(2)));
        assert!(cache.remove("new"));
    }

    #[test]
    fn unused_routes_are_forgotten_with_their_brokers() {
        let mut cache = RouteCache::default();
        cache.update("t", &data(), Timestamp(0));
        assert_eq!(cache.addrs(true).into_iter().collect::<Vec<_>>(), ["a:1", "r:1"]);
        assert_eq!(cache.addrs(false).len(), 4);
        assert_eq!(cache.any_addr("b").as_deref(), Some("b:2"));
        assert_eq!(cache.broker_addr("b", MASTER_ID), None);
        assert_eq!(cache.topics_in_use(Timestamp(FORGET_AFTER_MS - 1)), ["t"]);
        assert!(cache.keep("b", Timestamp(5)));
        assert_eq!(cache.topics_in_use(Timestamp(FORGET_AFTER_MS)), ["t"]);
        assert!(cache.topics_in_use(Timestamp(FORGET_AFTER_MS + 5)).is_empty());
        assert!(!cache.keep("b", Timestamp(FORGET_AFTER_MS + 5)));
        assert!(cache.addrs(false).is_empty());
    }
}
