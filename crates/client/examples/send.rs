//! Sends messages: `cargo run -p eruca-client --example send -- [name servers] [topic] [how many]`.

use std::env;

use eruca_client::{Message, Producer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "hello".to_owned());
    let count: usize = args.next().map_or(Ok(10), |count| count.parse())?;

    let producer = Producer::builder().name_servers(name_servers).group("example-producer").build().await?;
    for number in 0..count {
        let message = Message::new(&topic, format!("message {number}")).with_keys(format!("key-{number}"));
        let sent = producer.send(message).await?;
        println!("{} is number {} of {}", sent.message_id, sent.queue_offset, sent.queue);
    }
    producer.shutdown().await;
    Ok(())
}
