//! `eruca bench latency`: from the moment at which a message is due to its call of a push consumer's listener.
//!
//! Producers and consumer are those of the client library, in this process, so that one clock measures. Each body says
//! when its message was due and of which run it is.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use eruca_client::{ConsumeFrom, ConsumeStatus, MessageQueue, Producer, PushConsumer, SendStatus};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    args::LatencyArgs,
    destination::Destination,
    error::BenchError,
    failures::Kind,
    meter::{Counts, Latencies, Meter, no_latencies},
    plan::{Plan, Schedule},
    precise_sleep::PreciseSleep,
    produce::message,
    report::Report,
    send_frames::{PRODUCER_GROUP, payload},
    stamp::{Purpose, STAMP_LEN, Stamp},
    watch::{Measured, Watch},
};

const CONSUMER_GROUP: &str = "eruca_bench_latency";
/// How long the consumer may take to have all queues.
const READY_TIMEOUT: Duration = Duration::from_secs(90);
const READY_PAUSE: Duration = Duration::from_millis(200);
/// How long the last messages may take to arrive.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// What producers and consumer have in common.
struct Shared {
    /// Tells this run's messages from those that earlier ones left.
    run: u64,
    /// What stamps count from.
    base: Instant,
    meter: Arc<Meter>,
    /// Queues of which a probe came.
    ready: Mutex<BTreeSet<MessageQueue>>,
    acknowledgements: Mutex<Latencies>,
    /// Stored messages, probes excluded, and those of them that arrived.
    stored: AtomicU64,
    arrived: AtomicU64,
}

