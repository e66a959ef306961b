//! The client beside the Java client, on one cluster: what the one sends, the other receives.
//!
//! ```text
//! NAMESRV_ADDR=127.0.0.1:9876 JAVA_PEER=… cargo test -p eruca-client --test java_peer -- --ignored
//! ```
//!
//! `JAVA_PEER` is a program that runs `interop.Peer` of `interop/java`; `interop/run rust` makes one. The broker must have `enablePropertyFilter` on.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{cell::Cell, collections::BTreeSet};

use eruca_client::{
    Compression, ConsumeStatus, Filter, Message, OrderedConsumeStatus, Producer, PushConsumerBuilder,
    StoredMessage, TransactionListener, TransactionProducer, TransactionState,
};
use eruca_protocol::body::MessageRequestMode;

mod catalogue;
#[path = "../cluster/kills.rs"]
mod kills;
mod kinds;
mod peer;
#[path = "../cluster/support.rs"]
mod support;

use catalogue::{Item, line_of};
use peer::Peer;
use support::*;

/// Notes messages as the peer prints them.
fn listing(builder: PushConsumerBuilder, seen: &Seen) -> PushConsumerBuilder {
    let seen = seen.clone();
    builder.on_messages(move |messages| {
        messages.iter().for_each(|message| seen.add(line_of(message)));
        async { ConsumeStatus::Success }
    })
}

/// The body of a message that was printed.
fn body_of(line: &str) -> &str {
    line.rsplit('\t').next().unwrap_or_default()
}

async fn created(topic: &str) {
    // Consumers of a topic that does not exist would wait half a minute for their first look at it.
    sent_by(&producer().await, Message::new(topic, "first").with_tag("first")).await;
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
    let java = Peer::start(&["send", &name_servers()]);
    for (number, item) in items.iter().enumerate() {
        java.tell(&item.order(&topic));
        assert_eq!(java.line(number).await, format!("sent {}", item.how));
    }
    let mut expected = catalogue::delivered(&items);
    expected.insert("message\tfirst\t\t\t5\tfirst".into());
    all.reaches(&expected).await;
    some.reaches(&catalogue::delivered_by_sql(&items)).await;
    times(expected.len(), all.all().len(), "each once");
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
    times(expected.len(), all.messages().len(), "each once");
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
        let queues = retried!(producer.publish_queues(&topic));
        let have = |lines: &[String], body: &str| lines.iter().any(|line| body_of(line) == body);
        let round = Cell::new(0);
        let is_shared = async || {
            round.set(round.get() + 1);
            let bodies: Vec<String> =
                (0..queues.len()).map(|queue| format!("round {} queue {queue}", round.get())).collect();
            for (queue, body) in queues.iter().zip(&bodies) {
                retried!(producer.send_to_queue(Message::new(&topic, body.clone()), queue));
            }
            let count = |lines: Vec<String>| bodies.iter().filter(|body| have(&lines, body)).count();
            until("the round is received", async || {
                count([seen.all(), java.messages()].concat()) == queues.len()
            })
            .await;
            count(seen.all()) == queues.len() / 2 && count(java.messages()) == queues.len() / 2
        };
        until("the queues are shared evenly", is_shared).await;

        for number in 0..200 {
            let queue = &queues[number % queues.len()];
            retried!(producer.send_to_queue(Message::new(&topic, format!("{number:03}")), queue));
        }
        let numbers = |lines: Vec<String>| -> Vec<usize> {
            lines.iter().filter_map(|line| body_of(line).parse().ok()).collect()
        };
        let together = || -> BTreeSet<usize> {
            [numbers(seen.all()), numbers(java.messages())].concat().into_iter().collect()
        };
        until("all are received", async || together().len() == 200).await;
        let (here, there) = (numbers(seen.all()), numbers(java.messages()));
        if !kills::are_on() {
            // A broker that was killed does not know its members for a moment, and gives their queues to each other.
            assert_eq!((here.len(), there.len()), (100, 100), "half of the queues each, each message once");
        }
        if ordered {
            for queue in 0..queues.len() {
                let of_queue = |all: &[usize]| -> Vec<usize> {
                    let mut known = BTreeSet::new();
                    let first = |number: &usize| *number % queues.len() == queue && known.insert(*number);
                    all.iter().copied().filter(first).collect()
                };
                assert!(of_queue(&here).is_sorted() && of_queue(&there).is_sorted(), "in order");
            }
        }

        // Who leaves hands over.
        java.end().await;
        let bodies: Vec<String> = (0..queues.len()).map(|queue| format!("alone {queue}")).collect();
        for (queue, body) in queues.iter().zip(&bodies) {
            retried!(producer.send_to_queue(Message::new(&topic, body.clone()), queue));
        }
        until("the one that is left receives all", async || {
            bodies.iter().all(|body| have(&seen.all(), body))
        })
        .await;
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
            sent_by(&producer, Message::new(&topic, format!("{:04}", sent.get()))).await;
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
        lines.iter().map(|line| body_of(line).to_owned()).collect()
    };
    let together = || &bodies(seen.all()) | &bodies(java.messages());
    let is_all = within_patience(async || together() == expected).await;
    assert!(is_all, "missing: {:?}", &expected - &together());

    set_mode(&topic, &group, MessageRequestMode::Pop).await;
    until("it pops again", async || ids() == [-1]).await;
    java.end().await;
    let before = seen.all().len();
    for _ in 0..20 {
        sent_by(&producer, Message::new(&topic, "alone")).await;
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
    let asking = Peer::start(&["ask", &name_servers(), &topic]);
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
        let answer = retried!(asker.request(Message::new(&topic, question.clone()), PATIENCE));
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
                    let whole = std::mem::take(&mut batch);
                    retried!(self.plain.send_batch(whole.clone()));
                }
                ("zlib", _) => packed(message, Compression::Zlib).await,
                ("lz4", _) => packed(message, Compression::Lz4).await,
                ("zstd", _) => packed(message, Compression::Zstd).await,
                ("shard", key) => drop(retried!(self.plain.send_by_key(message.clone(), key))),
                ("transaction", wish) => {
                    let message = message.with_property(WISH, wish);
                    retried!(self.transacting.send(message.clone()));
                }
                _ => drop(sent_by(&self.plain, message).await),
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
    sent_by(&producer, message).await;
    producer.shutdown().await;
}
