//! `resetOffsetByTime` and `skipAccumulatedMessage`: move a group to where messages of a time begin, or to the end.

use std::io::Write;

use eruca_client::Boundary;
use eruca_message::{MessageQueue, Timestamp};

use super::{Call, Command};
use crate::{CommandError, java_order, ops, option::Opt, table, time_text};

const CLUSTER: Opt =
    Opt::value("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route.");

pub(super) static BY_TIME: Command = Command {
    name: "resetOffsetByTime",
    about: "Reset consumer offset by timestamp(without client restart).",
    options: &[
        Opt::required("g", "group", "set the consumer group"),
        Opt::required("t", "topic", "set the topic"),
        Opt::required("s", "timestamp", "set the timestamp[now|currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
        Opt::value("f", "force", "set the force rollback by timestamp switch[true|false]. Deprecated."),
        CLUSTER,
        Opt::value("b", "broker", "broker addr"),
        Opt::value("q", "queue", "queue id"),
        Opt::value("o", "offset", "Expect queue offset, not support old version broker"),
    ],
    run: |call| Box::pin(by_time(call)),
};

pub(super) static SKIP: Command = Command {
    name: "skipAccumulatedMessage",
    about: "Skip all messages that are accumulated (not consumed) currently.",
    options: &[
        Opt::required("g", "group", "set the consumer group"),
        Opt::required("t", "topic", "set the topic"),
        Opt::value("f", "force", "set the force rollback by timestamp switch[true|false]"),
        CLUSTER,
    ],
    run: |call| Box::pin(skip(call)),
};

/// The time that means the end of every queue.
const END: Timestamp = Timestamp(-1);

fn timestamp(call: &Call<'_>) -> Result<Timestamp, CommandError> {
    let (arguments, world) = (call.arguments, call.world);
    match arguments.required("s") {
        "now" => Ok(world.now()),
        text => world
            .local_time
            .parse(text)
            .ok_or_else(|| arguments.invalid("s", &format!("now, {}", time_text::EXPECTED)).into()),
    }
}

async fn by_time(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let (group, topic, typed) = (arguments.required("g"), arguments.required("t"), arguments.required("s"));
    let at = timestamp(call)?;
    let queue_id: Option<i32> = arguments.parsed("q", "the number of a queue")?;
    if let (Some(addr), Some(queue_id)) = (arguments.value("b"), queue_id.filter(|id| *id >= 0)) {
        return one_queue(call, addr, queue_id, at).await;
    }
    let force = arguments.boolean("f").unwrap_or(true);
    let moved = reset(call, at, force).await?;
    writeln!(
        call.out,
        "start reset consumer offset by specified, group[{group}], topic[{topic}], force[{force}], \
         timestamp(string)[{typed}], timestamp(long)[{at}]"
    )?;
    print(call.out, moved)
}

async fn one_queue(
    call: &mut Call<'_>,
    addr: &str,
    queue_id: i32,
    at: Timestamp,
) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let (group, topic, typed) = (arguments.required("g"), arguments.required("t"), arguments.required("s"));
    writeln!(
        call.out,
        "start reset consumer offset by specified, group[{group}], topic[{topic}], queueId[{queue_id}], \
         broker[{addr}], timestamp(string)[{typed}], timestamp(long)[{at}]"
    )?;
    let offset = match arguments.parsed("o", "an offset, 0 or higher")? {
        Some(offset) => offset,
        None => {
            let queue = MessageQueue::new(topic, "", queue_id);
            call.admin.search_offset(addr, &queue, at, Boundary::Lower).await?
        }
    };
    call.admin.reset_offset_by_queue_id(addr, group, topic, queue_id, offset).await?;
    writeln!(call.out, "reset consumer offset to {offset}")?;
    Ok(())
}

async fn skip(call: &mut Call<'_>) -> Result<(), CommandError> {
    let force = call.arguments.boolean("f").unwrap_or(true);
    let moved = reset(call, END, force).await?;
    print(call.out, moved)
}

/// Resets on every broker of the topic; the new offsets in Java's order.
async fn reset(
    call: &mut Call<'_>,
    at: Timestamp,
    force: bool,
) -> Result<Vec<(MessageQueue, i64)>, CommandError> {
    let (group, topic) = (call.arguments.required("g"), call.arguments.required("t"));
    // Queues without a route of their own lie where their parent topic does.
    let route_topic = if topic.starts_with("%LMQ%") { call.arguments.value("c") } else { None };
    let route = call.admin.examine_topic_route_info(route_topic.unwrap_or(topic)).await?;
    let mut moved = Vec::new();
    for addr in ops::addrs_to_ask(&route) {
        moved.extend(call.admin.reset_offset_by_timestamp(&addr, topic, group, at, force).await?);
    }
    java_order::sort_copied_by_queue(&mut moved);
    Ok(moved)
}

fn print(out: &mut dyn Write, moved: Vec<(MessageQueue, i64)>) -> Result<(), CommandError> {
    writeln!(out, "{:<40}  {:<40}  {:<40}", "#brokerName", "#queueId", "#offset")?;
    for (queue, offset) in moved {
        let broker_name = table::front_at_least(&queue.broker_name, 32);
        writeln!(out, "{broker_name:<40}  {:<40}  {offset:<40}", queue.queue_id)?;
    }
    Ok(())
}
