//! A consumer group's members and progress, from all brokers that it uses.

use std::collections::BTreeMap;

use eruca_message::MessageQueue;
use eruca_protocol::body::{
    ConsumeStats, ConsumeType, ConsumerConnection, ConsumerRunningInfo, MessageModel,
};

use super::cluster::addrs_to_ask;
use crate::{CommandError, java_order, session::Admin};

const RETRY_PREFIX: &str = "%RETRY%";
/// Topics of this prefix have queues but no route of their own.
const LMQ_PREFIX: &str = "%LMQ%";
const WHEEL_TIMER_TOPIC: &str = "rmq_sys_wheel_timer";

/// The topic through which failed messages come back to `group`; its route tells the brokers that the group uses.
pub fn retry_topic(group: &str) -> String {
    format!("{RETRY_PREFIX}{group}")
}

/// The members of `group` and what they subscribe, from the first of its brokers that has any.
pub async fn consumer_connection(admin: &Admin, group: &str) -> Result<ConsumerConnection, CommandError> {
    let route = admin.examine_topic_route_info(&retry_topic(group)).await?;
    let mut failure = CommandError::GroupOffline { group: group.to_owned() };
    for addr in addrs_to_ask(&route) {
        match admin.examine_consumer_connection_info(&addr, group).await {
            Ok(connection) if !connection.connection_set.is_empty() => return Ok(connection),
            Ok(_) => {}
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

/// The offsets of `group` in all its topics or in `topic`, summed over its brokers. `route_topic` tells where queues
/// lie that have no route of their own.
pub async fn consume_stats(
    admin: &Admin,
    group: &str,
    topic: Option<&str>,
    route_topic: Option<&str>,
) -> Result<ConsumeStats, CommandError> {
    let addrs = brokers_of_group(admin, group, topic, route_topic).await?;
    let mut all = ConsumeStats::default();
    for addr in addrs {
        let stats = admin.examine_consume_stats(&addr, group, topic).await?;
        all.consume_tps += stats.consume_tps;
        all.offset_table.extend(stats.offset_table);
    }
    if all.offset_table.is_empty() {
        let connection = match consumer_connection(admin, group).await {
            Ok(connection) => connection,
            Err(_) => return Err(CommandError::GroupOffline { group: group.to_owned() }),
        };
        if connection.message_model == Some(MessageModel::Broadcasting) {
            return Err(CommandError::GroupBroadcasts { group: group.to_owned() });
        }
    }
    Ok(all)
}

/// One address of every broker that `group` uses: those of its retry topic, else of the topic.
async fn brokers_of_group(
    admin: &Admin,
    group: &str,
    topic: Option<&str>,
    route_topic: Option<&str>,
) -> Result<Vec<String>, CommandError> {
    let mut candidates = vec![retry_topic(group)];
    if let Some(topic) = topic {
        candidates.push(topic.to_owned());
        candidates.push(format!("{RETRY_PREFIX}{group}_{topic}"));
        if topic.starts_with(LMQ_PREFIX) || topic == WHEEL_TIMER_TOPIC {
            candidates.extend(route_topic.map(str::to_owned));
        }
    }
    let mut failure = CommandError::GroupOffline { group: group.to_owned() };
    for candidate in candidates {
        match admin.examine_topic_route_info(&candidate).await {
            Ok(route) => return Ok(addrs_to_ask(&route)),
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

/// Which client owns which queue of `group`: the part of the client id before the `@`, mostly its IP. Empty where
/// the group is offline or its members do not answer.
pub async fn queue_owners(admin: &Admin, group: &str) -> BTreeMap<MessageQueue, String> {
    let mut owners = BTreeMap::new();
    let Ok(route) = admin.examine_topic_route_info(&retry_topic(group)).await else { return owners };
    for addr in addrs_to_ask(&route) {
        let Ok(connection) = admin.examine_consumer_connection_info(&addr, group).await else { continue };
        for member in connection.connection_set {
            let info = admin.consumer_running_info(&addr, group, &member.client_id, false).await;
            let queues = info.map(|info| info.mq_table).unwrap_or_default();
            let host = member.client_id.split('@').next().unwrap_or_default();
            owners.extend(queues.into_keys().map(|queue| (queue, host.to_owned())));
        }
    }
    owners
}

/// What the member `client_id` of `group` says of itself, asked through the first broker that reaches it.
pub async fn running_info(
    admin: &Admin,
    group: &str,
    client_id: &str,
    with_threads: bool,
) -> Result<ConsumerRunningInfo, CommandError> {
    let route = admin.examine_topic_route_info(&retry_topic(group)).await?;
    let mut failure = CommandError::GroupOffline { group: group.to_owned() };
    for addr in addrs_to_ask(&route) {
        match admin.consumer_running_info(&addr, group, client_id, with_threads).await {
            Ok(info) => return Ok(info),
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

/// One row of the list of groups.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupProgress {
    /// The group.
    pub group: String,
    /// How many members it has; 0 where it is offline.
    pub members: usize,
    /// The lowest version of its members.
    pub version_min: i32,
    /// How it consumes; `None` where it is offline.
    pub consume_type: Option<ConsumeType>,
    /// Who of the group gets a message; `None` where it is offline.
    pub message_model: Option<MessageModel>,
    /// Messages that it consumes per second.
    pub consume_tps: f64,
    /// Messages that it has yet to consume.
    pub diff_total: i64,
}

/// The groups that have a retry topic, in Java's order.
pub async fn groups(admin: &Admin) -> Result<Vec<String>, CommandError> {
    let mut topics = admin.fetch_all_topic_list().await?.topic_list;
    java_order::sort_names(&mut topics);
    Ok(topics.iter().filter_map(|topic| topic.strip_prefix(RETRY_PREFIX)).map(group_of_retry_topic).collect())
}

/// The group in the name of a retry topic without its prefix. POP's are `GROUP+TOPIC` since 5.2.
fn group_of_retry_topic(name: &str) -> String {
    name.split('+').next().unwrap_or_default().to_owned()
}

/// How far `group` is. What cannot be found out of it is zero: the group is offline then.
pub async fn group_progress(admin: &Admin, group: &str) -> GroupProgress {
    let stats = consume_stats(admin, group, None, None).await.unwrap_or_default();
    let connection = consumer_connection(admin, group).await.ok();
    let members = connection.iter().flat_map(|connection| &connection.connection_set);
    GroupProgress {
        group: group.to_owned(),
        members: members.clone().count(),
        version_min: members.map(|member| member.version).min().unwrap_or_default(),
        consume_type: connection.as_ref().and_then(|connection| connection.consume_type),
        message_model: connection.as_ref().and_then(|connection| connection.message_model),
        consume_tps: stats.consume_tps,
        diff_total: stats
            .offset_table
            .values()
            .map(|queue| queue.broker_offset - queue.consumer_offset)
            .sum(),
    }
}
