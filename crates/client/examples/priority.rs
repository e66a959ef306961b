//! Sends messages with priorities, to a topic whose queues stand for them:
//!
//! ```text
//! eruca admin updateTopic -n 127.0.0.1:9876 -b 127.0.0.1:10911 -t alerts -r 8 -w 8 -a +message.type=PRIORITY
//! ```
//!
//! Consumers that pop get those with the highest priority first.
//!
//! `cargo run -p eruca-client --example priority -- [name servers] [topic]`

use std::env;

use eruca_client::{Message, Producer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "alerts".to_owned());

    let producer = Producer::builder().name_servers(name_servers).group("example-producer").build().await?;
    for (priority, body) in
        [(1, "the coffee is ready"), (7, "the kitchen is on fire"), (4, "the door is open")]
    {
        let sent = producer.send(Message::new(&topic, body).with_priority(priority)).await?;
        println!("priority {priority} is in queue {}", sent.queue.queue_id);
    }
    producer.shutdown().await;
    Ok(())
}
