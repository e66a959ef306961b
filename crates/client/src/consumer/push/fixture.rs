//! What the tests of the push consumer share.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_message::MessageQueue;
use eruca_protocol::{
    RemotingCommand,
    body::{self, ConsumerRunningInfo},
    request::GetConsumerRunningInfoRequest,
};

use crate::{
    ConsumeFrom, ConsumeStatus, Messages, PushConsumer, PushConsumerBuilder,
    lock::lock,
    testing::{FakeCluster, PATIENCE},
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

/// What a member of the group says of itself, once it has consumed and failed so many messages.
pub(super) async fn running_info(cluster: &FakeCluster, consumed: u64, failed: u64) -> ConsumerRunningInfo {
    let header = GetConsumerRunningInfoRequest { consumer_group: GROUP.into(), ..Default::default() };
    let request = RemotingCommand::request(&header);
    let asking = async {
        loop {
            let answer = cluster.member(GROUP).invoke(request.clone(), PATIENCE).await.unwrap();
            let info: ConsumerRunningInfo = body::from_json(&answer.body).unwrap();
            let count = |name| info.user_consumer_info[name].parse::<u64>().unwrap();
            if (count("consumedMessages"), count("failedMessages")) == (consumed, failed) {
                return info;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap()
}

/// Numbers of the queues that a consumer has of the topic.
pub(super) fn topic_queues(consumer: &PushConsumer) -> Vec<i32> {
    consumer.queues().iter().filter(|q| q.topic == "t").map(|q| q.queue_id).collect()
}
