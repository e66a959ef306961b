//! How much goes through a topic, from the counters of its masters.

use eruca_protocol::body::{BrokerStatsData, TopicRouteData};

use super::{consumer::consume_stats, topic::consumers_of_topic};
use crate::{CommandError, session::Admin};

/// The counter of messages put, by topic.
const TOPIC_PUT_NUMS: &str = "TOPIC_PUT_NUMS";
/// The counter of messages got, by `topic@group`.
const GROUP_GET_NUMS: &str = "GROUP_GET_NUMS";

/// One counter, summed over brokers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rate {
    /// Messages per second in the last minute.
    pub tps: f64,
    /// Messages in the last day; in the last hour or minute where the broker has not run for longer.
    pub day_total: i64,
}

/// What one group takes of a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupTraffic {
    /// The group.
    pub group: String,
    /// What it got.
    pub get: Rate,
    /// Messages that it has yet to consume.
    pub accumulation: i64,
}

/// What goes through a topic.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicTraffic {
    /// What came in.
    pub put: Rate,
    /// What goes out, by group.
    pub groups: Vec<GroupTraffic>,
}

/// What goes through `topic`. Counters that a broker does not have count as 0.
pub async fn topic_traffic(admin: &Admin, topic: &str) -> Result<TopicTraffic, CommandError> {
    let route = admin.examine_topic_route_info(topic).await?;
    let put = rate(admin, &route, TOPIC_PUT_NUMS, topic).await;
    let mut groups = Vec::new();
    for group in consumers_of_topic(admin, &route, topic).await? {
        let get = rate(admin, &route, GROUP_GET_NUMS, &format!("{topic}@{group}")).await;
        let stats = consume_stats(admin, &group, Some(topic), None).await.unwrap_or_default();
        let diff = stats.offset_table.values().map(|queue| queue.broker_offset - queue.consumer_offset);
        groups.push(GroupTraffic { accumulation: diff.sum::<i64>().max(0), group, get });
    }
    Ok(TopicTraffic { put, groups })
}

async fn rate(admin: &Admin, route: &TopicRouteData, name: &str, key: &str) -> Rate {
    let mut sum = Rate::default();
    for master in route.broker_datas.iter().filter_map(|group| group.broker_addrs.get(&0)) {
        if let Ok(data) = admin.view_broker_stats_data(master, name, key).await {
            sum.tps += data.stats_minute.tps;
            sum.day_total += day_total(&data);
        }
    }
    sum
}

fn day_total(data: &BrokerStatsData) -> i64 {
    let sums = [data.stats_day.sum, data.stats_hour.sum, data.stats_minute.sum];
    sums.into_iter().find(|sum| *sum != 0).unwrap_or_default()
}
