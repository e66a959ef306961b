//! `queryMsgByUniqueKey`: shows the messages with the id that their producer gave them.

use eruca_client::IndexKind;
use eruca_message::Timestamp;

use super::{Call, Command, message_detail, query_msg_by_id};
use crate::{CommandError, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "queryMsgByUniqueKey",
    about: "Query Message by Unique key.",
    options: &[
        Opt::required("i", "msgId", "Message Id"),
        Opt::value("g", "consumerGroup", "consumer group name"),
        Opt::value("d", "clientId", "The consumer's client id"),
        Opt::required("t", "topic", "The topic of msg"),
        Opt::flag("a", "showAll", "Print all message, the limit is 32"),
        Opt::value("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        Opt::value("s", "startTime", "startTime"),
        Opt::value("e", "endTime", "endTime"),
    ],
    run: |call| Box::pin(run(call)),
};

const ANSWERS_MAX: i32 = 32;
/// Messages are looked for so long before and after now (Java: 36 hours).
const SPAN_MS: i64 = 36 * 3_600_000;

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let (topic, id) = (arguments.required("t"), arguments.required("i"));
    if let (Some(group), Some(client_id)) = (arguments.value("g"), arguments.value("d")) {
        return query_msg_by_id::consume_again(call, group, client_id, id).await;
    }
    let time = |name| arguments.parsed::<i64>(name, "milliseconds since 1970");
    let now = call.world.now();
    // As Java: one of them alone has no effect.
    let between = match (time("s")?, time("e")?) {
        (Some(start), Some(end)) => (Timestamp(start), Timestamp(end)),
        _ => (now.add_ms(-SPAN_MS), now.add_ms(SPAN_MS)),
    };
    let search =
        ops::MessageSearch { key: id, kind: IndexKind::UniqueKey, max_messages: ANSWERS_MAX, between };
    let mut found = ops::search_messages(call.admin, arguments.value("c"), topic, &search).await?;
    if found.is_empty() {
        return Err(ops::no_message(
            topic,
            &format!("the unique key '{id}' in this span of time (see -s and -e)"),
        ));
    }
    found.sort_by_key(|message| message.store_timestamp);
    let shown = if arguments.has("a") { found.len() } else { 1 };
    for (number, message) in found.iter().take(shown).enumerate() {
        message_detail::print_found(call, message, number).await?;
    }
    Ok(())
}
