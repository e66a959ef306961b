//! Idempotent sends: within ten minutes the same message is not stored a second time, in a topic that is made by
//!
//! ```text
//! eruca admin updateTopic -n 127.0.0.1:9876 -b 127.0.0.1:10911 -t payments -a +idempotent.window.seconds=600
//! ```
//!
//! `cargo run -p eruca-client --example idempotent -- [name servers] [topic]`

use std::env;

use eruca_client::{Message, Producer};

/// A message's own id. Clients give one to each message; who writes it himself can send the message again in another process.
const UNIQUE_ID: &str = "UNIQ_KEY";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "payments".to_owned());

    let producer = Producer::builder().name_servers(name_servers).group("example-producer").build().await?;
    let payment = Message::new(&topic, "5 to the baker").with_property(UNIQUE_ID, "PAYMENT-4711-BAKER");
    let first = producer.send(payment.clone()).await?;
    println!("stored as number {} of {}", first.queue_offset, first.queue);
    // As after a restart of the program, which does not know whether the send before it was answered.
    let again = producer.send(payment).await?;
    let is_same = (&again.queue, again.queue_offset) == (&first.queue, first.queue_offset);
    println!("sent again: {}", if is_same { "the first one stands for it" } else { "stored a second time" });
    // The same id with another body is another message.
    let other = Message::new(&topic, "7 to the baker").with_property(UNIQUE_ID, "PAYMENT-4711-BAKER");
    let other = producer.send(other).await?;
    println!("another one is number {} of {}", other.queue_offset, other.queue);
    producer.shutdown().await;
    Ok(())
}
