//! `queryCq`: entries of a consume queue.

use std::io::Write;

use eruca_message::MessageQueue;
use eruca_protocol::body::{self, ConsumeQueueData, QueryConsumeQueueResponseBody};

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "queryCq",
    about: "Query cq command.",
    options: &[
        Opt::required("t", "topic", "topic name"),
        Opt::required("q", "queue", "queue num, ie. 1"),
        Opt::required("i", "index", "start queue index."),
        Opt::value("c", "count", "how many."),
        Opt::value("b", "broker", "broker addr."),
        Opt::value("g", "consumer", "consumer group."),
    ],
    run: |call| Box::pin(run(call)),
};

/// Entries where nothing is said.
const DEFAULT_COUNT: i32 = 10;

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let topic = arguments.required("t");
    let queue_id = arguments.parsed("q", "the number of a queue")?.unwrap_or_default();
    let index = arguments.parsed("i", "an offset, 0 or higher")?.unwrap_or_default();
    let count = arguments.parsed("c", "a number of entries")?.unwrap_or(DEFAULT_COUNT);
    let addr = match arguments.value("b").filter(|addr| !addr.is_empty()) {
        Some(addr) => addr.to_owned(),
        None => {
            let route = call.admin.examine_topic_route_info(topic).await?;
            ops::addrs_to_ask(&route).into_iter().next().ok_or_else(|| {
                CommandError::Refused(format!("no broker serves topic '{topic}' at present"))
            })?
        }
    };
    let queue = MessageQueue::new(topic, "", queue_id);
    let entries = call.admin.query_consume_queue(&addr, &queue, index, count, arguments.value("g")).await?;
    print(call.out, &entries, index)
}

fn print(
    out: &mut dyn Write,
    entries: &QueryConsumeQueueResponseBody,
    index: i64,
) -> Result<(), CommandError> {
    let line = "=".repeat(38);
    if let Some(subscription) = &entries.subscription_data {
        writeln!(out, "Subscription data: ")?;
        out.write_all(&body::to_json_pretty(subscription))?;
        writeln!(out, "\n{line}")?;
    }
    if let Some(filter) = &entries.filter_data {
        writeln!(out, "Filter data: \n{filter}\n{line}")?;
    }
    writeln!(
        out,
        "Queue data: \nmax: {}, min: {}\n{line}",
        entries.max_queue_index, entries.min_queue_index
    )?;
    for (index, entry) in (index..).zip(entries.queue_data.iter().flatten()) {
        let ConsumeQueueData { bit_map, eval, extend_data_json, msg, physic_offset, physic_size, tags_code } =
            entry;
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "null".to_owned());
        writeln!(
            out,
            "idx: {index}\nConsumeQueueData{{physicOffset={physic_offset}, physicSize={physic_size}, \
             tagsCode={tags_code}, extendDataJson='{}', bitMap='{}', eval={eval}, msg='{}'}}\n{line}",
            text(extend_data_json),
            text(bit_map),
            text(msg)
        )?;
    }
    Ok(())
}
