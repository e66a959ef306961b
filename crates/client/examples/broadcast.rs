//! Broadcasting: every member of the group gets every message, and keeps its own offsets in a file:
//! `cargo run -p eruca-client --example broadcast -- [name servers] [topic]`.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use eruca_client::{ConsumeFrom, ConsumeStatus, Message, Producer, PushConsumer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "price-list".to_owned());

    let producer = Producer::builder().name_servers(&name_servers).group("example-producer").build().await?;
    for price in ["bread 3", "cake 4"] {
        producer.send(Message::new(&topic, price)).await?;
    }

    let (mut members, received) = (Vec::new(), Arc::new(AtomicUsize::new(0)));
    for shop in ["shop-1", "shop-2"] {
        let counted = received.clone();
        let member = PushConsumer::builder()
            .name_servers(&name_servers)
            .group("example-shops")
            .subscribe(&topic, "*")
            .consume_from(ConsumeFrom::First)
            .broadcasting()
            // Members on one host need names, the same after a restart; by default they share `~/.rocketmq_offsets`.
            .instance_name(shop)
            .offsets_dir(env::temp_dir().join("eruca-example-offsets"))
            .on_messages(move |messages| {
                for message in &messages {
                    println!("{shop}: {}", String::from_utf8_lossy(&message.message.body));
                }
                counted.fetch_add(messages.len(), Ordering::Relaxed);
                async { ConsumeStatus::Success }
            });
        members.push(member.start().await?);
    }
    while received.load(Ordering::Relaxed) < 4 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for member in members {
        member.shutdown().await;
    }
    producer.shutdown().await;
    Ok(())
}
