//! Sends messages in transactions: `cargo run -p eruca-client --example transaction -- [name servers] [topic]`.

use std::{
    collections::HashSet,
    env,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eruca_client::{Message, StoredMessage, TransactionListener, TransactionProducer, TransactionState};

/// Stands for a database: the ids of orders that were written.
#[derive(Clone, Default)]
struct Orders(Arc<Mutex<HashSet<String>>>);

impl Orders {
    fn ids(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TransactionListener for Orders {
    async fn execute(&self, order: &Message) -> TransactionState {
        let id = order.properties.get("UNIQ_KEY").unwrap_or_default().to_owned();
        match order.tag() {
            Some("good") => {
                self.ids().insert(id);
                TransactionState::Commit
            }
            Some("bad") => TransactionState::Rollback,
            // As if this process had died in the middle: the broker asks.
            _ => {
                self.ids().insert(id);
                TransactionState::Unknown
            }
        }
    }

    async fn check(&self, order: &StoredMessage) -> TransactionState {
        println!("the broker asks for {}", order.message_id());
        match self.ids().contains(&order.message_id()) {
            true => TransactionState::Commit,
            false => TransactionState::Rollback,
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "orders".to_owned());

    let builder = TransactionProducer::builder().name_servers(name_servers).group("example-transaction");
    let producer = builder.build_transactional(Orders::default()).await?;
    for kind in ["good", "bad", "unsure"] {
        let sent = producer.send(Message::new(&topic, format!("a {kind} order")).with_tag(kind)).await?;
        println!("{kind}: {} is {:?}", sent.half.message_id, sent.state);
    }
    println!("waiting for the broker's question, for a minute");
    tokio::time::sleep(Duration::from_secs(60)).await;
    producer.shutdown().await;
    Ok(())
}
