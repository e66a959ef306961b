//! What a topic's brokers know of it, taken together.

use std::collections::BTreeMap;

use eruca_message::MessageQueue;
use eruca_protocol::body::{TopicRouteData, TopicStatsTable};

use super::cluster::{addrs_to_ask, cluster_of_route};
use crate::{CommandError, java_order, session::Admin};

const PERM_READ: i32 = 4;
const RETRY_PREFIX: &str = "%RETRY%";
const DLQ_PREFIX: &str = "%DLQ%";

/// The offsets of all queues of `topic`, from the brokers that serve `route_topic` (the topic itself, mostly).
pub async fn topic_stats(
    admin: &Admin,
    route_topic: &str,
    topic: &str,
) -> Result<TopicStatsTable, CommandError> {
    let route = admin.examine_topic_route_info(route_topic).await?;
    let mut all = TopicStatsTable::default();
    for addr in addrs_to_ask(&route) {
        let stats = admin.examine_topic_stats(&addr, topic).await?;
        all.offset_table.extend(stats.offset_table);
    }
    Ok(all)
}

/// The queues of `route` that may be read, in Java's order.
pub fn queues_to_read(topic: &str, route: &TopicRouteData) -> Vec<MessageQueue> {
    let mut queues: Vec<_> = route
        .queue_datas
        .iter()
        .filter(|queues| queues.perm & PERM_READ != 0)
        .flat_map(|queues| {
            (0..queues.read_queue_nums).map(|id| MessageQueue::new(topic, queues.broker_name.as_str(), id))
        })
        .collect();
    java_order::sort_queues(&mut queues);
    queues
}

/// A topic, its cluster and who consumes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConsumers {
    /// The topic.
    pub topic: String,
    /// Its cluster; empty where it is not known.
    pub cluster: String,
    /// The groups that have offsets of it.
    pub groups: Vec<String>,
}

/// The groups that have offsets of `topic` on any broker of its route, in Java's order.
pub async fn consumers_of_topic(
    admin: &Admin,
    route: &TopicRouteData,
    topic: &str,
) -> Result<Vec<String>, CommandError> {
    let mut groups: Vec<String> = Vec::new();
    for addr in addrs_to_ask(route) {
        for group in admin.query_topic_consume_by_who(&addr, topic).await?.group_list {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
    }
    java_order::sort_names(&mut groups);
    Ok(groups)
}

/// All topics of users and of the system with cluster and groups, but for topics of retries and dead letters. What
/// cannot be found out of one topic does not keep the others from being listed.
pub async fn topic_consumers(admin: &Admin) -> Result<Vec<TopicConsumers>, CommandError> {
    let info = admin.examine_broker_cluster_info().await?;
    let mut topics = admin.fetch_all_topic_list().await?.topic_list;
    java_order::sort_names(&mut topics);
    let mut listed = Vec::with_capacity(topics.len());
    for topic in topics {
        if topic.starts_with(RETRY_PREFIX) || topic.starts_with(DLQ_PREFIX) {
            continue;
        }
        let (mut cluster, mut groups) = (String::new(), Vec::new());
        if let Ok(route) = admin.examine_topic_route_info(&topic).await {
            cluster = cluster_of_route(&info, &route).unwrap_or_default().to_owned();
            groups = consumers_of_topic(admin, &route, &topic).await.unwrap_or_default();
        }
        listed.push(TopicConsumers { topic, cluster, groups });
    }
    Ok(listed)
}

/// The order configuration `old` (`broker-a:4;broker-b:4`) with the entry of one broker replaced by `entry`.
pub fn merge_order_conf(old: &str, entry: &str) -> String {
    let broker = |entry: &str| entry.split(':').next().unwrap_or_default().to_owned();
    let mut entries: BTreeMap<String, &str> =
        old.split(';').filter(|entry| !entry.is_empty()).map(|entry| (broker(entry), entry)).collect();
    entries.insert(broker(entry), entry);
    entries.into_values().collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_configuration_gets_one_entry_per_broker() {
        assert_eq!(merge_order_conf("", "a:4"), "a:4");
        assert_eq!(merge_order_conf("b:2;a:4", "a:8"), "a:8;b:2");
        assert_eq!(merge_order_conf("a:4", "c:1"), "a:4;c:1");
    }
}
