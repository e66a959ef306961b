//! `eruca bench timers`: how late messages with a time of delivery are, with many others that wait.
//!
//! First messages that stay pending, then a burst that is due within a second or so. Two figures of each message of the burst: until
//! the broker had delivered it to its topic (its store time), and until a push consumer's listener had it. Both by wall clocks, so on
//! one machine, and to the millisecond.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use eruca_client::{ConsumeStatus, Producer, PushConsumer};
use eruca_message::{Clock, Message, StoredMessage, SystemClock, Timestamp, properties::TIMER_DELIVER_MS};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    args::TimersArgs,
    destination::Destination,
    error::BenchError,
    meter::{Latencies, no_latencies},
    process::{CpuSeconds, ProcessProbe},
    send_frames::{PRODUCER_GROUP, payload},
};

const CONSUMER_GROUP: &str = "eruca_bench_timers";
/// The property that tells this run's messages from others.
const RUN: &str = "run";
/// How long before a far message is due at least.
const FAR_MS: i64 = 3_600_000;
/// How long the burst may take after its time.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

/// What was seen of the burst.
struct Seen {
    run: String,
    arrived: AtomicU64,
    early: AtomicU64,
    delivered: Mutex<Latencies>,
    listened: Mutex<Latencies>,
}

/// When messages are due.
#[derive(Debug, Clone, Copy)]
enum Due {
    /// Spread over a time that is far away.
    Far,
    /// Spread over `spread_ms` from `from` on.
    Burst { from: Timestamp, spread_ms: i64 },
}

/// Runs the load and prints the results.
pub(crate) async fn run(args: TimersArgs) -> Result<(), BenchError> {
    let destination = Destination::find(&args.destination, true).await?;
    let topic = destination.topics.first().cloned().unwrap_or_default();
    let seen = Arc::new(Seen {
        run: format!("{:016x}", RandomState::new().hash_one(std::process::id())),
        arrived: AtomicU64::new(0),
        early: AtomicU64::new(0),
        delivered: Mutex::new(no_latencies()),
        listened: Mutex::new(no_latencies()),
    });
    let mut producers = Vec::new();
    for _ in 0..args.connections {
        let builder = Producer::builder().name_servers(&args.destination.namesrv).group(PRODUCER_GROUP);
        producers.push(builder.compress_over_bytes(usize::MAX).build().await?);
    }
    let consumer = consume(&args, &topic, &seen).await?;
    let probe = args.broker_pid.map(ProcessProbe::new);
    let say = |text: String| {
        if !args.quiet {
            eprintln!("{text}");
        }
    };

    let started = Instant::now();
    let cpu_at_start = cpu(probe)?;
    send_all(&args, &topic, &seen, &producers, args.pending, Due::Far).await?;
    let pending_s = started.elapsed().as_secs_f64();
    let cpu_of_pending = cpu(probe)?.since(cpu_at_start);
    say(format!("{} messages wait, sent in {pending_s:.1} s", args.pending));

    let from = SystemClock.now().add_ms(i64::from(args.lead) * 1_000);
    let due = Due::Burst { from, spread_ms: i64::from(args.spread_ms) };
    send_all(&args, &topic, &seen, &producers, args.burst, due).await?;
    let ahead_ms = from.ms_since(SystemClock.now());
    if ahead_ms < 0 {
        return Err(BenchError::Argument {
            what: format!("--lead {}", args.lead),
            remedy: "the burst was due before all of it was sent: give it more seconds",
        });
    }
    say(format!("{} messages are due in {ahead_ms} ms", args.burst));
    let resident = memory(probe)?;
    // What was sent a moment ago is not part of what delivery costs.
    tokio::time::sleep(Duration::from_millis(ahead_ms.saturating_sub(200).max(0).unsigned_abs())).await;
    let cpu_before = cpu(probe)?;
    let waited = Instant::now();
    while seen.arrived.load(Ordering::Relaxed) < args.burst && waited.elapsed() < ARRIVAL_TIMEOUT {
        tokio::time::sleep(LOOK).await;
    }
    let cpu_of_burst = cpu(probe)?.since(cpu_before);
    consumer.shutdown().await;
    for producer in producers {
        producer.shutdown().await;
    }
    let report = json!({
        "load": "timers",
        "pending": args.pending,
        "burst": args.burst,
        "spreadMs": args.spread_ms,
        "size": args.size,
        "arrived": seen.arrived.load(Ordering::Relaxed),
        "early": seen.early.load(Ordering::Relaxed),
        "pendingSeconds": pending_s,
        "lateDeliveredMs": late(&lock(&seen.delivered)),
        "lateListenedMs": late(&lock(&seen.listened)),
        "brokerCpuSecondsPending": cpu_of_pending.total(),
        "brokerCpuSecondsBurst": cpu_of_burst.total(),
        "brokerResidentMb": resident.map(|bytes| bytes as f64 / f64::from(1 << 20)),
    });
    publish(&args, &report);
    match seen.arrived.load(Ordering::Relaxed) {
        0 => Err(BenchError::Nothing { first: "no message of the burst was delivered".to_owned() }),
        _ => Ok(()),
    }
}

