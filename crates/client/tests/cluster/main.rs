//! The client against a real name server and broker, of Apache RocketMQ or of Eruca:
//!
//! ```text
//! NAMESRV_ADDR=127.0.0.1:9876 cargo test -p eruca-client --test cluster -- --ignored --test-threads=1
//! ```
//!
//! The broker must create topics and groups by itself, as is the default.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_client::{
    Admin, ConsumeFrom, ConsumeStatus, Message, Producer, PushConsumer, PushConsumerBuilder, StoredMessage,
};

mod admin;
mod lite;
mod lite_pull;
mod pop;
mod produce;
mod push;
mod request;
mod trace;
mod transaction;

const PATIENCE: Duration = Duration::from_secs(60);

fn name_servers() -> String {
    std::env::var("NAMESRV_ADDR").expect("NAMESRV_ADDR names the cluster to test with")
}

/// A name that no earlier run used.
fn fresh(what: &str) -> String {
    format!("{what}-{:012x}", RandomState::new().hash_one(0) & 0xffff_ffff_ffff)
}

async fn producer() -> Producer {
    Producer::builder().name_servers(name_servers()).group("cluster-test-producer").build().await.unwrap()
}

async fn admin() -> Admin {
    Admin::builder().name_servers(name_servers()).build().await.unwrap()
}

fn consumer(group: &str, topic: &str) -> PushConsumerBuilder {
    PushConsumer::builder()
        .name_servers(name_servers())
        .group(group)
        .subscribe(topic, "*")
        .consume_from(ConsumeFrom::First)
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain: {what}");
}

fn text(message: &StoredMessage) -> String {
    String::from_utf8_lossy(&message.message.body).into_owned()
}

/// What a listener saw.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn add(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
    fn set(&self) -> BTreeSet<String> {
        self.all().into_iter().collect()
    }
    async fn reaches(&self, expected: &BTreeSet<String>) {
        until("all messages are consumed", async || self.set() == *expected).await;
    }
}

/// A listener that notes bodies.
fn noting(builder: PushConsumerBuilder, seen: &Seen) -> PushConsumerBuilder {
    let seen = seen.clone();
    builder.on_messages(move |messages| {
        messages.iter().for_each(|message| seen.add(text(message)));
        async { ConsumeStatus::Success }
    })
}

async fn send_numbered(producer: &Producer, topic: &str, count: usize) -> BTreeSet<String> {
    let mut bodies = BTreeSet::new();
    for number in 0..count {
        let body = format!("{topic} {number}");
        producer.send(Message::new(topic, body.clone())).await.unwrap();
        bodies.insert(body);
    }
    bodies
}
