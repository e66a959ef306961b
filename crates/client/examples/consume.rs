//! Prints messages as they come, until Ctrl-C: `cargo run -p eruca-client --example consume -- [name servers] [topic]`.

use std::env;

use eruca_client::{ConsumeFrom, ConsumeStatus, PushConsumer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "hello".to_owned());

    let consumer = PushConsumer::builder()
        .name_servers(name_servers)
        .group("example-consumer")
        .subscribe(topic, "*")
        .consume_from(ConsumeFrom::First)
        .on_messages(|messages| async move {
            for message in messages {
                let body = String::from_utf8_lossy(&message.message.body);
                println!(
                    "{} queue {} offset {}: {body}",
                    message.message_id(),
                    message.queue_id,
                    message.queue_offset
                );
            }
            ConsumeStatus::Success
        })
        .start()
        .await?;
    tokio::signal::ctrl_c().await?;
    consumer.shutdown().await;
    Ok(())
}
