//! `eruca transactions`: half messages that are open, on Eruca's brokers and on Java's, and taking up again those that were given
//! up.
//!
//! What is open is found as a broker finds it at its start: half messages from where `CID_RMQ_SYS_TRANS` is, less what the
//! operations name ([`eruca_message::transaction`]).

use std::{
    collections::{BTreeMap, HashSet},
    str::FromStr,
};

use anyhow::{Context, bail};
use clap::Args;
use eruca_admin::{Admin, LocalTime, ops};
use eruca_client::{MessageQueue, OffsetMessageId, PullStatus, QueuePull, StoredMessage};
use eruca_message::{
    QueueOffset,
    names::{TRANS_GROUP, TRANS_HALF_TOPIC, TRANS_OP_HALF_TOPIC},
    transaction::{Half, op_offsets},
};

use crate::{cli::NameServers, ready::print_line};

/// Messages of one pull.
const PULL_BATCH: i32 = 32;
/// Characters of a body that are shown.
const BODY_SHOWN: usize = 60;

#[derive(Debug, Args)]
pub(crate) struct TransactionsArgs {
    /// The half messages of this producer group instead of an overview
    #[arg(short, long)]
    group: Option<String>,
    /// Show at most so many half messages
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Only this broker, `host:port` [default: all that the name servers know]
    #[arg(short, long, value_name = "ADDR")]
    broker: Option<String>,
    /// Let the transaction with this offset id be checked again: one that was given up (a message of TRANS_CHECK_MAX_TIME_TOPIC),
    /// or one that is open
    #[arg(long, value_name = "OFFSET_ID", conflicts_with = "group")]
    resume: Option<String>,
    #[command(flatten)]
    name_servers: NameServers,
}

/// An open half message.
struct Open {
    broker: String,
    topic: String,
    group: String,
    check_times: u32,
    message: StoredMessage,
}

pub(crate) async fn run(args: TransactionsArgs) -> anyhow::Result<()> {
    let admin = Admin::builder().name_servers(args.name_servers.namesrv.clone()).build().await?;
    let result = match &args.resume {
        Some(id) => resume(&admin, id, args.broker.as_deref()).await,
        None => list(&admin, &args).await,
    };
    admin.shutdown();
    result
}

async fn resume(admin: &Admin, id: &str, broker: Option<&str>) -> anyhow::Result<()> {
    let OffsetMessageId { store_host, .. } = OffsetMessageId::from_str(id)?;
    let addr = broker.map_or_else(|| store_host.to_string(), str::to_owned);
    admin.resume_check_half_message(&addr, id).await?;
    Ok(print_line(&format!("the transaction of {id} will be checked again"))?)
}

async fn list(admin: &Admin, args: &TransactionsArgs) -> anyhow::Result<()> {
    let brokers = match &args.broker {
        Some(addr) => vec![(ops::broker_name_of_addr(admin, addr).await?, addr.clone())],
        None => masters(admin, &args.name_servers.namesrv).await?,
    };
    let mut open = Vec::new();
    for (name, addr) in &brokers {
        open.extend(open_on(admin, name, addr).await.with_context(|| format!("broker {addr}"))?);
    }
    match &args.group {
        Some(group) => {
            open.retain(|half| half.group == *group);
            messages(&open, group, args.limit)
        }
        None => overview(&open),
    }
}

/// Name and address of every master.
async fn masters(admin: &Admin, name_servers: &str) -> anyhow::Result<Vec<(String, String)>> {
    let cluster = admin.examine_broker_cluster_info().await;
    let cluster = cluster.with_context(|| format!("name server {name_servers} cannot be asked"))?;
    let master = |(name, group): (String, eruca_protocol::body::BrokerData)| {
        group.broker_addrs.get(&0).map(|addr| (name, addr.clone()))
    };
    let masters: Vec<_> = cluster.broker_addr_table.into_iter().filter_map(master).collect();
    if masters.is_empty() {
        bail!("name server {name_servers} knows no master");
    }
    Ok(masters)
}

