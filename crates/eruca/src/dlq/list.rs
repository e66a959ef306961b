//! `eruca dlq list`.

use anyhow::Context;
use eruca_admin::{Admin, LocalTime};
use eruca_client::StoredMessage;
use eruca_message::names::DLQ_PREFIX;

use super::{
    args::ListArgs,
    origin::original_topic,
    queues::{DlqQueue, queues_of},
};
use crate::ready::print_line;

/// Characters of a body that are shown.
const BODY_SHOWN: usize = 60;

pub(super) async fn run(admin: &Admin, args: ListArgs) -> anyhow::Result<()> {
    match args.group {
        Some(group) => messages(admin, &group, args.limit).await,
        None => groups(admin).await,
    }
}

async fn groups(admin: &Admin) -> anyhow::Result<()> {
    let topics = admin.fetch_all_topic_list().await.context("the name servers cannot be asked for topics")?;
    let mut groups: Vec<&str> =
        topics.topic_list.iter().filter_map(|topic| topic.strip_prefix(DLQ_PREFIX)).collect();
    groups.sort_unstable();
    if groups.is_empty() {
        return Ok(print_line("no group has dead letters")?);
    }
    print_line(&format!("{:<40} {:>10} {:>14}", "group", "messages", "not sent again"))?;
    for group in groups {
        match queues_of(admin, group).await {
            Ok(queues) => {
                let sum = |of: fn(&DlqQueue) -> i64| queues.iter().map(of).sum::<i64>();
                let (all, open) = (sum(DlqQueue::len), sum(DlqQueue::open));
                print_line(&format!("{group:<40} {all:>10} {open:>14}"))?;
            }
            Err(error) => print_line(&format!("{group:<40} {error:#}"))?,
        }
    }
    Ok(())
}

async fn messages(admin: &Admin, group: &str, limit: u64) -> anyhow::Result<()> {
    let time = LocalTime::of_this_machine();
    let mut shown = 0;
    let queues = queues_of(admin, group).await?;
    let all: i64 = queues.iter().map(DlqQueue::len).sum();
    if all == 0 {
        return Ok(print_line(&format!("group {group} has no dead letters"))?);
    }
    for queue in queues {
        let mut at = queue.first;
        while at < queue.next && shown < limit {
            let (messages, next) = queue.read(admin, at).await?;
            for dead in messages {
                if shown == limit {
                    break;
                }
                shown += 1;
                print_line(&line(&dead, &queue.queue.broker_name, queue.redriven, &time))?;
            }
            at = next;
        }
    }
    let hidden = u64::try_from(all).unwrap_or_default().saturating_sub(shown);
    if hidden > 0 {
        print_line(&format!("and {hidden} more: --limit {all} shows all"))?;
    }
    Ok(())
}

/// One message in one line.
pub(super) fn line(dead: &StoredMessage, broker: &str, redriven: i64, time: &LocalTime) -> String {
    let offset = dead.queue_offset.to_i64();
    let again = if offset < redriven { "  (sent again)" } else { "" };
    let text = String::from_utf8_lossy(&dead.message.body);
    let body: String = text.chars().take(BODY_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!(
        "{broker} {}:{offset}  {}  from {}  id {}  keys {}  {} tries  {body:?}{again}",
        dead.queue_id,
        time.to_seconds(dead.store_timestamp),
        original_topic(dead).unwrap_or("an unknown topic"),
        dead.message_id(),
        dead.message.keys().unwrap_or("-"),
        dead.reconsume_times,
    )
}
