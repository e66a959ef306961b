//! Sends many small messages in one request, and a large one compressed:
//! `cargo run -p eruca-client --example batch -- [name servers] [topic] [how many]`.

use std::env;

use eruca_client::{Compression, Message, Producer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "hello".to_owned());
    let count: usize = args.next().map_or(Ok(100), |count| count.parse())?;

    let producer = Producer::builder()
        .name_servers(name_servers)
        .group("example-batch-producer")
        // Zlib is the default, which clients of every age read.
        .compression(Compression::Zstd)
        .compress_over_bytes(1024)
        .build()
        .await?;
    // All of one topic and one queue, together no larger than one message may be.
    let batch = (0..count).map(|number| Message::new(&topic, format!("message {number}"))).collect();
    let sent = producer.send_batch(batch).await?;
    println!("{count} messages from number {} of {}", sent.queue_offset, sent.queue);

    let large = "the same again and again, ".repeat(10_000);
    let (len, sent) = (large.len(), producer.send(Message::new(&topic, large)).await?);
    println!("{len} bytes, compressed, are number {} of {}", sent.queue_offset, sent.queue);
    producer.shutdown().await;
    Ok(())
}
