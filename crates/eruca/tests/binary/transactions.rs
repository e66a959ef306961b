//! Open transactions: listed by group, and one by one.

use eruca_client::{Message, StoredMessage, TransactionListener, TransactionProducer, TransactionState};

use crate::support::*;

/// Ends what is tagged `ends`, and says nothing of the rest.
struct ByTag;

impl TransactionListener for ByTag {
    async fn execute(&self, message: &Message) -> TransactionState {
        if message.tag() == Some("ends") { TransactionState::Commit } else { TransactionState::Unknown }
    }

    async fn check(&self, _: &StoredMessage) -> TransactionState {
        TransactionState::Unknown
    }
}

#[test]
fn open_transactions_are_listed() {
    let up = Up::ephemeral(|_| {});
    let transactions = |words: &[&str]| {
        let mut all = vec!["transactions"];
        all.extend_from_slice(words);
        all.extend_from_slice(&["-n", &up.namesrv]);
        run_ok(&all)
    };
    assert_eq!(transactions(&[]), "no transaction is open\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let builder = TransactionProducer::builder().name_servers(&*up.namesrv).group("transacting");
        let producer = builder.build_transactional(ByTag).await.unwrap();
        for tag in ["ends", "stays", "stays"] {
            let message = Message::new("orders", format!("this one {tag}")).with_tag(tag).with_keys("k1");
            producer.send(message).await.unwrap();
        }
        producer.shutdown().await;
    });
    assert_eq!(up.consume("orders", 1), ["this one ends"]);

    let overview = transactions(&[]);
    let row: Vec<&str> = overview.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["transacting", "orders", "2", "0"]);
    let messages = transactions(&["-g", "transacting", "--limit", "1"]);
    assert!(messages.contains("keys k1  0 checks  \"this one stays\""), "{messages}");
    assert!(messages.contains("and 1 more: --limit 2 shows all"), "{messages}");
    assert_eq!(transactions(&["-g", "other"]), "group other has no open transaction\n");

    let id = messages.split("offset id ").nth(1).unwrap().split(' ').next().unwrap();
    let resumed = transactions(&["--resume", id, "-b", &up.broker]);
    assert_eq!(resumed, format!("the transaction of {id} will be checked again\n"));
    let refused = run_fails(&["transactions", "--resume", "nonsense", "-n", &up.namesrv]);
    assert!(refused.contains("is not an offset message id"), "{refused}");
}
