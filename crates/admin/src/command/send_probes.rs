//! `sendMsgStatus`, `checkMsgSendRT` and `clusterRT`: send messages and say how long it took.

use std::time::{Duration, Instant};

use eruca_client::{Message, Producer};
use eruca_message::MessageQueue;

use super::{Call, Command};
use crate::{CommandError, message_text, option::Opt, session, table, time_text::LocalTime};

pub(super) static STATUS: Command = Command {
    name: "sendMsgStatus",
    about: "Send msg to broker.",
    options: &[
        Opt::required(
            "b",
            "brokerName",
            "Broker Name e.g. clusterName_brokerName as DefaultCluster_broker-a",
        ),
        Opt::value("s", "messageSize", "Message Size, Default: 128"),
        Opt::value("c", "count", "send message count, Default: 50"),
    ],
    run: |call| Box::pin(status(call)),
};

pub(super) static TOPIC_TIME: Command = Command {
    name: "checkMsgSendRT",
    about: "Check message send response time.",
    options: &[
        Opt::required("t", "topic", "topic name"),
        Opt::value("a", "amount", "message amount | default 100"),
        Opt::value("s", "size", "message size | default 128 Byte"),
    ],
    run: |call| Box::pin(topic_time(call)),
};

pub(super) static CLUSTER_TIME: Command = Command {
    name: "clusterRT",
    about: "List All clusters Message Send RT.",
    options: &[
        Opt::value("a", "amount", "message amount | default 100"),
        Opt::value("s", "size", "message size | default 128 Byte"),
        Opt::value("c", "cluster", "cluster name | default display all cluster"),
        Opt::value("p", "print log", "print as tlog | default false"),
        Opt::value("m", "machine room", "machine room name | default noname"),
        Opt::value("i", "interval", "print interval | default 10 seconds"),
    ],
    run: |call| Box::pin(cluster_time(call)),
};

const DEFAULT_SIZE_BYTES: usize = 128;
/// Largest body, as brokers have it by default.
const SIZE_MAX_BYTES: usize = 4 * 1024 * 1024;
const DEFAULT_AMOUNT: u32 = 100;
const DEFAULT_INTERVAL_S: u64 = 10;

fn body(call: &Call<'_>) -> Result<Vec<u8>, CommandError> {
    let expected = "a number of bytes from 1 to 4194304";
    let size = call.arguments.parsed("s", expected)?.unwrap_or(DEFAULT_SIZE_BYTES);
    if !(1..=SIZE_MAX_BYTES).contains(&size) {
        return Err(call.arguments.invalid("s", expected).into());
    }
    Ok(vec![b'a'; size])
}

async fn status(call: &mut Call<'_>) -> Result<(), CommandError> {
    let count = call.arguments.parsed("c", "a number of messages")?.unwrap_or(50u32);
    let body = body(call)?;
    let producer = session::producer(call, false).await?;
    let outcome = send_and_print(call, &producer, &body, count).await;
    producer.shutdown().await;
    outcome
}

async fn send_and_print(
    call: &mut Call<'_>,
    producer: &Producer,
    body: &[u8],
    count: u32,
) -> Result<(), CommandError> {
    // Every broker has a topic of its own name, for this.
    let topic = call.arguments.required("b");
    producer.send(Message::new(topic, vec![b'a'; 16])).await?;
    for _ in 0..count {
        let begin = Instant::now();
        let sent = producer.send(Message::new(topic, body)).await?;
        let ms = begin.elapsed().as_millis();
        writeln!(call.out, "rt={ms}ms, SendResult={}", message_text::send_result(&sent))?;
    }
    Ok(())
}

/// The mean of all times but the first, which includes connecting.
#[derive(Default)]
struct MeanTime {
    first_is_past: bool,
    sum_ms: u128,
}

impl MeanTime {
    fn add(&mut self, elapsed: Duration) {
        if self.first_is_past {
            self.sum_ms += elapsed.as_millis();
        }
        self.first_is_past = true;
    }

    fn of(&self, amount: u32) -> f64 {
        self.sum_ms as f64 / f64::from(amount.saturating_sub(1).max(1))
    }
}

