//! Retries and dead letters: a message that fails comes again after a delay, and when it came again too often it ends in the dead
//! letter topic of its group: `cargo run -p eruca-client --example retry -- [name servers] [topic]`.
//!
//! `eruca dlq list`, `redrive` and `purge` deal with dead letters.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use eruca_client::{
    CallError, ConsumeFrom, ConsumeStatus, Message, Producer, PullConsumer, PullError, PushConsumer,
};

const GROUP: &str = "example-cooks";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "dishes".to_owned());

    let producer = Producer::builder().name_servers(&name_servers).group("example-producer").build().await?;
    for dish in ["soup", "burnt toast", "cake"] {
        producer.send(Message::new(&topic, dish)).await?;
    }

    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let consumer = PushConsumer::builder()
        .name_servers(&name_servers)
        .group(GROUP)
        .subscribe(&topic, "*")
        .consume_from(ConsumeFrom::First)
        // 16 times is usual, with delays from 10 s to 2 h.
        .max_reconsume_times(2)
        .on_messages(move |messages| {
            let tries = counted.clone();
            async move {
                let dish = String::from_utf8_lossy(&messages[0].message.body).into_owned();
                println!("{dish}, try {}", messages[0].reconsume_times + 1);
                match dish.as_str() {
                    "burnt toast" => {
                        tries.fetch_add(1, Ordering::Relaxed);
                        // The delay of level 1, which is 1 s; `RetryLater` leaves it to the broker.
                        ConsumeStatus::RetryAtLevel(1)
                    }
                    _ => ConsumeStatus::Success,
                }
            }
        })
        .start()
        .await?;
    while tries.load(Ordering::Relaxed) < 3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let reader = PullConsumer::builder().name_servers(&name_servers).group("example-reader").start().await?;
    let dead_letters = format!("%DLQ%{GROUP}");
    let queues = loop {
        match reader.fetch_message_queues(&dead_letters).await {
            // It comes into being with the first dead letter.
            Err(PullError::Call(CallError::TopicUnknown { .. })) => {
                tokio::time::sleep(Duration::from_millis(50)).await
            }
            fetched => break fetched?,
        }
    };
    for queue in &queues {
        for message in reader.pull_waiting(queue, "*", 0, 32, Duration::from_secs(5)).await?.messages {
            println!("dead letter: {}", String::from_utf8_lossy(&message.message.body));
        }
    }
    reader.shutdown().await;
    consumer.shutdown().await;
    producer.shutdown().await;
    Ok(())
}
