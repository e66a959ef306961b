//! A push consumer that its brokers tell whether to pull or to pop, until Ctrl-C:
//! `cargo run -p eruca-client --example assigned -- [name servers] [topic] [group]`.
//!
//! Switch it while it runs: `eruca admin setConsumeMode -n NAMESRV -c CLUSTER -t TOPIC -g GROUP -m POP`.

use std::{env, time::Duration};

use eruca_client::{ConsumeFrom, ConsumeStatus, PushConsumer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "hello".to_owned());
    let group = args.next().unwrap_or_else(|| "example-assigned".to_owned());

    let consumer = PushConsumer::builder()
        .name_servers(name_servers)
        .group(group)
        .subscribe(topic, "*")
        .consume_from(ConsumeFrom::First)
        .assigned_by_broker()
        .pop_invisible_time(Duration::from_secs(30))
        .on_messages(|messages| async move {
            for message in messages {
                // A popped message says by which handle it is acknowledged.
                let how =
                    if message.message.properties.get("POP_CK").is_some() { "popped" } else { "pulled" };
                println!(
                    "{how}, try {}: {}",
                    message.reconsume_times + 1,
                    String::from_utf8_lossy(&message.message.body)
                );
            }
            ConsumeStatus::Success
        })
        .start()
        .await?;
    let mut queues = Vec::new();
    let telling = async {
        loop {
            if queues != consumer.queues() {
                queues = consumer.queues();
                queues.iter().for_each(|queue| println!("has {queue}"));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = telling => {}
        stop = tokio::signal::ctrl_c() => stop?,
    }
    consumer.shutdown().await;
    Ok(())
}
