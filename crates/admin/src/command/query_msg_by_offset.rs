//! `queryMsgByOffset`: the message at one place of one queue.

use eruca_message::MessageQueue;

use super::{Call, Command, message_detail};
use crate::{CommandError, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "queryMsgByOffset",
    about: "Query Message by offset.",
    options: &[
        Opt::required("t", "topic", "topic name"),
        Opt::required("b", "brokerName", "Broker Name"),
        Opt::required("i", "queueId", "Queue Id"),
        Opt::required("o", "offset", "Queue Offset"),
        Opt::value("f", "bodyFormat", "print message body by the specified format"),
        Opt::value("r", "routeTopic", "the topic which is used to find route info"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let topic = arguments.required("t");
    let queue_id = arguments.parsed("i", "the number of a queue")?.unwrap_or_default();
    let offset = arguments.parsed("o", "an offset, 0 or higher")?.unwrap_or_default();
    let format = message_detail::body_format(call)?;
    let queue = MessageQueue::new(topic, arguments.required("b"), queue_id);
    let route = call.admin.examine_topic_route_info(arguments.value("r").unwrap_or(topic)).await?;
    let addr = ops::broker_addr(&route, &queue.broker_name)?;
    match ops::message_at(call.admin, &addr, &queue, offset).await? {
        Some(message) => message_detail::print(call, &message, format).await,
        // The Java tool prints nothing.
        None => Err(CommandError::Refused(format!(
            "queue {queue_id} of topic '{topic}' on '{}' has no message at offset {offset}; \
             'mqadmin topicStatus -t {topic}' shows the offsets",
            queue.broker_name
        ))),
    }
}
