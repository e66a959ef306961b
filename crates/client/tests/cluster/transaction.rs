//! Transactions: ends, and the broker's questions.

use eruca_client::{StoredMessage, TransactionListener, TransactionProducer, TransactionState};

use super::*;

/// Says what the tag says, and nothing at first of what is tagged `later`.
#[derive(Clone, Default)]
struct ByTag {
    asked: Seen,
}

impl TransactionListener for ByTag {
    async fn execute(&self, message: &Message) -> TransactionState {
        match message.tag() {
            Some("commit") => TransactionState::Commit,
            Some("rollback") => TransactionState::Rollback,
            _ => TransactionState::Unknown,
        }
    }

    async fn check(&self, message: &StoredMessage) -> TransactionState {
        self.asked.add(text(message));
        // A broker may ask in the moment in which it is told.
        match message.message.tag() {
            Some("rollback") => TransactionState::Rollback,
            _ => TransactionState::Commit,
        }
    }
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn what_is_committed_is_delivered_and_what_is_not_said_is_asked_for() {
    let (topic, listener) = (fresh("transaction"), ByTag::default());
    sent_by(&producer().await, Message::new(&topic, "plain")).await;
    let builder = TransactionProducer::builder().name_servers(name_servers()).group(fresh("transacting"));
    let producer = builder.build_transactional(listener.clone()).await.unwrap();
    let seen = Seen::default();
    let consumer = consumer(&fresh("group"), &topic)
        .on_messages({
            let seen = seen.clone();
            move |messages| {
                messages.iter().for_each(|message| seen.add(text(message)));
                async { ConsumeStatus::Success }
            }
        })
        .start()
        .await
        .unwrap();
    for tag in ["commit", "rollback", "later"] {
        let sent = retried!(producer.send(Message::new(&topic, tag).with_tag(tag)));
        assert_eq!(sent.half.transaction_id.as_ref(), Some(&sent.half.message_id));
    }
    let expected = BTreeSet::from(["plain", "commit", "later"].map(str::to_owned));
    until("all that is committed is delivered", async || seen.set() == expected).await;
    assert!(listener.asked.set().contains("later"));
    times(3, seen.all().len(), "each once");
    consumer.shutdown().await;
    producer.shutdown().await;
}
