//! `consumerProgress`: how far groups are, all of them or one by queue.

use std::{collections::BTreeMap, io::Write};

use eruca_message::{MessageQueue, Timestamp};
use eruca_protocol::{
    body::{ConsumeStats, ConsumeType},
    version_name,
};

use super::{Call, Command};
use crate::{
    CommandError,
    ops::{self, GroupProgress},
    option::Opt,
    table,
    time_text::LocalTime,
};

pub(super) static COMMAND: Command = Command {
    name: "consumerProgress",
    about: "Query consumer's progress, speed.",
    options: &[
        Opt::value("g", "groupName", "consumer group name"),
        Opt::value("t", "topicName", "topic name"),
        Opt::value("s", "showClientIP", "Show Client IP per Queue"),
        Opt::value("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let Some(group) = call.arguments.value("g") else { return print_groups(call).await };
    let (topic, route_topic) = (call.arguments.value("t"), call.arguments.value("c"));
    let stats = ops::consume_stats(call.admin, group, topic, route_topic).await?;
    let owners = match call.arguments.boolean("s") {
        Some(true) => Some(ops::queue_owners(call.admin, group).await),
        _ => None,
    };
    print_queues(call.out, &stats, owners.as_ref(), &call.world.local_time)
}

async fn print_groups(call: &mut Call<'_>) -> Result<(), CommandError> {
    writeln!(
        call.out,
        "{:<64}  {:<6}  {:<24} {:<5}  {:<14}  {:<7}  #Diff Total",
        "#Group", "#Count", "#Version", "#Type", "#Model", "#TPS"
    )?;
    for group in ops::groups(call.admin).await? {
        let progress = ops::group_progress(call.admin, &group).await;
        print_group(call.out, &progress)?;
    }
    Ok(())
}

fn print_group(out: &mut dyn Write, progress: &GroupProgress) -> Result<(), CommandError> {
    let (consume_type, model) = match (progress.consume_type, progress.message_model) {
        (None, _) => ("", ""),
        (Some(ConsumeType::Actively), _) => ("PULL", ""),
        (Some(_), model) => ("PUSH", model.map_or("", |model| model.name())),
    };
    let version = match progress.members {
        0 => "OFFLINE".to_owned(),
        _ => version_name(progress.version_min),
    };
    writeln!(
        out,
        "{:<64}  {:<6}  {version:<24} {consume_type:<5}  {model:<14}  {:<7}  {}",
        table::front_at_least(&progress.group, 64),
        progress.members,
        // Whole messages per second, as in the Java tool.
        progress.consume_tps as i64,
        progress.diff_total
    )?;
    Ok(())
}

/// A table by queue; with `owners`, a column that says which client reads each.
fn print_queues(
    out: &mut dyn Write,
    stats: &ConsumeStats,
    owners: Option<&BTreeMap<MessageQueue, String>>,
    local_time: &LocalTime,
) -> Result<(), CommandError> {
    let owner_column = |text: &str| owners.map(|_| format!("{text:<20} ")).unwrap_or_default();
    writeln!(
        out,
        "{:<64}  {:<32}  {:<4}  {:<20}  {:<20}  {}{:<20} {:<20}#LastTime",
        "#Topic",
        "#Broker Name",
        "#QID",
        "#Broker Offset",
        "#Consumer Offset",
        owner_column("#Client IP"),
        "#Diff",
        "#Inflight",
    )?;
    let (mut diff_total, mut inflight_total) = (0, 0);
    for (queue, offsets) in &stats.offset_table {
        let diff = offsets.broker_offset - offsets.consumer_offset;
        let inflight = offsets.pull_offset - offsets.consumer_offset;
        diff_total += diff;
        inflight_total += inflight;
        let owner = owners.and_then(|owners| owners.get(queue)).map_or("N/A", String::as_str);
        let last_time = match offsets.last_timestamp {
            0 => "N/A".to_owned(),
            at => local_time.to_seconds(Timestamp(at)),
        };
        writeln!(
            out,
            "{:<64}  {:<32}  {:<4}  {:<20}  {:<20}  {}{diff:<20} {inflight:<20} {last_time}",
            table::front_at_least(&queue.topic, 64),
            table::front_at_least(&queue.broker_name, 32),
            queue.queue_id,
            offsets.broker_offset,
            offsets.consumer_offset,
            owner_column(owner),
        )?;
    }
    writeln!(out)?;
    writeln!(out, "Consume TPS: {}", table::fixed(stats.consume_tps, 2))?;
    writeln!(out, "Consume Diff Total: {diff_total}")?;
    writeln!(out, "Consume Inflight Total: {inflight_total}")?;
    Ok(())
}
