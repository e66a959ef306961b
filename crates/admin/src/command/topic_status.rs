//! `topicStatus`: the offsets of a topic's queues.

use std::io::Write;

use eruca_message::Timestamp;
use eruca_protocol::body::TopicStatsTable;

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt, table, time_text::LocalTime};

pub(super) static COMMAND: Command = Command {
    name: "topicStatus",
    about: "Examine topic Status info.",
    options: &[
        Opt::required("t", "topic", "topic name"),
        Opt::value("c", "cluster", "cluster name or lmq parent topic, lmq is used to find the route."),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let topic = call.arguments.required("t");
    let route_topic = call.arguments.value("c").unwrap_or(topic);
    let stats = ops::topic_stats(call.admin, route_topic, topic).await?;
    print(call.out, &stats, &call.world.local_time)
}

fn print(out: &mut dyn Write, stats: &TopicStatsTable, local_time: &LocalTime) -> Result<(), CommandError> {
    writeln!(
        out,
        "{:<32}  {:<4}  {:<20}  {:<20}    #Last Updated",
        "#Broker Name", "#QID", "#Min Offset", "#Max Offset"
    )?;
    let mut queues: Vec<_> = stats.offset_table.iter().collect();
    queues.sort_by_key(|(queue, _)| *queue);
    for (queue, offsets) in queues {
        let updated = match offsets.last_update_timestamp {
            at if at > 0 => local_time.to_millis(Timestamp(at)),
            _ => String::new(),
        };
        writeln!(
            out,
            "{:<32}  {:<4}  {:<20}  {:<20}    {updated}",
            table::front_at_least(&queue.broker_name, 32),
            queue.queue_id,
            offsets.min_offset,
            offsets.max_offset,
        )?;
    }
    writeln!(out)?;
    writeln!(out, "Topic Put TPS: {}", table::double(stats.topic_put_tps))?;
    Ok(())
}
