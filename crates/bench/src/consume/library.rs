//! The load through the client library: what an application of it would see.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use eruca_client::{Admin, ConsumeFrom, ConsumeStatus, MessageQueue, PushConsumer};
use tokio::sync::Notify;

use crate::{
    args::ConsumeArgs,
    destination::Destination,
    error::BenchError,
    failures::Kind,
    meter::{Counts, Meter},
    plan::Plan,
    watch::{Measured, Watch},
};

/// A backlog that stands still for so long is given up.
const STANDSTILL: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// Runs the load with one push consumer for each connection.
pub(crate) async fn run(
    args: &ConsumeArgs,
    destination: &Destination,
    plan: Arc<Plan>,
    meter: Arc<Meter>,
) -> Result<Measured, BenchError> {
    // Without --live the load ends with what is there now.
    let backlog = if args.live { u64::MAX } else { backlog(args, destination).await? };
    let started = Instant::now();
    let done = Arc::new(Notify::new());
    let watch = Watch::new(&args.output, meter.clone(), plan.clone(), started)?;
    let mut consumers = Vec::new();
    for _ in 0..args.connections {
        let (plan, meter, done) = (plan.clone(), meter.clone(), done.clone());
        let mut builder = PushConsumer::builder()
            .name_servers(&args.destination.namesrv)
            .group(&args.group)
            .consume_from(if args.live { ConsumeFrom::Last } else { ConsumeFrom::First })
            .pull_batch(args.batch as i32)
            .call_batch(args.batch as usize)
            .on_messages(move |messages| {
                let bytes = messages.iter().map(|message| message.message.body.len() as u64).sum();
                let now_ns = started.elapsed().as_nanos() as u64;
                plan.take(now_ns, messages.len() as u32);
                meter.count(Counts { messages: messages.len() as u64, requests: 1, bytes });
                if plan.is_over(now_ns) || meter.counts().messages >= backlog {
                    done.notify_one();
                }
                async { ConsumeStatus::Success }
            });
        for topic in &destination.topics {
            builder = builder.subscribe(topic, args.tag.as_str());
        }
        consumers.push(builder.start().await?);
    }
    let measured = watch.run(wait(backlog, plan, meter, started, done)).await;
    for consumer in consumers {
        consumer.shutdown().await;
    }
    measured
}

/// Waits until the plan is over or the backlog is consumed, also where no message comes to say so.
async fn wait(backlog: u64, plan: Arc<Plan>, meter: Arc<Meter>, started: Instant, done: Arc<Notify>) {
    let (mut seen, mut moved) = (0, Instant::now());
    loop {
        // Either way the loop looks for itself.
        let _ = tokio::time::timeout(LOOK, done.notified()).await;
        let messages = meter.counts().messages;
        if messages != seen {
            (seen, moved) = (messages, Instant::now());
        }
        let is_over = plan.is_over(started.elapsed().as_nanos() as u64);
        if is_over || meter.is_stopped() || messages >= backlog {
            return;
        }
        if backlog != u64::MAX && moved.elapsed() > STANDSTILL {
            let explanation = "nothing came for 30 s: the group may have consumed the rest before, or others of \
                               the group do so now; name a new --group";
            return meter.fail(Kind::NotDelivered, backlog - messages, || explanation.to_owned());
        }
    }
}

/// Messages that the topics hold.
async fn backlog(args: &ConsumeArgs, destination: &Destination) -> Result<u64, BenchError> {
    let admin = Admin::builder().name_servers(&args.destination.namesrv).build().await?;
    let mut messages = 0;
    for broker in &destination.brokers {
        for topic in &destination.topics {
            for queue_id in 0..broker.read_queues {
                let queue = MessageQueue::new(topic, &broker.name, queue_id);
                let max = admin.max_offset(&broker.addr, &queue).await?;
                let min = admin.min_offset(&broker.addr, &queue).await?;
                messages += u64::try_from(max - min).unwrap_or_default();
            }
        }
    }
    admin.shutdown();
    Ok(messages)
}
