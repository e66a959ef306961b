//! Lite topics: many small topics below one. The broker needs two keys, and they a parent topic and a group that is bound to it:
//!
//! ```text
//! eruca up --set enableLmq=true --set enableMultiDispatch=true
//! eruca admin updateTopic -n 127.0.0.1:9876 -b 127.0.0.1:10911 -t sessions -a +message.type=LITE
//! eruca admin updateSubGroup -n 127.0.0.1:9876 -b 127.0.0.1:10911 -g agents --attributes +lite.bind.topic=sessions
//! ```
//!
//! `cargo run -p eruca-client --example lite -- [name servers] [parent topic] [group]`

use std::{env, time::Duration};

use eruca_client::{LiteConsumer, LiteStart, Message, Producer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "sessions".to_owned());
    let group = args.next().unwrap_or_else(|| "agents".to_owned());

    let consumer =
        LiteConsumer::builder().name_servers(&name_servers).group(group).topic(&topic).build().await?;
    consumer.subscribe(["session-17", "session-18"], LiteStart::WhereItIs).await?;

    let producer = Producer::builder().name_servers(&name_servers).group("example-producer").build().await?;
    for step in 0..3 {
        for session in ["session-17", "session-18", "session-19"] {
            producer.send(Message::new(&topic, format!("step {step}")).with_lite_topic(session)).await?;
        }
    }
    let mut left = 6;
    while left > 0 {
        for message in consumer.pop(Duration::from_secs(5)).await? {
            let body = String::from_utf8_lossy(&message.stored.message.body);
            println!("{} number {}: {body}", message.lite_topic, message.offset);
            consumer.ack(&message).await?;
            left -= 1;
        }
    }
    consumer.shutdown().await;
    producer.shutdown().await;
    Ok(())
}