fn lock(latencies: &Mutex<Latencies>) -> MutexGuard<'_, Latencies> {
    latencies.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cpu(probe: Option<ProcessProbe>) -> Result<CpuSeconds, BenchError> {
    let read =
        |probe: ProcessProbe| probe.cpu().map_err(|source| BenchError::Process { pid: probe.pid(), source });
    probe.map_or(Ok(CpuSeconds::default()), read)
}

fn memory(probe: Option<ProcessProbe>) -> Result<Option<u64>, BenchError> {
    let read = |probe: ProcessProbe| {
        let memory = probe.memory().map_err(|source| BenchError::Process { pid: probe.pid(), source })?;
        Ok(memory.anonymous)
    };
    probe.map(read).transpose()
}

async fn consume(args: &TimersArgs, topic: &str, seen: &Arc<Seen>) -> Result<PushConsumer, BenchError> {
    let seen = seen.clone();
    let builder = PushConsumer::builder()
        .name_servers(&args.destination.namesrv)
        .group(CONSUMER_GROUP)
        .on_messages(move |messages| {
            let now = SystemClock.now();
            messages.iter().for_each(|message| seen.note(message, now));
            async { ConsumeStatus::Success }
        })
        .subscribe(topic, "*");
    Ok(builder.start().await?)
}

impl Seen {
    fn note(&self, message: &StoredMessage, now: Timestamp) {
        let properties = &message.message.properties;
        let due = properties.get(TIMER_DELIVER_MS).and_then(|due| due.parse().ok()).map(Timestamp);
        let Some(due) = due.filter(|_| properties.get(RUN) == Some(self.run.as_str())) else { return };
        let late_ms = message.store_timestamp.ms_since(due);
        if late_ms < 0 {
            self.early.fetch_add(1, Ordering::Relaxed);
        }
        let nanos = |ms: i64| u64::try_from(ms).unwrap_or(0) * 1_000_000;
        lock(&self.delivered).saturating_record(nanos(late_ms));
        lock(&self.listened).saturating_record(nanos(now.ms_since(due)));
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends `count` messages over all producers, with many under way on each.
async fn send_all(
    args: &TimersArgs,
    topic: &str,
    seen: &Arc<Seen>,
    producers: &[Producer],
    count: u64,
    due: Due,
) -> Result<(), BenchError> {
    let taken = Arc::new(AtomicU64::new(0));
    let body: Arc<[u8]> = payload(args.size as usize).into();
    let mut senders: JoinSet<Result<(), BenchError>> = JoinSet::new();
    for producer in producers {
        for _ in 0..args.outstanding {
            let (taken, producer, body, seen) = (taken.clone(), producer.clone(), body.clone(), seen.clone());
            let topic = topic.to_owned();
            senders.spawn(async move {
                loop {
                    let number = taken.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok(());
                    }
                    let message = Message::new(&topic, body.to_vec())
                        .with_property(RUN, seen.run.as_str())
                        .with_delivery_at(due.at(number, count));
                    producer.send(message).await.map_err(|error| BenchError::Send(Box::new(error)))?;
                }
            });
        }
    }
    while let Some(sent) = senders.join_next().await {
        // A task that panicked sends no more; the others tell what is wrong.
        sent.unwrap_or(Ok(()))?;
    }
    Ok(())
}

impl Due {
    /// Neighbours in the order of sending are far from each other in time, as those of many senders are.
    fn at(self, number: u64, count: u64) -> Timestamp {
        let place = (number.wrapping_mul(7_919) % count.max(1)) as i64;
        match self {
            Due::Far => SystemClock.now().add_ms(FAR_MS + place % FAR_MS),
            Due::Burst { from, spread_ms } => from.add_ms(place * spread_ms / (count.max(1) as i64)),
        }
    }
}

fn late(latencies: &Latencies) -> Value {
    let ms = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1e6;
    json!({
        "p50": ms(0.5), "p90": ms(0.9), "p99": ms(0.99), "p999": ms(0.999),
        "max": latencies.max() as f64 / 1e6, "mean": latencies.mean() / 1e6,
    })
}

#[expect(clippy::print_stdout, reason = "the results are what was asked for")]
fn publish(args: &TimersArgs, report: &Value) {
    if args.json {
        println!("{report}");
        return;
    }
    println!("{} of {} arrived, {} early", report["arrived"], report["burst"], report["early"]);
    for (what, key) in [("due to delivered", "lateDeliveredMs"), ("due to listener", "lateListenedMs")] {
        let late = &report[key];
        println!(
            "{what}: p50 {} ms, p99 {} ms, p99.9 {} ms, max {} ms",
            late["p50"], late["p99"], late["p999"], late["max"]
        );
    }
    if args.broker_pid.is_some() {
        println!(
            "broker: {} s of CPU for what waits, {} s for the burst, {} MB of memory",
            report["brokerCpuSecondsPending"], report["brokerCpuSecondsBurst"], report["brokerResidentMb"]
        );
    }
}
