//! What tests against a real cluster share.

use std::{
    collections::BTreeSet,
    fmt::Display,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use eruca_client::{
    Admin, ConsumeFrom, IndexKind, Message, Producer, PushConsumer, PushConsumerBuilder, SendResult,
    StoredMessage, Timestamp,
};
use eruca_message::trace::TraceRecord;
use eruca_protocol::body::{
    ClusterInfo, MessageRequestMode, SetMessageRequestModeRequestBody, SubscriptionGroupConfig, TopicConfig,
};

use crate::kills;

const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// [`PATIENCE`]; longer where kills are on: a client that asks for a route while the broker is away asks again after half a minute.
fn patience() -> Duration {
    if kills::are_on() { PATIENCE * 2 + PATIENCE / 2 } else { PATIENCE }
}

/// What a member popped and does not acknowledge comes again after that.
pub(crate) const INVISIBLE: Duration = Duration::from_secs(10);

pub(crate) fn name_servers() -> String {
    std::env::var("NAMESRV_ADDR").expect("NAMESRV_ADDR names the cluster to test with")
}

/// A name that no earlier run used.
pub(crate) fn fresh(what: &str) -> String {
    format!("{what}-{:012x}", RandomState::new().hash_one(0) & 0xffff_ffff_ffff)
}

pub(crate) async fn producer() -> Producer {
    Producer::builder().name_servers(name_servers()).group("cluster-test-producer").build().await.unwrap()
}

pub(crate) fn consumer(group: &str, topic: &str) -> PushConsumerBuilder {
    PushConsumer::builder()
        .name_servers(name_servers())
        .group(group)
        .subscribe(topic, "*")
        .consume_from(ConsumeFrom::First)
}

pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    assert!(within_patience(condition).await, "waited in vain: {what}");
}

pub(crate) async fn within_patience(condition: impl AsyncFn() -> bool) -> bool {
    within(patience(), condition).await
}

