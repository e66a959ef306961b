//! Sends the steps of some orders, and consumes each order's steps one after the other, in their order, though one of
//! them fails at first: `cargo run -p eruca-client --example ordered -- [name servers] [topic]`.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use eruca_client::{ConsumeFrom, Message, OrderedConsumeStatus, Producer, PushConsumer};

const ORDERS: [&str; 3] = ["order 1", "order 2", "order 3"];
const STEPS: [&str; 3] = ["placed", "paid", "sent"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "order-steps".to_owned());

    let producer =
        Producer::builder().name_servers(&*name_servers).group("example-ordered-producer").build().await?;
    for step in STEPS {
        for order in ORDERS {
            // One key, one queue: there is order within a queue only.
            producer.send_by_key(Message::new(&topic, format!("{order}: {step}")), order).await?;
        }
    }

    let (consumed, has_failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let counter = Arc::clone(&consumed);
    let consumer = PushConsumer::builder()
        .name_servers(&*name_servers)
        .group("example-ordered-consumer")
        .subscribe(&topic, "*")
        .consume_from(ConsumeFrom::First)
        .call_batch(1)
        // A step that fails so often goes to the dead letter queue, and the others go on.
        .max_reconsume_times(5)
        .on_messages_in_order(move |messages| {
            let (consumed, has_failed) = (Arc::clone(&counter), Arc::clone(&has_failed));
            async move {
                for message in &messages {
                    let step = String::from_utf8_lossy(&message.message.body).into_owned();
                    if step == "order 2: paid" && !has_failed.swap(true, Ordering::Relaxed) {
                        println!("{step}: no answer from the bank, its queue waits");
                        return OrderedConsumeStatus::SuspendFor(Duration::from_millis(500));
                    }
                    println!("{step}");
                    consumed.fetch_add(1, Ordering::Relaxed);
                }
                OrderedConsumeStatus::Success
            }
        })
        .start()
        .await?;
    while consumed.load(Ordering::Relaxed) < ORDERS.len() * STEPS.len() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    consumer.shutdown().await;
    producer.shutdown().await;
    Ok(())
}
