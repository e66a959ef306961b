//! `printMsg` and `printMsgByQueue`: all messages of a topic or of one queue.

use std::{collections::BTreeMap, io::Write};

use eruca_client::{PullStatus, QueuePull};
use eruca_message::{MessageQueue, StoredMessage, Timestamp};

use super::{Call, Command};
use crate::{Arguments, CommandError, message_text, ops, option::Opt, time_text};

const BEGIN: Opt =
    Opt::value("b", "beginTimestamp ", "Begin timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]");
const END: Opt = Opt::value("e", "endTimestamp ", "End timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]");
const CHARSET: Opt = Opt::value("c", "charsetName ", "CharsetName(eg: UTF-8,GBK)");
const TAGS: Opt = Opt::value("s", "subExpression ", "Subscribe Expression(eg: TagA || TagB)");

pub(super) static ALL: Command = Command {
    name: "printMsg",
    about: "Print Message Detail.",
    options: &[
        Opt::required("t", "topic", "topic name"),
        CHARSET,
        TAGS,
        BEGIN,
        END,
        Opt::value("d", "printBody ", "print body"),
        Opt::value("l", "lmqParentTopic", "Lmq parent topic, lmq is used to find the route."),
    ],
    run: |call| Box::pin(all(call)),
};

pub(super) static BY_QUEUE: Command = Command {
    name: "printMsgByQueue",
    about: "Print Message Detail by queueId.",
    options: &[
        Opt::required("t", "topic", "topic name"),
        Opt::required("a", "brokerName ", "broker name"),
        Opt::required("i", "queueId ", "queue id"),
        CHARSET,
        TAGS,
        BEGIN,
        END,
        Opt::value("p", "print msg", "print msg. eg: true | false(default)"),
        Opt::value("d", "printBody ", "print body. eg: true | false(default)"),
        Opt::value("f", "calculate", "calculate by tag. eg: true | false(default)"),
    ],
    run: |call| Box::pin(by_queue(call)),
};

/// Messages per request.
const PULL_MESSAGES: i32 = 32;

fn time(call: &Call<'_>, key: &str) -> Result<Option<Timestamp>, CommandError> {
    let arguments = call.arguments;
    let Some(text) = arguments.value(key) else { return Ok(None) };
    let at = call.world.local_time.parse(text);
    at.map(Some).ok_or_else(|| arguments.invalid(key, time_text::EXPECTED).into())
}

fn check_charset(arguments: &Arguments) -> Result<(), CommandError> {
    match arguments.value("c") {
        Some(name) if !name.eq_ignore_ascii_case("utf-8") => {
            Err(arguments.invalid("c", "UTF-8: bodies are printed in no other encoding").into())
        }
        _ => Ok(()),
    }
}

async fn all(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    check_charset(arguments)?;
    let (from, to) = (time(call, "b")?, time(call, "e")?);
    let topic = arguments.required("t");
    let route = call.admin.examine_topic_route_info(arguments.value("l").unwrap_or(topic)).await?;
    let with_body = arguments.boolean("d").unwrap_or(true);
    for queue in ops::queues_to_read(topic, &route) {
        let addr = ops::broker_addr(&route, &queue.broker_name)?;
        let (first, next) = ops::queue_range(call.admin, &addr, &queue, from, to).await?;
        let name = message_text::queue(&queue);
        writeln!(call.out, "minOffset={first}, maxOffset={next}, {name}")?;
        let mut offset = first;
        while offset < next {
            let pulled = pull(call, &addr, &queue, offset).await?;
            offset = pulled.next_begin_offset;
            let status = message_text::pull_status(pulled.status);
            match pulled.status {
                PullStatus::Found => {
                    for message in &pulled.messages {
                        message_text::print_line(call.out, message, with_body)?;
                    }
                }
                PullStatus::NoMatchedMessage => {
                    writeln!(call.out, "{name} no matched msg. status={status}, offset={offset}")?;
                }
                PullStatus::NoNewMessage | PullStatus::OffsetMoved => {
                    writeln!(call.out, "{name} print msg finished. status={status}, offset={offset}")?;
                    break;
                }
            }
        }
        writeln!(call.out, "{}", "-".repeat(56))?;
    }
    Ok(())
}

async fn pull(
    call: &Call<'_>,
    addr: &str,
    queue: &MessageQueue,
    offset: i64,
) -> Result<eruca_client::PullOutcome, CommandError> {
    let tags = call.arguments.value("s").unwrap_or("*");
    let group = ops::TOOLS_CONSUMER_GROUP;
    let pull = QueuePull { group, queue, offset, max_messages: PULL_MESSAGES, tags };
    Ok(call.admin.pull(addr, &pull).await?)
}

async fn by_queue(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    check_charset(arguments)?;
    let (from, to) = (time(call, "b")?, time(call, "e")?);
    let topic = arguments.required("t");
    let queue_id = arguments.parsed("i", "the number of a queue")?.unwrap_or_default();
    let queue = MessageQueue::new(topic, arguments.required("a"), queue_id);
    let with_messages = arguments.boolean("p").unwrap_or(false);
    let with_body = arguments.boolean("d").unwrap_or(false);
    let route = call.admin.examine_topic_route_info(topic).await?;
    let addr = ops::broker_addr(&route, &queue.broker_name)?;
    let (mut offset, next) = ops::queue_range(call.admin, &addr, &queue, from, to).await?;
    let mut tags = TagCounts::default();
    while offset < next {
        let pulled = pull(call, &addr, &queue, offset).await?;
        offset = pulled.next_begin_offset;
        if pulled.status != PullStatus::Found {
            break;
        }
        for message in &pulled.messages {
            tags.add(message);
            if with_messages {
                message_text::print_line(call.out, message, with_body)?;
            }
        }
    }
    if arguments.boolean("f") == Some(true) {
        tags.print(call.out)?;
    }
    Ok(())
}

/// How many messages carry which tag; those without one are not counted.
#[derive(Default)]
struct TagCounts(BTreeMap<String, u64>);

impl TagCounts {
    fn add(&mut self, message: &StoredMessage) {
        if let Some(tag) = message.message.tag().filter(|tag| !tag.is_empty()) {
            *self.0.entry(tag.to_owned()).or_default() += 1;
        }
    }

    /// The most frequent first.
    fn print(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let mut rows: Vec<(&String, &u64)> = self.0.iter().collect();
        rows.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (tag, count) in rows {
            writeln!(out, "Tag: {tag:<30} Count: {count}")?;
        }
        Ok(())
    }
}
