//! Operations that compose several calls and return data; nothing here prints.

mod cluster;
mod consumer;
mod message;
mod message_track;
mod producer;
mod runtime;
mod topic;
mod traffic;

pub use cluster::{
    addr_to_ask, addrs_of_choice, addrs_of_group, addrs_to_ask, all_addrs, broker_addr, broker_groups,
    broker_name_of_addr, broker_names, cluster_of_route, master_addrs, member_addrs,
};
pub use consumer::{
    GroupProgress, consume_stats, consumer_connection, group_progress, groups, queue_owners, retry_topic,
    running_info,
};
pub use message::{
    MessageSearch, TOOLS_CONSUMER_GROUP, find_message, message_at, no_message, queue_range, search_messages,
};
pub use message_track::{MessageTrack, TrackType, message_tracks};
pub use producer::producer_connection;
pub use runtime::{BrokerRuntime, DayTotals, day_totals};
pub use topic::{
    TopicConsumers, consumers_of_topic, merge_order_conf, queues_to_read, topic_consumers, topic_stats,
};
pub use traffic::{GroupTraffic, Rate, TopicTraffic, topic_traffic};
