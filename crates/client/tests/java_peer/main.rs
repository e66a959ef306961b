//! The client beside the Java client, on one cluster: what the one sends, the other receives.
//!
//! ```text
//! NAMESRV_ADDR=127.0.0.1:9876 JAVA_PEER=… cargo test -p eruca-client --test java_peer -- --ignored
//! ```
//!
//! `JAVA_PEER` is a program that runs `interop.Peer` of `interop/java`; `interop/run rust` makes one. The broker must have `enablePropertyFilter` on.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{cell::Cell, collections::BTreeSet, time::Duration};

use eruca_client::{
    Compression, ConsumeStatus, Filter, Message, OrderedConsumeStatus, Producer, PushConsumerBuilder,
    StoredMessage, TransactionListener, TransactionProducer, TransactionState,
};
use eruca_protocol::body::MessageRequestMode;

mod catalogue;
mod kinds;
mod peer;
#[path = "../cluster/support.rs"]
mod support;

use catalogue::{Item, line_of};
use peer::Peer;
use support::*;

/// What a member popped and does not acknowledge comes again after that: it dropped it, as its queues are another's now. As at the peer.
const INVISIBLE: Duration = Duration::from_secs(10);

/// Notes messages as the peer prints them.
fn listing(builder: PushConsumerBuilder, seen: &Seen) -> PushConsumerBuilder {
    let seen = seen.clone();
    builder.on_messages(move |messages| {
        messages.iter().for_each(|message| seen.add(line_of(message)));
        async { ConsumeStatus::Success }
    })
}

