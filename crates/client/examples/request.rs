//! Asks and answers: `cargo run -p eruca-client --example request -- [name servers] [topic] [question]`.

use std::{env, time::Duration};

use eruca_client::{ConsumeStatus, Message, Producer, PushConsumer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "questions".to_owned());
    let question = args.next().unwrap_or_else(|| "how are you?".to_owned());

    let producer = Producer::builder().name_servers(&name_servers).group("example-request").build().await?;
    let replier = producer.clone();
    let consumer = PushConsumer::builder()
        .name_servers(&name_servers)
        .group("example-replier")
        .subscribe(&topic, "*")
        .on_messages(move |messages| {
            let replier = replier.clone();
            async move {
                for request in messages {
                    let question = String::from_utf8_lossy(&request.message.body).into_owned();
                    if let Err(error) =
                        replier.reply(&request, format!("\"{question}\" is a good question")).await
                    {
                        eprintln!("not replied: {error}");
                    }
                }
                ConsumeStatus::Success
            }
        })
        .start()
        .await?;

    let reply = producer.request(Message::new(&topic, question), Duration::from_secs(10)).await?;
    println!("{}", String::from_utf8_lossy(&reply.message.body));
    consumer.shutdown().await;
    producer.shutdown().await;
    Ok(())
}