async fn open_on(admin: &Admin, name: &str, addr: &str) -> anyhow::Result<Vec<Open>> {
    let mut settled: HashSet<QueueOffset> = HashSet::new();
    // First the half messages: whatever is settled meanwhile is in the operations then.
    let mut halves = Vec::new();
    read_all(admin, name, addr, TRANS_HALF_TOPIC, |message| halves.push(message)).await?;
    read_all(admin, name, addr, TRANS_OP_HALF_TOPIC, |message| {
        settled.extend(op_offsets(&message.message.body))
    })
    .await?;
    let is_open = |message: &StoredMessage, half: &Half<'_>| {
        !settled.contains(&message.queue_offset)
            && half.copy_of.is_none_or(|original| !settled.contains(&original))
    };
    let open = halves.into_iter().filter_map(|message| {
        let properties = message.message.properties.to_bytes();
        let half = Half::of_properties(&properties).ok()?;
        is_open(&message, &half).then(|| Open {
            broker: name.to_owned(),
            topic: half.topic.to_owned(),
            group: half.group.to_owned(),
            check_times: half.check_times,
            message,
        })
    });
    Ok(open.collect())
}

/// All messages of a queue from where the transactions are settled.
async fn read_all(
    admin: &Admin,
    broker: &str,
    addr: &str,
    topic: &str,
    mut each: impl FnMut(StoredMessage),
) -> anyhow::Result<()> {
    let queue = MessageQueue::new(topic, broker, 0);
    let (first, end) = ops::queue_range(admin, addr, &queue, None, None).await?;
    let mut at = admin.consumer_offset(addr, TRANS_GROUP, &queue).await?.unwrap_or(first).max(first);
    while at < end {
        let group = ops::TOOLS_CONSUMER_GROUP;
        let pull = QueuePull { group, queue: &queue, offset: at, max_messages: PULL_BATCH, tags: "*" };
        let outcome = admin.pull(addr, &pull).await?;
        outcome.messages.into_iter().for_each(&mut each);
        at = match outcome.status {
            PullStatus::NoNewMessage => end,
            // A broker that answers with the same offset again would keep us for ever.
            _ => outcome.next_begin_offset.max(at + 1),
        };
    }
    Ok(())
}

fn overview(open: &[Open]) -> anyhow::Result<()> {
    if open.is_empty() {
        return Ok(print_line("no transaction is open")?);
    }
    let time = LocalTime::of_this_machine();
    let mut groups: BTreeMap<(&str, &str), (usize, eruca_message::Timestamp, u32)> = BTreeMap::new();
    for half in open {
        let born = half.message.born_timestamp;
        let row = groups.entry((&half.group, &half.topic)).or_insert((0, born, 0));
        *row = (row.0 + 1, row.1.min(born), row.2.max(half.check_times));
    }
    print_line(&format!(
        "{:<32} {:<32} {:>9} {:>11}  {}",
        "group", "topic", "open", "most checks", "oldest since"
    ))?;
    for ((group, topic), (count, oldest, checks)) in groups {
        print_line(&format!("{group:<32} {topic:<32} {count:>9} {checks:>11}  {}", time.to_seconds(oldest)))?;
    }
    Ok(())
}

fn messages(open: &[Open], group: &str, limit: usize) -> anyhow::Result<()> {
    if open.is_empty() {
        return Ok(print_line(&format!("group {group} has no open transaction"))?);
    }
    let time = LocalTime::of_this_machine();
    for half in open.iter().take(limit) {
        print_line(&line(half, &time))?;
    }
    let hidden = open.len().saturating_sub(limit);
    if hidden > 0 {
        print_line(&format!("and {hidden} more: --limit {} shows all", open.len()))?;
    }
    Ok(())
}

fn line(half: &Open, time: &LocalTime) -> String {
    let message = &half.message;
    let text = String::from_utf8_lossy(&message.message.body);
    let body: String = text.chars().take(BODY_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!(
        "{} {}  since {}  to {}  id {}  offset id {}  keys {}  {} checks  {body:?}",
        half.broker,
        message.queue_offset,
        time.to_seconds(message.born_timestamp),
        half.topic,
        message.message_id(),
        message.offset_message_id(),
        message.message.keys().unwrap_or("-"),
        half.check_times,
    )
}
