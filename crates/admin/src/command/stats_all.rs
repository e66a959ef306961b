//! `statsAll`: rates, daily counts and backlog of every topic and group.

use std::io::Write;

use super::{Call, Command};
use crate::{CommandError, java_order, ops, option::Opt, table};

pub(super) static COMMAND: Command = Command {
    name: "statsAll",
    about: "Topic and Consumer tps stats.",
    options: &[
        Opt::flag("a", "activeTopic", "print active topic only"),
        Opt::value("t", "topic", "print select topic only"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    writeln!(
        call.out,
        "{:<64}  {:<64} {:>12} {:>11} {:>11} {:>14} {:>14}",
        "#Topic", "#Consumer Group", "#Accumulation", "#InTPS", "#OutTPS", "#InMsg24Hour", "#OutMsg24Hour"
    )?;
    let only = call.arguments.value("t").filter(|topic| !topic.is_empty());
    let mut topics = call.admin.fetch_all_topic_list().await?.topic_list;
    java_order::sort_names(&mut topics);
    for topic in topics {
        let is_of_a_group = topic.starts_with("%RETRY%") || topic.starts_with("%DLQ%");
        if is_of_a_group || only.is_some_and(|only| only != topic) {
            continue;
        }
        // A topic that went away meanwhile has no row.
        if let Ok(traffic) = ops::topic_traffic(call.admin, &topic).await {
            print(call.out, &topic, &traffic, call.arguments.has("a"))?;
        }
    }
    Ok(())
}

fn print(
    out: &mut dyn Write,
    topic: &str,
    traffic: &ops::TopicTraffic,
    only_active: bool,
) -> Result<(), CommandError> {
    let topic = table::front_at_least(topic, 64);
    let in_tps = table::fixed(traffic.put.tps, 2);
    let in_day = traffic.put.day_total;
    if traffic.groups.is_empty() && !(only_active && in_day == 0) {
        writeln!(
            out,
            "{topic:<64}  {:<64} {:>12} {in_tps:>11} {:>11} {in_day:>14} {:>14}",
            "", 0, "", "NO_CONSUMER"
        )?;
    }
    for group in &traffic.groups {
        let out_day = group.get.day_total;
        if only_active && in_day == 0 && out_day == 0 {
            continue;
        }
        writeln!(
            out,
            "{topic:<64}  {:<64} {:>12} {in_tps:>11} {:>11} {in_day:>14} {out_day:>14}",
            table::front_at_least(&group.group, 64),
            group.accumulation,
            table::fixed(group.get.tps, 2),
        )?;
    }
    Ok(())
}
