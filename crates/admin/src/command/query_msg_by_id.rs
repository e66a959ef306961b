//! `queryMsgById`: looks messages up by their ids, and lets them be sent or consumed again.

use eruca_protocol::body::{ConsumeMessageDirectlyResult, ConsumeType};

use super::{
    Call, Command,
    message_detail::{self, BodyFormat},
};
use crate::{CommandError, message_text, ops, option::Opt, session};

pub(super) static COMMAND: Command = Command {
    name: "queryMsgById",
    about: "Query Message by Id.",
    options: &[
        Opt::required("t", "topic", "topic name"),
        Opt::required("i", "msgId", "Message Id"),
        Opt::value("g", "consumerGroup", "consumer group name"),
        Opt::value("d", "clientId", "The consumer's client id"),
        Opt::value("s", "sendMessage", "resend message"),
        Opt::value("u", "unitName", "unit name"),
        Opt::value("f", "bodyFormat", "print message body by the specified format"),
        Opt::value("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let ids = arguments.required("i").split(',').map(str::trim).filter(|id| !id.is_empty());
    let format = message_detail::body_format(call)?;
    for id in ids {
        match (arguments.value("g"), arguments.value("d"), arguments.boolean("s")) {
            (Some(group), Some(client_id), _) => consume_again(call, group, client_id, id).await?,
            (_, _, Some(true)) => send_again(call, id).await?,
            (_, _, Some(false)) => {}
            (_, _, None) => show(call, id, format).await?,
        }
    }
    Ok(())
}

async fn show(call: &mut Call<'_>, id: &str, format: Option<BodyFormat>) -> Result<(), CommandError> {
    let (topic, cluster) = (call.arguments.required("t"), call.arguments.value("c"));
    let message = ops::find_message(call.admin, cluster, topic, id, call.world.now()).await?;
    message_detail::print(call, &message, format).await
}

/// Sends a copy: the same topic, properties and body.
async fn send_again(call: &mut Call<'_>, id: &str) -> Result<(), CommandError> {
    let (topic, cluster) = (call.arguments.required("t"), call.arguments.value("c"));
    let message = ops::find_message(call.admin, cluster, topic, id, call.world.now()).await?.message;
    write!(call.out, "prepare resend msg. originalMsgId={id}")?;
    let producer = session::producer(call, false).await?;
    let sent = producer.send(message).await;
    producer.shutdown().await;
    write!(call.out, "{}", message_text::send_result(&sent?))?;
    Ok(())
}

/// Lets one member of a group consume the message once more.
pub(super) async fn consume_again(
    call: &mut Call<'_>,
    group: &str,
    client_id: &str,
    id: &str,
) -> Result<(), CommandError> {
    let (topic, cluster) = (call.arguments.required("t"), call.arguments.value("c"));
    let info = ops::running_info(call.admin, group, client_id, false).await?;
    let consume_type = info.properties.get("PROP_CONSUME_TYPE").map(String::as_str);
    if consume_type != Some(ConsumeType::Passively.name()) {
        return Err(CommandError::Refused(format!(
            "client '{client_id}' is no push consumer, only those can be given a message"
        )));
    }
    let message = ops::find_message(call.admin, cluster, topic, id, call.world.now()).await?;
    let addr = message.store_host.to_string();
    let offset_id = message.offset_message_id();
    let result = call.admin.consume_message_directly(&addr, group, client_id, topic, &offset_id).await?;
    let ConsumeMessageDirectlyResult { auto_commit, consume_result, order, remark, spent_time_mills } =
        result;
    write!(
        call.out,
        "ConsumeMessageDirectlyResult [order={order}, autoCommit={auto_commit}, consumeResult={}, remark={}, \
         spentTimeMills={spent_time_mills}]",
        consume_result.map_or("null", |result| result.name()),
        remark.as_deref().unwrap_or("null"),
    )?;
    Ok(())
}
