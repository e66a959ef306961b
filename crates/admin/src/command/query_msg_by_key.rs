//! `queryMsgByKey`: lists the messages with a key or a tag.

use eruca_client::IndexKind;
use eruca_message::Timestamp;

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "queryMsgByKey",
    about: "Query Message by Key.",
    options: &[
        Opt::required("t", "topic", "Topic name"),
        Opt::required("k", "msgKey", "Message Key"),
        Opt::value("b", "beginTimestamp", "Begin timestamp(ms). default:0, eg:1676730526212"),
        Opt::value("e", "endTimestamp", "End timestamp(ms). default:Long.MAX_VALUE, eg:1676730526212"),
        Opt::value("m", "maxNum", "The maximum number of messages returned by the query, default:64"),
        Opt::value("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        Opt::value(
            "p",
            "keyType",
            "Index key type, default index key type is K, you can use K for keys OR T for tags",
        ),
        Opt::value("l", "lastKey", "Last Key"),
    ],
    run: |call| Box::pin(run(call)),
};

const MAX_NUM: i32 = 64;
const HOUR_MS: i64 = 3_600_000;

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let (topic, key) = (arguments.required("t"), arguments.required("k"));
    let time = |name| arguments.parsed::<i64>(name, "milliseconds since 1970");
    let between = (Timestamp(time("b")?.unwrap_or(0)), Timestamp(time("e")?.unwrap_or(i64::MAX)));
    let kind = match arguments.value("p") {
        None | Some("K") => IndexKind::Key,
        Some("T") => IndexKind::Tag,
        Some(_) => return Err(arguments.invalid("p", "K for keys or T for tags").into()),
    };
    let max_messages = arguments.parsed("m", "a number of messages")?.unwrap_or(MAX_NUM);
    let search = ops::MessageSearch { key, kind, max_messages, between };
    let found = ops::search_messages(call.admin, arguments.value("c"), topic, &search).await?;
    writeln!(call.out, "{:<50} {:>4} {:>40} {:<200}", "#Message ID", "#QID", "#Offset", "#IndexKey")?;
    if found.is_empty() {
        let what = if kind == IndexKind::Tag { "tag" } else { "key" };
        return Err(ops::no_message(topic, &format!("{what} '{key}' in this span of time")));
    }
    let kind = if kind == IndexKind::Tag { "T" } else { "K" };
    for message in found {
        // The form of a key in the Java broker's other kind of index, which continues a search by it.
        let hour = message.store_timestamp.0 - message.store_timestamp.0.rem_euclid(HOUR_MS);
        let id = message.message_id();
        let index_key = format!("{hour}@{topic}@{kind}@{key}@{id}@{}", message.log_offset);
        let (queue_id, offset) = (message.queue_id, message.queue_offset.0);
        writeln!(call.out, "{id:<50} {queue_id:>4} {offset:>40} {index_key:<200}")?;
    }
    Ok(())
}
