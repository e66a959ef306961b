//! What the tests of the push consumer share.

use std::sync::{Arc, Mutex};

use eruca_message::MessageQueue;

use crate::{
    ConsumeFrom, ConsumeStatus, Messages, PushConsumer, PushConsumerBuilder, lock::lock, testing::FakeCluster,
};

pub(super) const GROUP: &str = "g";

pub(super) fn cluster(queues: i32) -> FakeCluster {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("t", queues);
    cluster
}

pub(super) fn queue(id: i32) -> MessageQueue {
    MessageQueue::new("t", "a", id)
}

pub(super) fn builder(cluster: &FakeCluster) -> PushConsumerBuilder {
    PushConsumer::builder()
        .name_servers(cluster.name_servers())
        .group(GROUP)
        .subscribe("t", "*")
        .consume_from(ConsumeFrom::First)
}

#[derive(Clone, Default)]
pub(super) struct Seen(pub(super) Arc<Mutex<Vec<(String, i32)>>>);

impl Seen {
    pub(super) fn note(&self, messages: &Messages) {
        let texts =
            messages.iter().map(|m| (String::from_utf8(m.message.body.clone()).unwrap(), m.reconsume_times));
        lock(&self.0).extend(texts);
    }
    pub(super) fn bodies(&self) -> Vec<String> {
        lock(&self.0).iter().map(|(body, _)| body.clone()).collect()
    }
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}

pub(super) fn listening(
    builder: PushConsumerBuilder,
    seen: &Seen,
    status: ConsumeStatus,
) -> PushConsumerBuilder {
    let seen = seen.clone();
    builder.on_messages(move |messages| {
        seen.note(&messages);
        async move { status }
    })
}

/// Numbers of the queues that a consumer has of the topic.
pub(super) fn topic_queues(consumer: &PushConsumer) -> Vec<i32> {
    consumer.queues().iter().filter(|q| q.topic == "t").map(|q| q.queue_id).collect()
}
