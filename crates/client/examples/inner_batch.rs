//! Inner batches: a topic with batch queues keeps a batch as one record with one queue entry, which costs less. It is made by
//!
//! ```text
//! eruca admin updateTopic -n 127.0.0.1:9876 -b 127.0.0.1:10911 -t readings -r 1 -w 1 -a +queue.type=BatchCQ
//! ```
//!
//! Producers and consumers notice nothing: `cargo run -p eruca-client --example inner_batch -- [name servers] [topic] [how many]`.

use std::{env, time::Duration};

use eruca_client::{Message, Producer, PullConsumer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "readings".to_owned());
    let count: usize = args.next().map_or(Ok(10), |count| count.parse())?;

    let producer = Producer::builder().name_servers(&name_servers).group("example-producer").build().await?;
    let batch = (0..count).map(|number| Message::new(&topic, format!("reading {number}"))).collect();
    let sent = producer.send_batch(batch).await?;
    println!("{count} messages from number {} of {}", sent.queue_offset, sent.queue);

    // Each message has a number of its own, and may be pulled from the middle of its batch.
    let consumer =
        PullConsumer::builder().name_servers(&name_servers).group("example-readers").start().await?;
    let middle = sent.queue_offset + i64::try_from(count / 2)?;
    let pulled = consumer.pull_waiting(&sent.queue, "*", middle, 32, Duration::from_secs(5)).await?;
    for message in &pulled.messages {
        println!("number {}: {}", message.queue_offset, String::from_utf8_lossy(&message.message.body));
    }
    consumer.shutdown().await;
    producer.shutdown().await;
    Ok(())
}
