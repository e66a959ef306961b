//! `sendMessage`: sends one message.

use std::io::Write;

use eruca_client::{Message, SendResult};
use eruca_message::MessageQueue;

use super::{Call, Command};
use crate::{CommandError, message_text, option::Opt, session};

pub(super) static COMMAND: Command = Command {
    name: "sendMessage",
    about: "Send a message.",
    options: &[
        Opt::required("t", "topic", "Topic name"),
        Opt::required("p", "body", "UTF-8 string format of the message body"),
        Opt::value("k", "key", "Message keys"),
        Opt::value("c", "tags", "Message tags"),
        Opt::value("b", "broker", "Send message to target broker"),
        Opt::value("i", "qid", "Send message to target queue"),
        Opt::value("m", "msgTraceEnable", "Message Trace Enable, Default: false"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let topic = arguments.required("t");
    let queue_id: Option<i32> = arguments.parsed("i", "the number of a queue, 0 or higher")?;
    let queue = match (arguments.value("b"), queue_id) {
        (None, Some(_)) => {
            return Err(CommandError::Refused(
                "-i (qid) needs -b (broker): which broker's queue?".to_owned(),
            ));
        }
        (Some(broker_name), Some(id)) => Some(MessageQueue::new(topic, broker_name, id)),
        (_, None) => None,
    };
    let mut message = Message::new(topic, arguments.required("p"));
    if let Some(keys) = arguments.value("k").filter(|keys| !keys.is_empty()) {
        message = message.with_keys(keys);
    }
    if let Some(tag) = arguments.value("c").filter(|tag| !tag.is_empty()) {
        message = message.with_tag(tag);
    }
    let producer = session::producer(call, arguments.boolean("m") == Some(true)).await?;
    let sent = match &queue {
        Some(queue) => producer.send_to_queue(message, queue).await,
        None => producer.send(message).await,
    };
    producer.shutdown().await;
    print(call.out, &sent?)
}

fn print(out: &mut dyn Write, sent: &SendResult) -> Result<(), CommandError> {
    writeln!(out, "{:<32}  {:<4}  {:<20}    #MsgId", "#Broker Name", "#QID", "#Send Result")?;
    writeln!(
        out,
        "{:<32}  {:<4}  {:<20}    {}",
        sent.queue.broker_name,
        sent.queue.queue_id,
        message_text::send_status(sent.status),
        sent.message_id
    )?;
    Ok(())
}
