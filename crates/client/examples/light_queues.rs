//! Light message queues: a message is stored once and is in several queues, of which there may be very many. The broker needs
//! two keys: `eruca up --set enableLmq=true --set enableMultiDispatch=true`.
//!
//! `cargo run -p eruca-client --example light_queues -- [name servers] [topic]`

use std::{env, time::Duration};

use eruca_client::{ConsumeFrom, LitePullConsumer, Message, MessageQueue, Producer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "rooms".to_owned());

    let producer = Producer::builder().name_servers(&name_servers).group("example-producer").build().await?;
    for (rooms, body) in [
        (vec!["kitchen"], "the coffee is ready"),
        (vec!["kitchen", "office"], "there is cake"),
        (vec!["office"], "the printer is out of paper"),
    ] {
        producer.send(Message::new(&topic, body).with_light_queues(rooms)).await?;
    }

    let builder = LitePullConsumer::builder().name_servers(&name_servers).group("example-office");
    let consumer = builder.consume_from(ConsumeFrom::First).start().await?;
    // The topic's queues tell which brokers have light ones of that name.
    let brokers = consumer.fetch_message_queues(&topic).await?.into_iter().map(|queue| queue.broker_name);
    consumer.assign(brokers.map(|broker| MessageQueue::light("office", broker))).await?;
    loop {
        let messages = consumer.poll(Duration::from_secs(2)).await?;
        if messages.is_empty() {
            break;
        }
        for message in messages {
            println!("office: {}", String::from_utf8_lossy(&message.message.body));
        }
    }
    consumer.shutdown().await;
    producer.shutdown().await;
    Ok(())
}