/// Runs the load and publishes its results.
pub(crate) async fn run(args: LatencyArgs) -> Result<(), BenchError> {
    check(&args)?;
    let destination = Destination::find(&args.destination, true).await?;
    let shared = Arc::new(Shared {
        run: RandomState::new().hash_one(std::process::id()),
        base: Instant::now(),
        meter: Arc::new(Meter::new()),
        ready: Mutex::default(),
        acknowledgements: Mutex::new(no_latencies()),
        stored: AtomicU64::new(0),
        arrived: AtomicU64::new(0),
    });
    let mut producers = Vec::new();
    for _ in 0..args.connections {
        let builder = Producer::builder().name_servers(&args.destination.namesrv).group(PRODUCER_GROUP);
        producers.push(builder.retries(0).compress_over_bytes(usize::MAX).build().await?);
    }
    let consumer = consume(&args, &destination, &shared).await?;
    let measured = match producers.first() {
        Some(first) => match probe(&args, &destination, first, &shared).await {
            Ok(()) => measure(&args, &destination, &producers, &shared).await,
            Err(error) => Err(error),
        },
        None => unreachable!("there is at least one connection"),
    };
    consumer.shutdown().await;
    for producer in producers {
        producer.shutdown().await;
    }
    let settings: [(&'static str, Value); 8] = [
        ("topics", args.destination.topics.into()),
        ("queues", destination.write_queues().into()),
        ("connections", args.connections.into()),
        ("outstanding", args.outstanding.into()),
        ("size", args.message.size.into()),
        ("keys", args.message.keys.into()),
        ("tags", args.message.tags.into()),
        ("rate", args.rate.into()),
    ];
    let report = Report::new("latency", settings, "due to listener", &measured?);
    let acknowledgements = shared.acknowledgements.lock().unwrap_or_else(PoisonError::into_inner);
    report.with_acknowledgements(&acknowledgements).publish(&args.output)
}

fn check(args: &LatencyArgs) -> Result<(), BenchError> {
    let wrong = |what, remedy| Err(BenchError::Argument { what, remedy });
    if !(args.rate > 0.0 && args.rate.is_finite()) {
        return wrong(format!("--rate {}", args.rate), "it must be above 0");
    }
    if (args.message.size as usize) < STAMP_LEN {
        return wrong(
            format!("--size {}", args.message.size),
            "a body needs 17 bytes to say when it was due",
        );
    }
    if args.destination.broker.is_some() {
        return wrong(
            "--broker".to_owned(),
            "the client library finds brokers by name servers: give --namesrv",
        );
    }
    Ok(())
}

/// A consumer of all topics that records what arrives.
async fn consume(
    args: &LatencyArgs,
    destination: &Destination,
    shared: &Arc<Shared>,
) -> Result<PushConsumer, BenchError> {
    let receiving = shared.clone();
    let mut builder = PushConsumer::builder()
        .name_servers(&args.destination.namesrv)
        .group(CONSUMER_GROUP)
        .consume_from(ConsumeFrom::Last)
        .on_messages(move |messages| {
            for stored in &messages {
                if let Some(stamp) =
                    Stamp::read(&stored.message.body).filter(|stamp| stamp.run == receiving.run)
                {
                    let from = MessageQueue::new(&stored.message.topic, &stored.broker_name, stored.queue_id);
                    receiving.receive(stamp, stored.message.body.len() as u64, from);
                }
            }
            async { ConsumeStatus::Success }
        });
    for topic in &destination.topics {
        builder = builder.subscribe(topic, "*");
    }
    Ok(builder.start().await?)
}

impl Shared {
    fn now_ns(&self) -> u64 {
        self.base.elapsed().as_nanos() as u64
    }

    fn receive(&self, stamp: Stamp, bytes: u64, from: MessageQueue) {
        match stamp.purpose {
            Purpose::Probe => {
                self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(from);
                return;
            }
            Purpose::WarmUp => {}
            Purpose::Measurement => {
                let latency_ns = self.now_ns().saturating_sub(stamp.due_ns);
                self.meter.latencies().saturating_record(latency_ns);
            }
        }
        self.meter.count(Counts { messages: 1, requests: 1, bytes });
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends to every queue until something has come from each: from then on every message has its consumer.
async fn probe(
    args: &LatencyArgs,
    destination: &Destination,
    producer: &Producer,
    shared: &Shared,
) -> Result<(), BenchError> {
    let mut body = payload(STAMP_LEN);
    Stamp { run: shared.run, purpose: Purpose::Probe, due_ns: 0 }.write(&mut body);
    let mut waiting = BTreeSet::new();
    for topic in &destination.topics {
        for broker in &destination.brokers {
            waiting.extend(
                (0..broker.write_queues).map(|queue_id| MessageQueue::new(topic, &broker.name, queue_id)),
            );
        }
    }
    let end = Instant::now() + READY_TIMEOUT;
    while !waiting.is_empty() {
        for queue in &waiting {
            let probe = message(&queue.topic, body.clone(), &args.message, 0);
            producer.send_to_queue(probe, queue).await.map_err(Box::new)?;
        }
        tokio::time::sleep(READY_PAUSE).await;
        {
            let ready = shared.ready.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.retain(|queue| !ready.contains(queue));
        }
        if Instant::now() > end {
            return Err(BenchError::Nothing {
                first: format!(
                    "nothing came from {} queues within 90 s, as {:?}",
                    waiting.len(),
                    waiting.first()
                ),
            });
        }
    }
    Ok(())
}

async fn measure(
    args: &LatencyArgs,
    destination: &Destination,
    producers: &[Producer],
    shared: &Arc<Shared>,
) -> Result<Measured, BenchError> {
    let plan = Arc::new(Plan::new(&args.duration, false));
    let started = Instant::now();
    let watch = Watch::new(&args.output, shared.meter.clone(), plan.clone(), started)?;
    let load = Arc::new(Load {
        shared: shared.clone(),
        plan,
        started,
        started_ns: (started - shared.base).as_nanos() as u64,
        schedule: Schedule::new(Some(args.rate), 0, 1),
        taken: AtomicU64::new(0),
        topics: destination.topics.clone(),
        args: args.clone(),
        body: payload(args.message.size as usize),
    });
    let mut senders = JoinSet::new();
    for producer in producers {
        for _ in 0..args.outstanding {
            senders.spawn(load.clone().send_all(producer.clone()));
        }
    }
    let finished = async {
        while senders.join_next().await.is_some() {}
        wait_for_arrivals(shared).await;
    };
    watch.run(finished).await
}

async fn wait_for_arrivals(shared: &Shared) {
    let stored = shared.stored.load(Ordering::Relaxed);
    let missing = || stored.saturating_sub(shared.arrived.load(Ordering::Relaxed));
    let end = Instant::now() + ARRIVAL_TIMEOUT;
    while missing() > 0 && Instant::now() < end {
        tokio::time::sleep(LOOK).await;
    }
    shared.meter.fail(Kind::NotDelivered, missing(), || "stored, but not consumed within 10 s".to_owned());
}

/// What all senders have in common.
struct Load {
    shared: Arc<Shared>,
    plan: Arc<Plan>,
    started: Instant,
    /// The same by the stamps' clock.
    started_ns: u64,
    schedule: Schedule,
    taken: AtomicU64,
    topics: Vec<String>,
    args: LatencyArgs,
    body: Vec<u8>,
}

impl Load {
    /// Sends one message after the other, each as soon as it is due.
    async fn send_all(self: Arc<Self>, producer: Producer) {
        let meter = &self.shared.meter;
        let mut sleep = match PreciseSleep::new() {
            Ok(sleep) => sleep,
            Err(error) => return meter.fail(Kind::Client, 1, || format!("no timer: {error}")),
        };
        while !meter.is_stopped() {
            let number = self.taken.fetch_add(1, Ordering::Relaxed);
            let due_ns = self.schedule.nth_due_ns(number, 0);
            if self.plan.take(due_ns, 1) == 0 {
                return;
            }
            if let Err(error) = sleep.until(self.started + Duration::from_nanos(due_ns)).await {
                return meter.fail(Kind::Client, 1, || format!("the timer failed: {error}"));
            }
            self.send_one(&producer, number, due_ns).await;
        }
    }

    async fn send_one(&self, producer: &Producer, number: u64, due_ns: u64) {
        let shared = &self.shared;
        let is_measured = self.plan.is_measured(due_ns);
        let purpose = if is_measured { Purpose::Measurement } else { Purpose::WarmUp };
        let stamp = Stamp { run: shared.run, purpose, due_ns: self.started_ns + due_ns };
        let mut body = self.body.clone();
        stamp.write(&mut body);
        let topic = self.topics.get((number % self.topics.len().max(1) as u64) as usize);
        let topic = topic.map_or("", String::as_str);
        let sent = producer.send(message(topic, body, &self.args.message, number)).await;
        match sent {
            Ok(sent) => {
                shared.stored.fetch_add(1, Ordering::Relaxed);
                if sent.status != SendStatus::Ok {
                    let what = || format!("stored, but not as safely as asked for: {:?}", sent.status);
                    shared.meter.fail(Kind::Client, 1, what);
                } else if is_measured {
                    let latency_ns = shared.now_ns().saturating_sub(stamp.due_ns);
                    let mut latencies =
                        shared.acknowledgements.lock().unwrap_or_else(PoisonError::into_inner);
                    latencies.saturating_record(latency_ns);
                }
            }
            Err(error) => shared.meter.fail(Kind::Client, 1, || error.to_string()),
        }
    }
}
