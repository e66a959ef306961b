//! The load as a whole: queues, connections, results.

use std::{sync::Arc, time::Instant};

use eruca_client::{Admin, MessageQueue};
use serde_json::Value;

use super::{
    library,
    pull_frames::PullShape,
    puller::{Puller, QueueCursor, Shared},
};
use crate::{
    args::{ConsumeArgs, Through},
    destination::Destination,
    error::BenchError,
    meter::Meter,
    plan::Plan,
    report::Report,
    threads::{Work, spread},
    watch::Watch,
    window::Window,
    wire::Wire,
};

/// Runs the load and publishes its results.
pub(crate) async fn run(args: ConsumeArgs) -> Result<(), BenchError> {
    if args.destination.broker.is_some() && (args.live || args.through == Through::Client) {
        return Err(BenchError::Argument {
            what: "--broker with --live or --through client".to_owned(),
            remedy: "these ask name servers: give --namesrv",
        });
    }
    let destination = Destination::find(&args.destination, args.live).await?;
    let plan = Arc::new(Plan::new(&args.duration, !args.live));
    let meter = Arc::new(Meter::new());
    let measured = match args.through {
        Through::Raw => raw(&args, &destination, plan, meter).await?,
        Through::Client => library::run(&args, &destination, plan, meter).await?,
    };
    let settings: [(&'static str, Value); 9] = [
        ("topics", args.destination.topics.into()),
        ("queues", destination.read_queues().into()),
        ("connections", args.connections.into()),
        ("outstanding", args.outstanding.into()),
        ("batch", args.batch.into()),
        ("tag", args.tag.clone().into()),
        ("live", args.live.into()),
        ("header", format!("{:?}", args.header).to_lowercase().into()),
        ("through", format!("{:?}", args.through).to_lowercase().into()),
    ];
    let of = if args.through == Through::Raw { "pull to answer" } else { "" };
    Report::new("consume", settings, of, &measured).publish(&args.output)
}

async fn raw(
    args: &ConsumeArgs,
    destination: &Destination,
    plan: Arc<Plan>,
    meter: Arc<Meter>,
) -> Result<crate::watch::Measured, BenchError> {
    let mut work: Vec<Box<dyn FnOnce() -> Work + Send>> = Vec::new();
    let mut connections = Vec::new();
    for (broker, share) in destination.brokers.iter().zip(shares(args, destination).await?) {
        for queues in share {
            connections.push((Wire::connect(&broker.addr).await?, queues));
        }
    }
    let shared = Arc::new(Shared {
        shape: PullShape {
            group: args.group.clone(),
            tag: args.tag.clone(),
            batch: args.batch as i32,
            waits: args.live,
            encoding: args.header.into(),
        },
        plan: plan.clone(),
        meter: meter.clone(),
        started: Instant::now(),
    });
    for (stream, queues) in connections {
        // Every queue has its pull where pulls wait; else as many as were asked for.
        let slots = if args.live { queues.len() as u32 } else { args.outstanding };
        let shared = shared.clone();
        work.push(Box::new(move || {
            Box::pin(async move { Puller::run(shared, stream, Window::new(slots), queues).await })
        }));
    }
    let watch = Watch::new(&args.output, meter, plan, shared.started)?;
    watch.run(spread(1, work)?).await
}

/// For each broker, the queues of each of its connections.
async fn shares(
    args: &ConsumeArgs,
    destination: &Destination,
) -> Result<Vec<Vec<Vec<QueueCursor>>>, BenchError> {
    let mut shares = Vec::new();
    let admin = match args.live {
        true => Some(Admin::builder().name_servers(&args.destination.namesrv).build().await?),
        false => None,
    };
    let connections = (args.connections as usize).div_ceil(destination.brokers.len().max(1));
    for broker in &destination.brokers {
        let queues = broker.read_queues.max(0) as usize;
        let used = connections.min(queues * destination.topics.len()).max(1);
        let mut of_broker = vec![Vec::new(); used];
        let mut number = 0;
        for topic in &destination.topics {
            let name: Arc<str> = topic.as_str().into();
            for queue_id in 0..broker.read_queues {
                let offset = match &admin {
                    Some(admin) => {
                        admin
                            .max_offset(&broker.addr, &MessageQueue::new(topic, &broker.name, queue_id))
                            .await?
                    }
                    None => 0,
                };
                if let Some(share) = of_broker.get_mut(number % used) {
                    share.push(QueueCursor { topic: name.clone(), queue_id, offset });
                }
                number += 1;
            }
        }
        shares.push(of_broker);
    }
    if let Some(admin) = admin {
        admin.shutdown();
    }
    Ok(shares)
}
