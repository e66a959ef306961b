//! `consumeMessage`: prints messages of a topic or of one queue, without a group's offsets being moved.

use eruca_client::{PullStatus, QueuePull};
use eruca_message::{MessageQueue, Timestamp};

use super::{Call, Command};
use crate::{Arguments, CommandError, message_text, ops, option::Opt, time_text, world::World};

pub(super) static COMMAND: Command = Command {
    name: "consumeMessage",
    about: "Consume message.",
    options: &[
        Opt::required("t", "topic", "Topic name"),
        Opt::value("b", "brokerName", "Broker name"),
        Opt::value("i", "queueId", "Queue Id"),
        Opt::value("o", "offset", "Queue offset"),
        Opt::value("g", "consumerGroup", "Consumer group name"),
        Opt::value("s", "beginTimestamp ", "Begin timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
        Opt::value("e", "endTimestamp ", "End timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
        Opt::value("c", "MessageNumber", "Number of message to be consumed"),
    ],
    run: |call| Box::pin(run(call)),
};

/// Most messages where nothing is said.
const DEFAULT_COUNT: i64 = 128;

/// What was asked for.
struct Wanted<'a> {
    topic: &'a str,
    group: &'a str,
    /// The one queue, and the offset from which on.
    queue: Option<(MessageQueue, i64)>,
    count: i64,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

fn wanted<'a>(arguments: &'a Arguments, world: &World) -> Result<Wanted<'a>, CommandError> {
    let refused = |text: &str| Err(CommandError::Refused(text.to_owned()));
    let count = arguments.parsed("c", "a positive number")?.unwrap_or(DEFAULT_COUNT);
    if count <= 0 {
        return Err(arguments.invalid("c", "a positive number").into());
    }
    let queue_id: Option<i32> = arguments.parsed("i", "the number of a queue")?;
    let offset: Option<i64> = arguments.parsed("o", "an offset, 0 or higher")?;
    let topic = arguments.required("t");
    let queue = match (arguments.value("b"), queue_id, offset) {
        (None, Some(_), _) => return refused("-i (queueId) needs -b (brokerName): which broker's queue?"),
        (_, None, Some(_)) => return refused("-o (offset) needs -i (queueId): in which queue?"),
        (Some(broker_name), Some(id), offset) => {
            Some((MessageQueue::new(topic, broker_name, id), offset.unwrap_or(0)))
        }
        (_, None, None) => None,
    };
    let (from, to) = (past_time(arguments, world, "s")?, past_time(arguments, world, "e")?);
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return refused("-s (beginTimestamp) is after -e (endTimestamp): swap them");
    }
    let group = arguments.value("g").unwrap_or(ops::TOOLS_CONSUMER_GROUP);
    Ok(Wanted { topic, group, queue, count, from, to })
}

/// The value of option `key` as a point in time that is not in the future; `None` where it is absent or not
/// positive.
fn past_time(arguments: &Arguments, world: &World, key: &str) -> Result<Option<Timestamp>, CommandError> {
    let Some(text) = arguments.value(key) else { return Ok(None) };
    match world.local_time.parse(text) {
        None => Err(arguments.invalid(key, time_text::EXPECTED).into()),
        Some(at) if at > world.now() => {
            Err(arguments.invalid(key, "a time that is not in the future").into())
        }
        Some(at) => Ok(Some(at).filter(|at| at.0 > 0)),
    }
}

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let wanted = wanted(call.arguments, call.world)?;
    let route = call.admin.examine_topic_route_info(wanted.topic).await?;
    if let Some((queue, offset)) = &wanted.queue {
        let addr = ops::broker_addr(&route, &queue.broker_name)?;
        return one_queue(call, &wanted, &addr, queue, *offset).await;
    }
    let mut count_left = wanted.count;
    for queue in ops::queues_to_read(wanted.topic, &route) {
        if count_left == 0 {
            break;
        }
        let addr = ops::broker_addr(&route, &queue.broker_name)?;
        let (first, mut next) = ops::queue_range(call.admin, &addr, &queue, wanted.from, wanted.to).await?;
        if next - first > count_left {
            writeln!(
                call.out,
                "The older {count_left} message of the {} queue will be provided",
                queue.queue_id
            )?;
            next = first + count_left - 1;
            count_left = 0;
        } else {
            count_left = (count_left - (next - first) - 1).max(0);
        }
        print_range(call, wanted.group, &addr, &queue, first, next).await?;
    }
    Ok(())
}

async fn one_queue(
    call: &mut Call<'_>,
    wanted: &Wanted<'_>,
    addr: &str,
    queue: &MessageQueue,
    offset: i64,
) -> Result<(), CommandError> {
    let (first, mut next) = ops::queue_range(call.admin, addr, queue, wanted.from, wanted.to).await?;
    if offset > next {
        writeln!(call.out, "{} no matched msg, offset={offset}", message_text::queue(queue))?;
        return Ok(());
    }
    let first = first.max(offset);
    if next - first > wanted.count {
        writeln!(call.out, "The oldler {} message will be provided", wanted.count)?;
        next = first + wanted.count - 1;
    }
    print_range(call, wanted.group, addr, queue, first, next).await
}

/// Prints the messages from `offset` to `last`, both included.
async fn print_range(
    call: &mut Call<'_>,
    group: &str,
    addr: &str,
    queue: &MessageQueue,
    mut offset: i64,
    last: i64,
) -> Result<(), CommandError> {
    while offset <= last {
        let max_messages = i32::try_from(last - offset + 1).unwrap_or(i32::MAX);
        let pull = QueuePull { group, queue, offset, max_messages, tags: "*" };
        let pulled = call.admin.pull(addr, &pull).await?;
        offset = pulled.next_begin_offset;
        let name = message_text::queue(queue);
        let status = message_text::pull_status(pulled.status);
        match pulled.status {
            PullStatus::Found => {
                writeln!(call.out, "Consume ok")?;
                for message in &pulled.messages {
                    message_text::print_line(call.out, message, true)?;
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
    Ok(())
}
