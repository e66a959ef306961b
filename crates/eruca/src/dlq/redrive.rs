//! `eruca dlq redrive`.

use std::time::Duration;

use anyhow::Context;
use eruca_admin::{Admin, LocalTime};
use eruca_client::Producer;

use super::{
    args::RedriveArgs,
    list::line,
    origin::revive,
    queues::{DlqQueue, queues_of},
};
use crate::ready::print_line;

/// The group of all messages that are sent so. Nobody asks it about transactions.
const PRODUCER_GROUP: &str = "eruca_dlq";

/// What became of the messages so far.
#[derive(Debug, Default)]
struct Count {
    sent: u64,
    /// They do not say where they came from.
    homeless: u64,
}

pub(super) async fn run(admin: &Admin, args: RedriveArgs) -> anyhow::Result<()> {
    let queues = queues_of(admin, &args.group).await?;
    let producer = match args.preview {
        true => None,
        false => {
            let name_servers = args.name_servers.namesrv.clone();
            Some(Producer::builder().name_servers(name_servers).group(PRODUCER_GROUP).build().await?)
        }
    };
    let mut count = Count::default();
    let mut result = Ok(());
    for queue in &queues {
        result = redrive(admin, producer.as_ref(), queue, &args, &mut count).await;
        if result.is_err() {
            break;
        }
    }
    if let Some(producer) = producer {
        producer.shutdown().await;
    }
    let verb = if args.preview { "would be" } else { "were" };
    print_line(&format!("{} messages of group {} {verb} sent again", count.sent, args.group))?;
    if count.homeless > 0 {
        print_line(&format!(
            "{} messages do not say from which topic they came and stay where they are",
            count.homeless
        ))?;
    }
    result
}

/// Sends what `queue` has, and notes after each pull and at the end how far it got: what is sent twice when this is
/// interrupted are at most the messages of one pull.
async fn redrive(
    admin: &Admin,
    producer: Option<&Producer>,
    queue: &DlqQueue,
    args: &RedriveArgs,
    count: &mut Count,
) -> anyhow::Result<()> {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / args.rate);
    let mut at = if args.again { queue.first } else { queue.redriven };
    let mut done = at;
    let mut result = Ok(());
    'queue: while at < queue.next {
        let (messages, next) = queue.read(admin, at).await?;
        for dead in messages {
            let offset = dead.queue_offset.to_i64();
            if offset >= queue.next || args.limit.is_some_and(|limit| count.sent >= limit) {
                break 'queue;
            }
            let shown = line(&dead, &queue.queue.broker_name, 0, &LocalTime::of_this_machine());
            let Some(message) = revive(dead, args.to_group.then_some(args.group.as_str())) else {
                count.homeless += 1;
                done = offset + 1;
                continue;
            };
            if let Some(producer) = producer {
                pace.tick().await;
                if let Err(error) = producer.send(message).await {
                    let what = format!("this message was not sent again, nor those after it: {shown}");
                    result = Err(error).context(what);
                    break 'queue;
                }
            } else {
                print_line(&shown)?;
            }
            count.sent += 1;
            done = offset + 1;
        }
        if producer.is_some() {
            queue.note_redriven(admin, done.max(queue.redriven)).await?;
        }
        at = next;
    }
    if producer.is_some() {
        queue.note_redriven(admin, done.max(queue.redriven)).await?;
    }
    result
}
