//! `brokerConsumeStats`: how far all groups of a broker are, by queue.

use std::{io::Write, time::Duration};

use eruca_message::Timestamp;
use eruca_protocol::body::ConsumeStatsList;

use super::{Call, Command};
use crate::{CommandError, option::Opt, session, table, time_text::LocalTime};

pub(super) static COMMAND: Command = Command {
    name: "brokerConsumeStats",
    about: "Fetch broker consume stats data.",
    options: &[
        Opt::required("b", "brokerAddr", "Broker address"),
        Opt::value("t", "timeoutMillis", "request timeout Millis"),
        Opt::value("l", "level", "threshold of print diff"),
        Opt::value("o", "order", "order topic"),
    ],
    run: |call| Box::pin(run(call)),
};

/// A broker with many groups takes its time.
const DEFAULT_TIMEOUT_MS: u64 = 50_000;

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let is_order = arguments.boolean("o").unwrap_or(false);
    let timeout_ms = arguments.parsed("t", "a number of milliseconds")?.unwrap_or(DEFAULT_TIMEOUT_MS);
    let level = arguments.parsed("l", "a number of messages")?.unwrap_or(0);
    let admin = session::open_with(call.name_servers, call.world, Duration::from_millis(timeout_ms)).await?;
    let list = admin.fetch_consume_stats_in_broker(arguments.required("b"), is_order).await;
    admin.shutdown();
    print(call.out, &list?, level, &call.world.local_time)
}

fn print(
    out: &mut dyn Write,
    list: &ConsumeStatsList,
    level: i64,
    local_time: &LocalTime,
) -> Result<(), CommandError> {
    writeln!(
        out,
        "{:<64}  {:<64}  {:<32}  {:<4}  {:<20}  {:<20}  {:<20}  #LastTime",
        "#Topic", "#Group", "#Broker Name", "#QID", "#Broker Offset", "#Consumer Offset", "#Diff"
    )?;
    for (group, stats) in list.consume_stats_list.iter().flatten() {
        for (queue, offsets) in stats.iter().flat_map(|stats| &stats.offset_table) {
            let diff = offsets.broker_offset - offsets.consumer_offset;
            // As in the Java tool, a queue of which nothing was consumed has no row.
            if diff < level || offsets.last_timestamp <= 0 {
                continue;
            }
            writeln!(
                out,
                "{:<64}  {group:<64}  {:<32}  {:<4}  {:<20}  {:<20}  {diff:<20}  {}",
                table::front_at_least(&queue.topic, 64),
                table::front_at_least(&queue.broker_name, 32),
                queue.queue_id,
                offsets.broker_offset,
                offsets.consumer_offset,
                local_time.to_seconds(Timestamp(offsets.last_timestamp)),
            )?;
        }
    }
    writeln!(out, "\nDiff Total: {}", list.total_diff)?;
    Ok(())
}
