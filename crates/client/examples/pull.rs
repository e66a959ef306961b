//! Pulls what there is in a topic, queue by queue, goes on where the group was the last time, and commits by hand:
//! `cargo run -p eruca-client --example pull -- [name servers] [topic] [tags]`.

use std::{env, time::Duration};

use eruca_client::{PullConsumer, PullStatus};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "hello".to_owned());
    let tags = args.next().unwrap_or_else(|| "*".to_owned());

    let consumer =
        PullConsumer::builder().name_servers(name_servers).group("example-auditors").start().await?;
    for queue in consumer.fetch_message_queues(&topic).await? {
        let mut offset = match consumer.committed(&queue).await? {
            Some(offset) => offset,
            None => consumer.min_offset(&queue).await?,
        };
        loop {
            let pulled = consumer.pull_waiting(&queue, &*tags, offset, 32, Duration::from_secs(1)).await?;
            for message in &pulled.messages {
                let body = String::from_utf8_lossy(&message.message.body);
                println!("{queue} number {}: {body}", message.queue_offset);
            }
            offset = pulled.next_begin_offset;
            if pulled.status == PullStatus::NoNewMessage {
                break;
            }
        }
        consumer.commit(&queue, offset).await?;
    }
    consumer.shutdown().await;
    Ok(())
}