async fn created(topic: &str) {
    // Consumers of a topic that does not exist would wait half a minute for their first look at it.
    let sent = producer().await.send(Message::new(topic, "first").with_tag("first")).await;
    sent.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn what_java_sends_is_received() {
    let topic = fresh("from-java");
    created(&topic).await;
    let (all, some) = (Seen::default(), Seen::default());
    let consumers = [
        listing(consumer(&fresh("group"), &topic), &all).start().await.unwrap(),
        listing(consumer(&fresh("group"), &topic).subscribe(&topic, Filter::by_sql(catalogue::sql())), &some)
            .start()
            .await
            .unwrap(),
    ];
    let items = catalogue::items();
    let mut java = Peer::start(&["send", &name_servers()]);
    for (number, item) in items.iter().enumerate() {
        java.tell(&item.order(&topic));
        assert_eq!(java.line(number).await, format!("sent {}", item.how));
    }
    let mut expected = catalogue::delivered(&items);
    expected.insert("message\tfirst\t\t\t5\tfirst".into());
    all.reaches(&expected).await;
    some.reaches(&catalogue::delivered_by_sql(&items)).await;
    assert_eq!(all.all().len(), expected.len(), "each once");
    for consumer in consumers {
        consumer.shutdown().await;
    }
    java.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn what_is_sent_java_receives() {
    let topic = fresh("to-java");
    created(&topic).await;
    let sql = format!("sql:{}", catalogue::sql());
    let (group, other) = (fresh("group"), fresh("group"));
    let all = Peer::start(&["consume", &name_servers(), &group, &topic, "*", "concurrently"]);
    let some = Peer::start(&["consume", &name_servers(), &other, &topic, &sql, "concurrently"]);
    let items = catalogue::items();
    let sender = Sender::start().await;
    sender.send(&topic, &items).await;
    let mut expected = catalogue::delivered(&items);
    expected.insert("message\tfirst\t\t\t5\tfirst".into());
    all.has_received(&expected).await;
    some.has_received(&catalogue::delivered_by_sql(&items)).await;
    assert_eq!(all.messages().len(), expected.len(), "each once");
    sender.shutdown().await;
    all.end().await;
    some.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn members_of_both_kinds_share_a_group() {
    for ordered in [false, true] {
        let (topic, group, seen) = (fresh("shared"), fresh("mixed"), Seen::default());
        created(&topic).await;
        let ours = consumer(&group, &topic);
        let ours = if ordered { listing_in_order(ours, &seen) } else { listing(ours, &seen) };
        let ours = ours.start().await.unwrap();
        let how = if ordered { "orderly" } else { "concurrently" };
        let java = Peer::start(&["consume", &name_servers(), &group, &topic, "*", how]);
        assert_eq!(java.line(0).await, "started");

        // Both have queues as soon as a message to each queue is received, some here and some there.
        let producer = producer().await;
        let queues = producer.publish_queues(&topic).await.unwrap();
        let is_shared = async || {
            let before = (seen.all().len(), java.messages().len());
            for queue in &queues {
                producer.send_to_queue(Message::new(&topic, "who is there?"), queue).await.unwrap();
            }
            let sum = before.0 + before.1 + queues.len();
            until("the round is received", async || seen.all().len() + java.messages().len() >= sum).await;
            seen.all().len() == before.0 + queues.len() / 2
                && java.messages().len() == before.1 + queues.len() / 2
        };
        until("the queues are shared evenly", is_shared).await;

        let (before_here, before_there) = (seen.all().len(), java.messages().len());
        for number in 0..200 {
            let queue = &queues[number % queues.len()];
            producer.send_to_queue(Message::new(&topic, format!("{number:03}")), queue).await.unwrap();
        }
        let numbers = |lines: Vec<String>, before: usize| -> Vec<String> {
            lines[before..].iter().map(|line| line[line.len() - 3..].to_owned()).collect()
        };
        let total = before_here + before_there + 200;
        until("all are received", async || seen.all().len() + java.messages().len() >= total).await;
        let (here, there) = (numbers(seen.all(), before_here), numbers(java.messages(), before_there));
        assert_eq!((here.len(), there.len()), (100, 100), "half of the queues each");
        let together: BTreeSet<String> = here.iter().chain(&there).cloned().collect();
        assert_eq!(together.len(), 200, "each once");
        if ordered {
            for queue in 0..queues.len() {
                let of_queue = |all: &[String]| -> Vec<usize> {
                    let numbers = all.iter().map(|number| number.parse::<usize>().unwrap());
                    numbers.filter(|number| number % queues.len() == queue).collect()
                };
                assert!(of_queue(&here).is_sorted() && of_queue(&there).is_sorted(), "in order");
            }
        }

        // Who leaves hands over.
        java.end().await;
        let before = seen.all().len();
        for queue in &queues {
            producer.send_to_queue(Message::new(&topic, "alone"), queue).await.unwrap();
        }
        until("the one that is left receives all", async || seen.all().len() == before + queues.len()).await;
        ours.shutdown().await;
        producer.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn members_of_both_kinds_pop_for_a_group_and_are_switched_together() {
    let (topic, group, seen) = (fresh("popped"), fresh("mixed"), Seen::default());
    created(&topic).await;
    set_mode(&topic, &group, MessageRequestMode::Pop).await;
    let ours = listing(
        consumer(&group, &topic).assigned_by_broker().pop_batch(1).pop_invisible_time(INVISIBLE),
        &seen,
    );
    let ours = ours.start().await.unwrap();
    let java = Peer::start(&["consume", &name_servers(), &group, &topic, "*", "assigned"]);
    assert_eq!(java.line(0).await, "started");
    let ids = || -> Vec<i32> {
        let queues = ours.queues().into_iter().filter(|queue| queue.topic == topic);
        queues.map(|queue| queue.queue_id).collect()
    };
    until("it pops any queue", async || ids() == [-1]).await;
    let (producer, sent) = (producer().await, Cell::new(1));
    let send = async |count: usize| {
        for _ in 0..count {
            producer.send(Message::new(&topic, format!("{:04}", sent.get()))).await.unwrap();
            sent.set(sent.get() + 1);
        }
        sent.get()
    };
    let received = || seen.all().len() + java.messages().len();
    until("both pop", async || {
        let sent = send(20).await;
        until("the round is received", async || received() >= sent).await;
        !seen.all().is_empty() && !java.messages().is_empty()
    })
    .await;
    let sent = send(200).await;
    until("all are received", async || received() >= sent).await;

    set_mode(&topic, &group, MessageRequestMode::Pull).await;
    until("it pulls half of the queues", async || ids().len() == 2 && !ids().contains(&-1)).await;
    let sent = send(100).await;
    until("all are received", async || received() >= sent).await;
    let mut expected: BTreeSet<String> = (1..sent).map(|number| format!("{number:04}")).collect();
    expected.insert("first".to_owned());
    let bodies = |lines: Vec<String>| -> BTreeSet<String> {
        lines.iter().filter_map(|line| line.rsplit('\t').next()).map(str::to_owned).collect()
    };
    let together = || &bodies(seen.all()) | &bodies(java.messages());
    let is_all = within_patience(async || together() == expected).await;
    assert!(is_all, "missing: {:?}", &expected - &together());

    set_mode(&topic, &group, MessageRequestMode::Pop).await;
    until("it pops again", async || ids() == [-1]).await;
    java.end().await;
    let before = seen.all().len();
    for _ in 0..20 {
        producer.send(Message::new(&topic, "alone")).await.unwrap();
    }
    // What the other one popped in its last moments comes again when its invisible time is over.
    until("the one that is left receives the rest", async || seen.all().len() >= before + 18).await;
    ours.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn requests_are_answered_both_ways() {
    let (topic, group) = (fresh("asked-by-java"), fresh("answerers"));
    created(&topic).await;
    let replier = producer().await;
    let replying = replier.clone();
    let answering = consumer(&group, &topic).on_messages(move |messages| {
        let replier = replying.clone();
        async move {
            for message in messages.iter().filter(|message| message.message.tag() != Some("first")) {
                if replier.reply(message, format!("re: {}", text(message))).await.is_err() {
                    return ConsumeStatus::RetryLater;
                }
            }
            ConsumeStatus::Success
        }
    });
    let answering = answering.start().await.unwrap();
    let mut asking = Peer::start(&["ask", &name_servers(), &topic]);
    for (number, question) in ["how?", "why?"].into_iter().enumerate() {
        asking.tell(question);
        assert_eq!(asking.line(number).await, format!("re: {question}"));
    }
    asking.end().await;
    answering.shutdown().await;

    let (topic, group) = (fresh("answered-by-java"), fresh("answerers"));
    // No message waits for the Java peer that is no request: it could not answer that.
    let asker = producer().await;
    let java = Peer::start(&["answer", &name_servers(), &group, &topic]);
    assert_eq!(java.line(0).await, "started");
    for question in ["what?".to_owned(), "who? ".repeat(2_000)] {
        let answer = asker.request(Message::new(&topic, question.clone()), PATIENCE).await.unwrap();
        assert_eq!(text(&answer), format!("re: {question}"));
    }
    java.end().await;
    asker.shutdown().await;
    replier.shutdown().await;
}

/// Notes messages as the peer prints them, one queue after the other in its order.
fn listing_in_order(builder: PushConsumerBuilder, seen: &Seen) -> PushConsumerBuilder {
    let seen = seen.clone();
    builder.on_messages_in_order(move |messages| {
        messages.iter().for_each(|message| seen.add(line_of(message)));
        async { OrderedConsumeStatus::Success }
    })
}

/// Says what the message's [`WISH`] says, and nothing at first of `later`; that is committed when it is asked for.
struct ByWish;

const WISH: &str = "wish";

impl TransactionListener for ByWish {
    async fn execute(&self, message: &Message) -> TransactionState {
        match message.properties.get(WISH) {
            Some("commit") => TransactionState::Commit,
            Some("rollback") => TransactionState::Rollback,
            _ => TransactionState::Unknown,
        }
    }

    async fn check(&self, message: &StoredMessage) -> TransactionState {
        // A broker may ask in the moment in which it is told.
        match message.message.properties.get(WISH) {
            Some("rollback") => TransactionState::Rollback,
            _ => TransactionState::Commit,
        }
    }
}

/// Sends the catalogue.
struct Sender {
    plain: Producer,
    transacting: TransactionProducer<ByWish>,
}

impl Sender {
    async fn start() -> Sender {
        let builder = TransactionProducer::builder().name_servers(name_servers()).group(fresh("transacting"));
        Sender { plain: producer().await, transacting: builder.build_transactional(ByWish).await.unwrap() }
    }

    async fn send(&self, topic: &str, items: &[Item]) {
        let mut batch = Vec::new();
        for item in items {
            let message = item.message(topic);
            match item.how.split_once(':').unwrap_or((item.how, "")) {
                ("batch", _) => batch.push(message),
                ("batch-end", _) => {
                    batch.push(message);
                    self.plain.send_batch(std::mem::take(&mut batch)).await.map(drop).unwrap();
                }
                ("zlib", _) => packed(message, Compression::Zlib).await,
                ("lz4", _) => packed(message, Compression::Lz4).await,
                ("zstd", _) => packed(message, Compression::Zstd).await,
                ("shard", key) => self.plain.send_by_key(message, key).await.map(drop).unwrap(),
                ("transaction", wish) => {
                    self.transacting.send(message.with_property(WISH, wish)).await.map(drop).unwrap();
                }
                _ => self.plain.send(message).await.map(drop).unwrap(),
            }
        }
    }

    async fn shutdown(self) {
        self.plain.shutdown().await;
        self.transacting.shutdown().await;
    }
}

async fn packed(message: Message, compression: Compression) {
    let builder = Producer::builder().name_servers(name_servers()).group(fresh("packing"));
    let producer = builder.compression(compression).build().await.unwrap();
    producer.send(message).await.unwrap();
    producer.shutdown().await;
}
