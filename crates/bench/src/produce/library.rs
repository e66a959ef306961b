//! The load through the client library: what an application of it would see.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use eruca_client::{Message, Producer, SendStatus};
use eruca_protocol::ResponseCode;
use tokio::task::JoinSet;

use crate::{
    args::{MessageArgs, ProduceArgs},
    destination::Destination,
    error::BenchError,
    failures::Kind,
    meter::{Counts, Meter},
    plan::{Plan, Schedule},
    precise_sleep::PreciseSleep,
    send_frames::{PRODUCER_GROUP, payload},
    watch::{Measured, Watch},
};

/// What all senders have in common.
struct Shared {
    topics: Vec<String>,
    message: MessageArgs,
    body: Vec<u8>,
    batch: u32,
    requests_per_second: Option<f64>,
    /// Requests taken by all senders together.
    taken: AtomicU64,
    plan: Arc<Plan>,
    meter: Arc<Meter>,
    started: Instant,
}

/// Runs the load: each connection is a producer, each request under way a task.
pub(crate) async fn run(
    args: &ProduceArgs,
    destination: &Destination,
    plan: Arc<Plan>,
    meter: Arc<Meter>,
) -> Result<Measured, BenchError> {
    let mut producers = Vec::new();
    for _ in 0..args.connections {
        let builder = Producer::builder().name_servers(&args.destination.namesrv).group(PRODUCER_GROUP);
        producers.push(builder.retries(0).compress_over_bytes(usize::MAX).build().await?);
    }
    let shared = Arc::new(Shared {
        topics: destination.topics.clone(),
        message: args.message.clone(),
        body: payload(args.message.size as usize),
        batch: args.batch,
        requests_per_second: args.rate.map(|rate| rate / f64::from(args.batch)),
        taken: AtomicU64::new(0),
        plan: plan.clone(),
        meter: meter.clone(),
        started: Instant::now(),
    });
    let watch = Watch::new(&args.output, meter, plan, shared.started)?;
    let mut senders = JoinSet::new();
    for producer in &producers {
        for _ in 0..args.outstanding {
            senders.spawn(send_all(shared.clone(), producer.clone()));
        }
    }
    let measured = watch.run(async { while senders.join_next().await.is_some() {} }).await;
    for producer in producers {
        producer.shutdown().await;
    }
    measured
}

/// Sends one request after the other, each as soon as it is due.
async fn send_all(shared: Arc<Shared>, producer: Producer) {
    let mut sleep = match PreciseSleep::new() {
        Ok(sleep) => sleep,
        Err(error) => return shared.meter.fail(Kind::Client, 1, || format!("no timer: {error}")),
    };
    let schedule = Schedule::new(shared.requests_per_second, 0, 1);
    while !shared.meter.is_stopped() {
        let number = shared.taken.fetch_add(1, Ordering::Relaxed);
        let due_ns = schedule.nth_due_ns(number, shared.started.elapsed().as_nanos() as u64);
        if shared.plan.take(due_ns, shared.batch) < shared.batch {
            return;
        }
        if let Err(error) = sleep.until(shared.started + Duration::from_nanos(due_ns)).await {
            return shared.meter.fail(Kind::Client, 1, || format!("the timer failed: {error}"));
        }
        send_one(&shared, &producer, number, due_ns).await;
    }
}

async fn send_one(shared: &Shared, producer: &Producer, number: u64, due_ns: u64) {
    let first = number * u64::from(shared.batch);
    let topic = shared.topics.get((number % shared.topics.len().max(1) as u64) as usize);
    let message =
        |number| message(topic.map_or("", String::as_str), shared.body.clone(), &shared.message, number);
    let sent = if shared.batch == 1 {
        producer.send(message(first)).await
    } else {
        producer.send_batch((first..first + u64::from(shared.batch)).map(message).collect()).await
    };
    match sent {
        Ok(sent) if sent.status == SendStatus::Ok => {
            let messages = u64::from(shared.batch);
            let bytes = messages * shared.body.len() as u64;
            shared.meter.count(Counts { messages, requests: 1, bytes });
            if shared.plan.is_measured(due_ns) {
                let now_ns = shared.started.elapsed().as_nanos() as u64;
                shared.meter.latencies().saturating_record(now_ns.saturating_sub(due_ns));
            }
        }
        Ok(sent) => shared.meter.fail(Kind::Code(code_of(sent.status).0), 1, || {
            "stored, but not as safely as asked for".to_owned()
        }),
        Err(error) => shared.meter.fail(Kind::Client, 1, || error.to_string()),
    }
}

fn code_of(status: SendStatus) -> ResponseCode {
    match status {
        SendStatus::Ok => ResponseCode::SUCCESS,
        SendStatus::FlushDiskTimeout => ResponseCode::FLUSH_DISK_TIMEOUT,
        SendStatus::FlushSlaveTimeout => ResponseCode::FLUSH_SLAVE_TIMEOUT,
        SendStatus::SlaveNotAvailable => ResponseCode::SLAVE_NOT_AVAILABLE,
    }
}

/// Message `number` of a load.
pub(crate) fn message(topic: &str, body: Vec<u8>, args: &MessageArgs, number: u64) -> Message {
    let mut message = Message::new(topic, body);
    if args.keys > 0 {
        message = message.with_keys(format!("key{}", number % u64::from(args.keys)));
    }
    if args.tags > 0 {
        message = message.with_tag(format!("tag{}", number % u64::from(args.tags)));
    }
    message
}
