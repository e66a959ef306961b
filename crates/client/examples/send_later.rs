//! Sends a message that is delivered later, and one that is taken back:
//! `cargo run -p eruca-client --example send_later -- [name servers] [topic] [seconds]`.
//!
//! To take back, the broker needs a key: `eruca up --set recallMessageEnable=true`.

use std::{env, time::Duration};

use eruca_client::{Message, Producer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "hello".to_owned());
    let delay = Duration::from_secs(args.next().map_or(Ok(5), |seconds| seconds.parse())?);

    let producer = Producer::builder().name_servers(name_servers).group("example-producer").build().await?;
    let sent = producer.send(Message::new(&topic, "here I am").with_delay(delay)).await?;
    println!("{} is delivered in {delay:?}", sent.message_id);
    let mistake = producer.send(Message::new(&topic, "never mind").with_delay(delay)).await?;
    let handle = mistake.recall_handle.ok_or("the broker gives no recall handles")?;
    println!("{} is taken back", producer.recall(&topic, &handle).await?);
    producer.shutdown().await;
    Ok(())
}
