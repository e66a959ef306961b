//! What tests against a real cluster share.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_client::{
    Admin, ConsumeFrom, IndexKind, Producer, PushConsumer, PushConsumerBuilder, StoredMessage, Timestamp,
};
use eruca_message::trace::TraceRecord;
use eruca_protocol::body::{
    MessageRequestMode, SetMessageRequestModeRequestBody, SubscriptionGroupConfig, TopicConfig,
};

const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

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
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.is_ok()
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
    for brokers in admin.examine_topic_route_info(topic).await.unwrap().broker_datas {
        admin.set_message_request_mode(&brokers.broker_addrs[&0], &wanted).await.unwrap();
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
    std::env::var("LITE_NAMESRV_ADDR").ok().filter(|addr| !addr.is_empty())
}

/// A parent topic of two queues and a group bound to it, on every broker.
pub(crate) async fn parent_topic(name_servers: &str, of_group: &[(&str, &str)]) -> (String, String) {
    let admin = Admin::builder().name_servers(name_servers).build().await.unwrap();
    let (topic, group) = (fresh("parent"), fresh("lite-group"));
    let info = admin.examine_broker_cluster_info().await.unwrap();
    for broker in info.broker_addr_table.values().filter_map(|group| group.broker_addrs.get(&0)) {
        let attributes = [("+message.type".to_owned(), "LITE".to_owned())].into();
        let config = TopicConfig { attributes, ..TopicConfig::new(&topic, 2) };
        admin.create_and_update_topic_config(broker, &config).await.unwrap();
        let given = of_group.iter().map(|(key, value)| (format!("+{key}"), (*value).to_owned()));
        let attributes = given.chain([("+lite.bind.topic".to_owned(), topic.clone())]).collect();
        let config = SubscriptionGroupConfig { group_name: group.clone(), attributes, ..Default::default() };
        admin.create_and_update_subscription_group_config(broker, &config).await.unwrap();
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
        let reached = async || self.set() == *expected;
        if !within_patience(reached).await {
            let (missing, extra) = (expected - &self.set(), &self.set() - expected);
            panic!("waited in vain for {missing:#?}; not expected were {extra:#?}");
        }
    }
}
