//! `queryMsgTraceById`: shows what clients tell of a message's way.

use eruca_client::IndexKind;
use eruca_message::{
    Timestamp,
    trace::{TraceError, TraceRecord},
};

use super::{Call, Command};
use crate::{
    CommandError,
    java_order::{DEFAULT_BUCKETS, sort_by_key},
    ops,
    option::Opt,
};

pub(super) static COMMAND: Command = Command {
    name: "queryMsgTraceById",
    about: "Query a message trace.",
    options: &[
        Opt::required("i", "msgId", "Message Id"),
        Opt::value("t", "traceTopic", "The name value of message trace topic"),
        Opt::value("b", "beginTimestamp", "Begin timestamp(ms). default:0, eg:1676730526212"),
        Opt::value("e", "endTimestamp", "End timestamp(ms). default:Long.MAX_VALUE, eg:1676730526212"),
        Opt::value("c", "maxNum", "The maximum number of messages returned by the query, default:64"),
    ],
    run: |call| Box::pin(run(call)),
};

const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
const MAX_NUM: i32 = 64;

/// A line of the output.
struct Row {
    group: String,
    client_host: String,
    time: Timestamp,
    cost_ms: i32,
    is_success: bool,
}

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let id = arguments.required("i");
    let topic = arguments.value("t").unwrap_or(TRACE_TOPIC);
    let time = |name| arguments.parsed::<i64>(name, "milliseconds since 1970");
    let between = (Timestamp(time("b")?.unwrap_or(0)), Timestamp(time("e")?.unwrap_or(i64::MAX)));
    let max_messages = arguments.parsed("c", "a number of messages")?.unwrap_or(MAX_NUM);
    let search = ops::MessageSearch { key: id, kind: IndexKind::Key, max_messages, between };
    let found = ops::search_messages(call.admin, None, topic, &search).await?;
    if found.is_empty() {
        return Err(ops::no_message(topic, &format!("the key '{id}' in this span of time (see -b and -e)")));
    }
    // By group, in the order in which they appear.
    let mut consumers: Vec<(String, Vec<Row>)> = Vec::new();
    let (mut unreadable, mut example): (usize, Option<TraceError>) = (0, None);
    for message in found {
        let client_host = message.born_host.ip().to_string();
        let body = String::from_utf8_lossy(&message.message.body);
        for record in TraceRecord::decode_all(&body) {
            let record = match record {
                Ok(record) if record.message_id() == id => record,
                Ok(_) => continue,
                Err(error) => {
                    unreadable += 1;
                    example.get_or_insert(error);
                    continue;
                }
            };
            match record {
                TraceRecord::Pub { group, time, cost_ms, is_success, .. } => {
                    let row = Row { group, client_host: client_host.clone(), time, cost_ms, is_success };
                    print(call, "Pub", "#ProducerGroup", "#SendTime", &[row])?;
                }
                TraceRecord::SubAfter { by, cost_ms, is_success, .. } => {
                    // Where a cloud's client did not write them, Java's tool shows what it has by default: nothing, and now.
                    let (time, group) = by.unwrap_or_else(|| (call.world.now(), String::new()));
                    let row = Row {
                        group: group.clone(),
                        client_host: client_host.clone(),
                        time,
                        cost_ms,
                        is_success,
                    };
                    match consumers.iter_mut().find(|(name, _)| *name == group) {
                        Some((_, rows)) => rows.push(row),
                        None => consumers.push((group, vec![row])),
                    }
                }
                _ => {}
            }
        }
    }
    sort_by_key(&mut consumers, DEFAULT_BUCKETS, |(group, _)| group.as_str());
    for (_, rows) in consumers {
        print(call, "Sub", "#ConsumerGroup", "#ConsumerTime", &rows)?;
    }
    if let Some(error) = example {
        writeln!(call.out, "{unreadable} trace records could not be read, for example: {error}")?;
    }
    Ok(())
}

fn print(call: &mut Call<'_>, kind: &str, group: &str, time: &str, rows: &[Row]) -> Result<(), CommandError> {
    let Call { out, world, .. } = call;
    let head = ["#ClientHost", "#CostTimes", "#Status"];
    writeln!(out, "{:<10} {group:<20} {:<20} {time:<20} {:<10} {:<10}", "#Type", head[0], head[1], head[2])?;
    for row in rows {
        let at = world.local_time.to_seconds(row.time);
        let cost = format!("{}ms", row.cost_ms);
        let status = if row.is_success { "success" } else { "failed" };
        writeln!(
            out,
            "{kind:<10} {:<20} {:<20} {at:<20} {cost:<10} {status:<10}",
            row.group, row.client_host
        )?;
    }
    writeln!(out)?;
    Ok(())
}
