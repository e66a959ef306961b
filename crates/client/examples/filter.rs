//! Prints the messages of which a condition on their properties is true, until Ctrl-C:
//! `cargo run -p eruca-client --example filter -- [name servers] [topic] [condition]`.

use std::env;

use eruca_client::{ConsumeFrom, ConsumeStatus, Filter, PushConsumer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "hello".to_owned());
    let condition = args.next().unwrap_or_else(|| "amount > 100 AND region IN ('north', 'south')".to_owned());

    // A condition that is wrong, or a broker without enablePropertyFilter, is an error here.
    let consumer = PushConsumer::builder()
        .name_servers(name_servers)
        .group("example-filter")
        .subscribe(topic, Filter::by_sql(condition))
        .consume_from(ConsumeFrom::First)
        .on_messages(|messages| async move {
            for message in messages {
                let properties: Vec<String> = message
                    .message
                    .properties
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                println!("{} {}", String::from_utf8_lossy(&message.message.body), properties.join(" "));
            }
            ConsumeStatus::Success
        })
        .start()
        .await?;
    tokio::signal::ctrl_c().await?;
    consumer.shutdown().await;
    Ok(())
}
