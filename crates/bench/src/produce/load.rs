//! The load as a whole: topics, connections, threads, results.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Instant,
};

use serde_json::Value;

use super::{
    library,
    sender::{Sender, Shared},
};
use crate::{
    args::{ProduceArgs, Through},
    destination::{BrokerAddress, Destination},
    error::BenchError,
    meter::Meter,
    plan::{Plan, Schedule},
    report::Report,
    send_frames::{MessageShape, SendFrames, Sequence},
    threads::{Work, spread},
    watch::Watch,
    window::Window,
    wire::Wire,
};

/// Runs the load and publishes its results.
pub(crate) async fn run(args: ProduceArgs) -> Result<(), BenchError> {
    check(&args)?;
    let destination = Destination::find(&args.destination, true).await?;
    let plan = Arc::new(Plan::new(&args.duration, false));
    let meter = Arc::new(Meter::new());
    let measured = match args.through {
        Through::Raw => {
            let connected = connect(&args, &destination).await?;
            let started = Instant::now();
            let watch = Watch::new(&args.output, meter.clone(), plan.clone(), started)?;
            let finished = start(&args, &destination, connected, plan, meter, started)?;
            watch.run(finished).await?
        }
        Through::Client => library::run(&args, &destination, plan, meter).await?,
    };
    let settings = settings(&args, &destination);
    Report::new("produce", settings, "send to acknowledgement", &measured).publish(&args.output)
}

fn check(args: &ProduceArgs) -> Result<(), BenchError> {
    if args.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
        return Err(BenchError::Argument {
            what: format!("--rate {}", args.rate.unwrap_or_default()),
            remedy: "it must be above 0; leave it out to send as fast as it goes",
        });
    }
    if args.through == Through::Client && args.destination.broker.is_some() {
        return Err(BenchError::Argument {
            what: "--through client with --broker".to_owned(),
            remedy: "the client library finds brokers by name servers: give --namesrv",
        });
    }
    Ok(())
}

fn settings(args: &ProduceArgs, destination: &Destination) -> Vec<(&'static str, Value)> {
    vec![
        ("topics", args.destination.topics.into()),
        ("queues", destination.write_queues().into()),
        ("connections", args.connections.into()),
        ("outstanding", args.outstanding.into()),
        ("size", args.message.size.into()),
        ("batch", args.batch.into()),
        ("keys", args.message.keys.into()),
        ("tags", args.message.tags.into()),
        ("rate", args.rate.into()),
        ("header", format!("{:?}", args.header).to_lowercase().into()),
        ("through", format!("{:?}", args.through).to_lowercase().into()),
    ]
}

/// A socket for each connection, with the index of its broker.
async fn connect(
    args: &ProduceArgs,
    destination: &Destination,
) -> Result<Vec<(usize, std::net::TcpStream)>, BenchError> {
    let mut connected = Vec::new();
    for number in 0..args.connections as usize {
        let index = number % destination.brokers.len();
        if let Some(broker) = destination.brokers.get(index) {
            connected.push((index, Wire::connect(&broker.addr).await?));
        }
    }
    Ok(connected)
}

/// Sets the threads to work; done when all requests are answered or given up.
fn start(
    args: &ProduceArgs,
    destination: &Destination,
    connected: Vec<(usize, std::net::TcpStream)>,
    plan: Arc<Plan>,
    meter: Arc<Meter>,
    started: Instant,
) -> Result<impl Future<Output = ()>, BenchError> {
    let shared = destination
        .brokers
        .iter()
        .map(|broker| shared(args, destination, broker, &plan, &meter, started).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    let requests_per_second = args.rate.map(|rate| rate / f64::from(args.batch));
    let connections = connected.len() as u32;
    let mut work: Vec<Box<dyn FnOnce() -> Work + Send>> = Vec::new();
    for (number, (broker, stream)) in (0..).zip(connected) {
        let Some(shared) = shared.get(broker).cloned() else { continue };
        let window = Window::new(args.outstanding);
        let schedule = Schedule::new(requests_per_second, number, connections);
        let sequence = Sequence::of_connection(number);
        work.push(Box::new(move || {
            Box::pin(async move { Sender::run(shared, stream, window, schedule, sequence).await })
        }));
    }
    spread(args.threads, work)
}

fn shared(
    args: &ProduceArgs,
    destination: &Destination,
    broker: &BrokerAddress,
    plan: &Arc<Plan>,
    meter: &Arc<Meter>,
    started: Instant,
) -> Result<Shared, BenchError> {
    let shape = MessageShape {
        size: args.message.size,
        batch: args.batch,
        keys: args.message.keys,
        tags: args.message.tags,
        encoding: args.header.into(),
    };
    Ok(Shared {
        frames: SendFrames::new(&shape, &destination.topics, &broker.name, broker.write_queues)?,
        batch: args.batch,
        message_bytes: u64::from(args.message.size),
        topics: destination.topics.len(),
        queues: broker.write_queues as usize,
        next_target: AtomicUsize::new(0),
        plan: plan.clone(),
        meter: meter.clone(),
        started,
    })
}