async fn topic_time(call: &mut Call<'_>) -> Result<(), CommandError> {
    let amount = call.arguments.parsed("a", "a number of messages")?.unwrap_or(DEFAULT_AMOUNT);
    let body = body(call)?;
    let producer = session::producer(call, false).await?;
    let outcome = send_in_turn(call, &producer, &body, amount).await;
    producer.shutdown().await;
    outcome
}

/// One message to each queue in turn.
async fn send_in_turn(
    call: &mut Call<'_>,
    producer: &Producer,
    body: &[u8],
    amount: u32,
) -> Result<(), CommandError> {
    let topic = call.arguments.required("t");
    let queues = producer.publish_queues(topic).await?;
    writeln!(call.out, "{:<32}  {:<4}  {:<20}    #RT", "#Broker Name", "#QID", "#Send Result")?;
    let mut mean = MeanTime::default();
    for queue in queues.iter().cycle().take(amount as usize) {
        let begin = Instant::now();
        let is_sent = producer.send_to_queue(Message::new(topic, body), queue).await.is_ok();
        let elapsed = begin.elapsed();
        mean.add(elapsed);
        let MessageQueue { broker_name, queue_id, .. } = queue;
        writeln!(call.out, "{broker_name:<32}  {queue_id:<4}  {is_sent:<20}    {}", elapsed.as_millis())?;
    }
    writeln!(call.out, "Avg RT: {}", table::fixed(mean.of(amount), 2))?;
    Ok(())
}

async fn cluster_time(call: &mut Call<'_>) -> Result<(), CommandError> {
    let producer = session::producer(call, false).await?;
    let outcome = probe_clusters(call, &producer).await;
    producer.shutdown().await;
    outcome
}

/// Again and again, until the program is stopped.
async fn probe_clusters(call: &mut Call<'_>, producer: &Producer) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let amount = arguments.parsed("a", "a number of messages")?.unwrap_or(DEFAULT_AMOUNT);
    let interval = arguments.parsed("i", "a number of seconds")?.unwrap_or(DEFAULT_INTERVAL_S);
    let as_log = arguments.boolean("p").unwrap_or(false);
    let room = arguments.value("m").unwrap_or("noname");
    let body = body(call)?;
    let info = call.admin.examine_broker_cluster_info().await?;
    let only = arguments.value("c");
    if let Some(cluster) = only.filter(|cluster| !info.cluster_addr_table.contains_key(*cluster)) {
        return Err(CommandError::Refused(format!("cluster '{cluster}' is not known to the name server")));
    }
    if !as_log {
        writeln!(
            call.out,
            "{:<24}  {:<24}  {:<4}  {:<8}  {:<8}",
            "#Cluster Name", "#Broker Name", "#RT", "#successCount", "#failCount"
        )?;
    }
    loop {
        for (cluster, broker_names) in &info.cluster_addr_table {
            if only.is_some_and(|only| only != cluster) {
                continue;
            }
            for broker_name in broker_names {
                let (mean_ms, sent) = probe(producer, broker_name, &body, amount).await;
                if as_log {
                    // The log's times are those of China, wherever the tool runs.
                    let now = LocalTime::of_china().to_seconds(call.world.now());
                    writeln!(call.out, "{now}|{room}|{cluster}|{broker_name}|{}", table::fixed(mean_ms, 0))?;
                } else {
                    let failed = amount - sent;
                    let mean = table::fixed(mean_ms, 2);
                    writeln!(
                        call.out,
                        "{cluster:<24}  {broker_name:<24}  {mean:<8}  {sent:<16}  {failed:<16}"
                    )?;
                }
            }
        }
        call.out.flush()?;
        tokio::time::sleep(Duration::from_secs(interval)).await;
    }
}

/// Mean time in milliseconds, and how many messages were sent.
async fn probe(producer: &Producer, broker_name: &str, body: &[u8], amount: u32) -> (f64, u32) {
    let (mut mean, mut sent) = (MeanTime::default(), 0);
    for _ in 0..amount {
        let begin = Instant::now();
        sent += u32::from(producer.send(Message::new(broker_name, body)).await.is_ok());
        mean.add(begin.elapsed());
    }
    (mean.of(amount), sent)
}
