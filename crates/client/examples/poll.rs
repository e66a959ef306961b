//! Asks for messages, and stops when none came for five seconds:
//! `cargo run -p eruca-client --example poll -- [name servers] [topic]`.

use std::{env, time::Duration};

use eruca_client::{ConsumeFrom, LitePullConsumer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "hello".to_owned());

    let consumer = LitePullConsumer::builder()
        .name_servers(name_servers)
        .group("example-poller")
        .subscribe(topic, "*")
        .consume_from(ConsumeFrom::First)
        .start()
        .await?;
    loop {
        let messages = consumer.poll(Duration::from_secs(5)).await?;
        if messages.is_empty() {
            break;
        }
        for message in messages {
            let body = String::from_utf8_lossy(&message.message.body);
            println!("queue {} offset {}: {body}", message.queue_id, message.queue_offset);
        }
    }
    consumer.shutdown().await;
    Ok(())
}
