//! The client against a real name server and broker, of Apache RocketMQ or of Eruca:
//!
//! ```text
//! NAMESRV_ADDR=127.0.0.1:9876 cargo test -p eruca-client --test cluster -- --ignored --test-threads=1
//! ```
//!
//! The broker must create topics and groups by itself, as is the default.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::collections::BTreeSet;

use eruca_client::{Admin, ConsumeStatus, Message, Producer, PushConsumerBuilder};

mod admin;
mod kills;
mod lite;
mod lite_pull;
mod pop;
mod produce;
mod push;
mod push_pop;
mod request;
mod support;
mod trace;
mod transaction;

use support::*;

async fn admin() -> Admin {
    Admin::builder().name_servers(name_servers()).build().await.unwrap()
}

/// A listener that notes bodies.
fn noting(builder: PushConsumerBuilder, seen: &Seen) -> PushConsumerBuilder {
    let seen = seen.clone();
    builder.on_messages(move |messages| {
        messages.iter().for_each(|message| seen.add(text(message)));
        async { ConsumeStatus::Success }
    })
}

/// At once; where kills are on, as soon as the broker is back.
async fn holds(what: &str, condition: impl AsyncFn() -> bool) {
    let holds = if kills::are_on() { within_patience(condition).await } else { condition().await };
    assert!(holds, "{what}");
}

async fn send_numbered(producer: &Producer, topic: &str, count: usize) -> BTreeSet<String> {
    let mut bodies = BTreeSet::new();
    for number in 0..count {
        let body = format!("{topic} {number}");
        sent_by(producer, Message::new(topic, body.clone())).await;
        bodies.insert(body);
    }
    bodies
}
