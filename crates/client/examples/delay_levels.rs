//! Sends messages that are delivered after the delays of the levels 1 to 3 (1 s, 5 s, 10 s), as all versions of RocketMQ have them,
//! and receives them: `cargo run -p eruca-client --example delay_levels -- [name servers] [topic]`.
//!
//! To the millisecond, and to be taken back: `send_later.rs`.

use std::{env, time::Duration};

use eruca_client::{LitePullConsumer, Message, Producer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "reminders".to_owned());

    let producer = Producer::builder().name_servers(&name_servers).group("example-producer").build().await?;
    producer.send(Message::new(&topic, "at once")).await?;
    for level in 1..=3 {
        producer.send(Message::new(&topic, format!("level {level}")).with_delay_level(level)).await?;
    }

    let consumer = LitePullConsumer::builder()
        .name_servers(&name_servers)
        .group("example-reminded")
        .subscribe(&topic, "*")
        .consume_from(eruca_client::ConsumeFrom::First)
        .start()
        .await?;
    let mut left = 4;
    while left > 0 {
        for message in consumer.poll(Duration::from_secs(20)).await? {
            let after_ms = message.store_timestamp.0 - message.born_timestamp.0;
            println!("{}: after {after_ms} ms", String::from_utf8_lossy(&message.message.body));
            left -= 1;
        }
    }
    consumer.shutdown().await;
    producer.shutdown().await;
    Ok(())
}
