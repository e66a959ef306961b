//! Takes jobs and acknowledges each by itself; one whose body begins with "later" is put off for three seconds. Start it
//! several times: they share the jobs. `cargo run -p eruca-client --example pop -- [name servers] [topic]`.

use std::{env, time::Duration};

use eruca_client::{ConsumeFrom, PopConsumer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let name_servers = args.next().unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let topic = args.next().unwrap_or_else(|| "hello".to_owned());

    let consumer = PopConsumer::builder()
        .name_servers(name_servers)
        .group("example-workers")
        .subscribe(topic, "*")
        .consume_from(ConsumeFrom::First)
        .invisible_time(Duration::from_secs(30))
        .start()
        .await?;
    loop {
        let messages = consumer.pop(Duration::from_secs(5)).await?;
        if messages.is_empty() {
            break;
        }
        for mut message in messages {
            let body = String::from_utf8_lossy(&message.stored.message.body).into_owned();
            if body.starts_with("later") && message.attempt() == 1 {
                consumer.change_invisible_time(&mut message, Duration::from_secs(3)).await?;
                continue;
            }
            println!("attempt {}: {body}", message.attempt());
            consumer.ack(&message).await?;
        }
    }
    consumer.shutdown().await;
    Ok(())
}
