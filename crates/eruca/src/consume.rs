//! `eruca consume`: prints messages as they come, one body a line.

use std::{
    io::{self, Write},
    time::Duration,
};

use eruca_client::{CallError, ConsumeFrom, Filter, LitePullConsumer, LitePullError, MessageQueue};
use tracing::warn;

use crate::cli::{ConsumeArgs, From};

/// Whoever names no group reads as the Java system's tools do: no progress is kept, nothing is left at the broker.
const TOOLS_GROUP: &str = "TOOLS_CONSUMER";
/// Messages asked for at once.
const POLL_BATCH: usize = 32;
/// How long one look for messages waits. Only a bound: they are handed out as they come.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks for a topic that does not exist yet.
const TOPIC_PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn run(args: ConsumeArgs) -> anyhow::Result<()> {
    tokio::select! {
        result = consume(&args) => result,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn consume(args: &ConsumeArgs) -> anyhow::Result<()> {
    let from = match args.from {
        From::First => ConsumeFrom::First,
        From::Last => ConsumeFrom::Last,
    };
    let builder = LitePullConsumer::builder()
        .name_servers(&args.name_servers.namesrv)
        // One by one where the end is counted, so that a group is not told of more than was printed.
        .poll_batch(if args.count.is_some() { 1 } else { POLL_BATCH });
    let consumer = match &args.group {
        Some(group) => {
            builder.group(group).consume_from(from).subscribe(&args.topic, filter(args)).start().await?
        }
        None => {
            let builder = builder.group(TOOLS_GROUP).consume_from(from).auto_commit(None);
            builder.filter_assigned(&args.topic, filter(args)).start().await?
        }
    };
    let printed = match &args.group {
        Some(_) => print(&consumer, args).await,
        None => match assign(&consumer, &args.topic).await {
            Ok(()) => print(&consumer, args).await,
            Err(error) => Err(error.into()),
        },
    };
    consumer.shutdown().await;
    printed
}

/// Takes up all queues of `topic`, once it exists.
async fn assign(consumer: &LitePullConsumer, topic: &str) -> Result<(), LitePullError> {
    let mut has_waited = false;
    loop {
        match consumer.fetch_message_queues(topic).await {
            Err(LitePullError::Call(CallError::TopicUnknown { .. })) => {
                if !has_waited {
                    warn!(topic, "waiting for the topic, it does not exist yet");
                }
                has_waited = true;
                tokio::time::sleep(TOPIC_PAUSE).await;
            }
            Err(error) => return Err(error),
            Ok(queues) => return take_up(consumer, queues, has_waited).await,
        }
    }
}

/// Whoever waited for the topic wants its first message, whatever `--from` says of topics that exist.
async fn take_up(
    consumer: &LitePullConsumer,
    queues: Vec<MessageQueue>,
    from_first: bool,
) -> Result<(), LitePullError> {
    consumer.assign(queues.clone()).await?;
    if from_first {
        for queue in &queues {
            consumer.seek(queue, 0)?;
        }
    }
    Ok(())
}

fn filter(args: &ConsumeArgs) -> Filter {
    match &args.sql {
        Some(expression) => Filter::by_sql(expression),
        None => Filter::by_tag(&args.tag),
    }
}

async fn print(consumer: &LitePullConsumer, args: &ConsumeArgs) -> anyhow::Result<()> {
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        for message in consumer.poll(POLL_TIMEOUT).await? {
            match print_body(&message.message.body) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                printed => printed?,
            }
            left -= 1;
        }
    }
    Ok(())
}

fn print_body(body: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(body)?;
    out.write_all(b"\n")?;
    out.flush()
}
