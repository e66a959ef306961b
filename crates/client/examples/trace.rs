//! Sends and receives a traced message, and says how to see what was traced:
//! `cargo run -p eruca-client --example trace -- [name servers] [topic]`.

use std::env;

use eruca_client::{ConsumeFrom, ConsumeStatus, Message, Producer, PushConsumer};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "hello".to_owned());

    let builder = Producer::builder().name_servers(&name_servers).group("example-producer");
    let producer = builder.trace(true).build().await?;
    let sent = producer.send(Message::new(&topic, "traced")).await?;

    let (came, mut coming) = mpsc::unbounded_channel();
    let consumer = PushConsumer::builder()
        .name_servers(&name_servers)
        .group("example-consumer")
        .subscribe(&topic, "*")
        .consume_from(ConsumeFrom::First)
        .trace(true)
        .on_messages(move |messages| {
            // The receiver is gone when the message that it waits for has come.
            messages.iter().for_each(|message| drop(came.send(message.message_id())));
            async { ConsumeStatus::Success }
        })
        .start()
        .await?;
    while coming.recv().await.is_some_and(|id| id != sent.message_id) {}

    // What is left is sent now.
    consumer.shutdown().await;
    producer.shutdown().await;
    println!("eruca admin queryMsgTraceById -n {name_servers} -i {}", sent.message_id);
    Ok(())
}
