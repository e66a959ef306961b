//! `clusterList`: all brokers with their load, once or again and again.

use std::{io::Write, time::Duration};

use eruca_message::Timestamp;
use eruca_protocol::body::ClusterInfo;

use super::{Call, Command};
use crate::{
    CommandError,
    java_order::{self, DEFAULT_BUCKETS},
    ops::{self, BrokerRuntime, DayTotals},
    option::Opt,
    table,
};

pub(super) static COMMAND: Command = Command {
    name: "clusterList",
    about: "List cluster infos.",
    options: &[
        Opt::flag("m", "moreStats", "Print more stats"),
        Opt::value("i", "interval", "specify intervals numbers, it is in seconds"),
        Opt::value("c", "clusterName", "which cluster"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let interval: Option<u64> = call.arguments.parsed("i", "a number of seconds")?;
    loop {
        let info = call.admin.examine_broker_cluster_info().await?;
        if call.arguments.has("m") {
            print_totals(call, &info).await?;
        } else {
            print_load(call, &info).await?;
        }
        call.out.flush()?;
        match interval {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => return Ok(()),
        }
    }
}

/// One broker's place in the table.
struct Member<'i> {
    cluster: &'i str,
    broker_name: &'i str,
    id: i64,
    addr: &'i str,
}

/// All brokers of the clusters that are asked for: clusters in Java's order, brokers by name and number.
fn members<'i>(info: &'i ClusterInfo, only: Option<&str>) -> Vec<Member<'i>> {
    let mut clusters: Vec<_> = info.cluster_addr_table.iter().collect();
    java_order::sort_by_key(&mut clusters, DEFAULT_BUCKETS, |(cluster, _)| cluster);
    let mut members = Vec::new();
    for (cluster, names) in clusters {
        if only.is_some_and(|only| !only.is_empty() && only != cluster) {
            continue;
        }
        let mut names: Vec<&String> = names.iter().collect();
        names.sort();
        for group in names.into_iter().filter_map(|name| info.broker_addr_table.get(name)) {
            members.extend(group.broker_addrs.iter().map(|(id, addr)| Member {
                cluster,
                broker_name: &group.broker_name,
                id: *id,
                addr,
            }));
        }
    }
    members
}

async fn print_totals(call: &mut Call<'_>, info: &ClusterInfo) -> Result<(), CommandError> {
    writeln!(
        call.out,
        "{:<16}  {:<32} {:>14} {:>14} {:>14} {:>14}",
        "#Cluster Name", "#Broker Name", "#InTotalYest", "#OutTotalYest", "#InTotalToday", "#OutTotalToday"
    )?;
    for member in members(info, call.arguments.value("c")) {
        let stats = call.admin.fetch_broker_runtime_stats(member.addr).await;
        let DayTotals { in_yesterday, out_yesterday, in_today, out_today } =
            stats.map(|stats| ops::day_totals(&stats.table)).unwrap_or_default();
        writeln!(
            call.out,
            "{:<16}  {:<32} {in_yesterday:>14} {out_yesterday:>14} {in_today:>14} {out_today:>14}",
            member.cluster, member.broker_name
        )?;
    }
    Ok(())
}

async fn print_load(call: &mut Call<'_>, info: &ClusterInfo) -> Result<(), CommandError> {
    let headings = [
        "#Cluster Name",
        "#Broker Name",
        "#BID",
        "#Addr",
        "#Version",
        "#InTPS(LOAD)",
        "#OutTPS(LOAD)",
        "#Timer(Progress)",
        "#PCWait(ms)",
        "#Hour",
        "#SPACE",
        "#ACTIVATED",
    ];
    // The headings of these two stand to the left, their values to the right.
    print_row(call.out, &headings.map(str::to_owned))?;
    let mut failed = None;
    for member in members(info, call.arguments.value("c")) {
        // A broker that does not answer is listed with nothing in its columns.
        let runtime = match call.admin.fetch_broker_runtime_stats(member.addr).await {
            Ok(stats) => BrokerRuntime::from_table(&stats.table),
            Err(error) => {
                failed = Some(error);
                BrokerRuntime::default()
            }
        };
        let cells = load_cells(&member, &runtime, call.world.now());
        print_row(call.out, &cells)?;
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

fn load_cells(member: &Member<'_>, runtime: &BrokerRuntime, now: Timestamp) -> [String; 12] {
    let rate = |value: f64| format!("{:>9}", table::fixed(value, 2));
    let (send, pull, ack) = (&runtime.send_queue, &runtime.pull_queue, &runtime.ack_queue);
    let hours = match runtime.earliest_message_timestamp {
        Some(at) => now.ms_since(Timestamp(at)) as f64 / 1000.0 / 60.0 / 60.0,
        None => 0.0,
    };
    [
        member.cluster.to_owned(),
        member.broker_name.to_owned(),
        member.id.to_string(),
        member.addr.to_owned(),
        runtime.version.clone(),
        format!("{}({},{}ms)", rate(runtime.put_tps), send.0, send.1),
        format!("{}({},{}ms|{},{}ms)", rate(runtime.transferred_tps), pull.0, pull.1, ack.0, ack.1),
        format!(
            "{}-{}({}w, {}, {})",
            runtime.timer_read_behind,
            runtime.timer_offset_behind,
            table::fixed(runtime.timer_congest_num as f64 / 10_000.0, 1),
            table::fixed(runtime.timer_enqueue_tps.into(), 1),
            table::fixed(runtime.timer_dequeue_tps.into(), 1),
        ),
        format!("{:>11}", runtime.page_cache_lock_ms),
        table::fixed(hours, 2),
        table::fixed(runtime.commit_log_disk_ratio, 4),
        format!("{:>10}", runtime.is_active),
    ]
}

fn print_row(out: &mut dyn Write, cells: &[String; 12]) -> Result<(), CommandError> {
    let [cluster, broker, id, addr, version, sends, reads, timer, lock, hour, space, active] = cells;
    writeln!(
        out,
        "{cluster:<22}  {broker:<22}  {id:<4}  {addr:<22} {version:<16}  {sends:>16}  {reads:>30}  {timer:<22}  \
         {lock:<11}  {hour:<12}  {space:<8}  {active:<10}"
    )?;
    Ok(())
}
