//! `eruca send`: one message.

use std::io::Read;

use anyhow::Context;
use eruca_client::{Message, Producer, SendStatus};

use crate::{cli::SendArgs, ready::print_line};

/// The group of all messages that are sent so. Nobody asks it about transactions.
const PRODUCER_GROUP: &str = "eruca_send";

pub(crate) async fn run(args: SendArgs) -> anyhow::Result<()> {
    let mut message = Message::new(&args.topic, body(args.body)?);
    if let Some(tag) = args.tag {
        message = message.with_tag(tag);
    }
    if let Some(keys) = args.keys {
        message = message.with_keys(keys);
    }
    for (name, value) in args.property {
        message = message.with_property(name, value);
    }
    let name_servers = args.name_servers.namesrv;
    let producer = Producer::builder().name_servers(name_servers).group(PRODUCER_GROUP).build().await?;
    let sent = producer.send(message).await;
    producer.shutdown().await;
    let sent = sent?;
    let safety = match sent.status {
        SendStatus::Ok => "",
        SendStatus::FlushDiskTimeout => " (stored, but not flushed to disk in time)",
        SendStatus::FlushSlaveTimeout => " (stored, but not replicated in time)",
        SendStatus::SlaveNotAvailable => " (stored, but there is no slave to replicate to)",
    };
    let (queue, offset, id) = (&sent.queue, sent.queue_offset, &sent.message_id);
    print_line(&format!(
        "sent to {} queue {} of {} at offset {offset}, id {id}{safety}",
        queue.topic, queue.queue_id, queue.broker_name
    ))?;
    Ok(())
}

fn body(argument: String) -> anyhow::Result<Vec<u8>> {
    if argument != "-" {
        return Ok(argument.into_bytes());
    }
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body).context("cannot read the message from standard input")?;
    Ok(body)
}