/// Whether the condition comes true in this time.
pub(crate) async fn within(bound: Duration, condition: impl AsyncFn() -> bool) -> bool {
    let waited = tokio::time::timeout(bound, async {
        while !looked(&condition).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.is_ok()
}

async fn looked(condition: &impl AsyncFn() -> bool) -> bool {
    kills::moment("a look").await;
    condition().await
}

/// What a call answers, which may fail while the broker is away and is made again then.
macro_rules! retried {
    ($call:expr) => {
        $crate::support::answer(stringify!($call), async || $call.await).await
    };
}
pub(crate) use retried;

/// As `retried!`, for a call with this name.
pub(crate) async fn answer<T, E: Display>(what: &str, mut call: impl AsyncFnMut() -> Result<T, E>) -> T {
    kills::moment(what).await;
    let deadline = Instant::now() + patience();
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) if kills::are_on() && Instant::now() < deadline => {
                eprintln!("{what}: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

/// Sends the message.
pub(crate) async fn sent_by(producer: &Producer, message: Message) -> SendResult {
    retried!(producer.send(message.clone()))
}

/// Whether it is so often, or more often where kills let things be done twice.
pub(crate) fn is_times(expected: usize, actual: usize) -> bool {
    actual == expected || kills::are_on() && actual > expected
}

/// As [`is_times`].
#[track_caller]
pub(crate) fn times(expected: usize, actual: usize, what: &str) {
    assert!(is_times(expected, actual), "{what}: {expected} times expected, {actual} times seen");
}

/// Sets how the group gets messages of the topic, on all brokers.
pub(crate) async fn set_mode(topic: &str, group: &str, mode: MessageRequestMode) {
    let admin = Admin::builder().name_servers(name_servers()).build().await.unwrap();
    let wanted = SetMessageRequestModeRequestBody {
        topic: topic.to_owned(),
        consumer_group: group.to_owned(),
        mode,
        pop_share_queue_num: 0,
    };
    // A topic is known to its broker before the name server knows it.
    until("the topic has a route", async || admin.examine_topic_route_info(topic).await.is_ok()).await;
    for brokers in retried!(admin.examine_topic_route_info(topic)).broker_datas {
        let addr = &brokers.broker_addrs[&0];
        retried!(admin.set_message_request_mode(addr, &wanted));
    }
}

/// What the trace topic says of the message.
pub(crate) async fn traces_of(admin: &Admin, id: &str) -> Vec<TraceRecord> {
    let Ok(route) = admin.examine_topic_route_info(TRACE_TOPIC).await else { return Vec::new() };
    let mut records = Vec::new();
    for addr in route.broker_datas.iter().filter_map(|group| group.broker_addrs.get(&0)) {
        let times = (Timestamp(0), Timestamp(i64::MAX));
        // "Not found" is an answer of brokers that have nothing, too.
        let found =
            admin.query_message(addr, TRACE_TOPIC, id, 64, times, IndexKind::Key).await.unwrap_or_default();
        for message in found {
            let body = text(&message);
            let read = TraceRecord::decode_all(&body).map(Result::unwrap);
            records.extend(read.filter(|record| record.message_id() == id));
        }
    }
    records
}

/// A cluster that keeps lite topics, where there is one.
pub(crate) fn cluster_with_lite_topics() -> Option<String> {
    kills::are_of_lite();
    std::env::var("LITE_NAMESRV_ADDR").ok().filter(|addr| !addr.is_empty())
}

/// The brokers. One that was killed is unknown until it is back.
pub(crate) async fn cluster_of(admin: &Admin) -> ClusterInfo {
    let known = async || match admin.examine_broker_cluster_info().await {
        Ok(info) if info.broker_addr_table.is_empty() => Err("no broker is registered".to_owned()),
        answer => answer.map_err(|error| error.to_string()),
    };
    answer("the brokers", known).await
}

/// The addresses of all masters.
pub(crate) async fn masters_of(admin: &Admin) -> Vec<String> {
    let groups = cluster_of(admin).await.broker_addr_table.into_values();
    groups.filter_map(|mut group| group.broker_addrs.remove(&0)).collect()
}

/// A parent topic of two queues and a group bound to it, on every broker.
pub(crate) async fn parent_topic(name_servers: &str, of_group: &[(&str, &str)]) -> (String, String) {
    let admin = Admin::builder().name_servers(name_servers).build().await.unwrap();
    let (topic, group) = (fresh("parent"), fresh("lite-group"));
    for broker in masters_of(&admin).await {
        let attributes = [("+message.type".to_owned(), "LITE".to_owned())].into();
        let config = TopicConfig { attributes, ..TopicConfig::new(&topic, 2) };
        retried!(admin.create_and_update_topic_config(&broker, &config));
        let given = of_group.iter().map(|(key, value)| (format!("+{key}"), (*value).to_owned()));
        let attributes = given.chain([("+lite.bind.topic".to_owned(), topic.clone())]).collect();
        let config = SubscriptionGroupConfig { group_name: group.clone(), attributes, ..Default::default() };
        retried!(admin.create_and_update_subscription_group_config(&broker, &config));
    }
    until("the topic has a route", async || admin.examine_topic_route_info(&topic).await.is_ok()).await;
    (topic, group)
}

pub(crate) fn text(message: &StoredMessage) -> String {
    String::from_utf8_lossy(&message.message.body).into_owned()
}

/// What a listener saw.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn add(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
    pub(crate) fn set(&self) -> BTreeSet<String> {
        self.all().into_iter().collect()
    }
    /// Waits until exactly these were seen.
    pub(crate) async fn reaches(&self, expected: &BTreeSet<String>) {
        self.reaches_or_again(expected, &BTreeSet::new()).await;
    }
    /// Waits until exactly these were seen. Where kills are on, the others may have come again: a broker that was killed could not be
    /// told that they were consumed.
    pub(crate) async fn reaches_or_again(&self, expected: &BTreeSet<String>, consumed: &BTreeSet<String>) {
        let again = if kills::are_on() { consumed.clone() } else { BTreeSet::new() };
        let extra = || &(&self.set() - expected) - &again;
        let reached = async || self.set().is_superset(expected) && extra().is_empty();
        if !within_patience(reached).await {
            panic!("waited in vain for {:#?}; not expected were {:#?}", expected - &self.set(), extra());
        }
    }
}
