//! Settings of topics and groups on one line, as the Java tool prints them.

use eruca_protocol::body::{GroupRetryPolicy, SimpleSubscriptionData, SubscriptionGroupConfig, TopicConfig};

use crate::{java_order, table};

/// A topic's settings (Java: `TopicConfig.toString`).
pub(crate) fn topic(config: &TopicConfig) -> String {
    format!(
        "TopicConfig [topicName={}, readQueueNums={}, writeQueueNums={}, perm={}, topicFilterType={}, topicSysFlag={}, \
         order={}, attributes={}]",
        config.topic_name,
        config.read_queue_nums,
        config.write_queue_nums,
        table::permission(config.perm),
        config.topic_filter_type,
        config.topic_sys_flag,
        config.order,
        attributes(config.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
    )
}

/// Attributes in Java's order.
pub(crate) fn attributes<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut entries: Vec<(&str, &str)> = attributes.collect();
    java_order::sort_by_key(&mut entries, java_order::DEFAULT_BUCKETS, |(name, _)| name);
    table::map(entries)
}

/// A group's settings by Java's names, in Java's order; `None` for what is not set.
pub(crate) fn group_fields(config: &SubscriptionGroupConfig) -> [(&'static str, Option<String>); 15] {
    let attributes = config.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let subscriptions = config.subscription_data_set.as_ref().map(|set| {
        let topics: Vec<String> = set.iter().map(subscription).collect();
        format!("[{}]", topics.join(", "))
    });
    [
        ("groupName", Some(config.group_name.clone())),
        ("consumeEnable", Some(config.consume_enable.to_string())),
        ("consumeFromMinEnable", Some(config.consume_from_min_enable.to_string())),
        ("consumeBroadcastEnable", Some(config.consume_broadcast_enable.to_string())),
        ("consumeMessageOrderly", Some(config.consume_message_orderly.to_string())),
        ("retryQueueNums", Some(config.retry_queue_nums.to_string())),
        ("retryMaxTimes", Some(config.retry_max_times.to_string())),
        ("groupRetryPolicy", Some(retry_policy(&config.group_retry_policy))),
        ("brokerId", Some(config.broker_id.to_string())),
        ("whichBrokerWhenConsumeSlowly", Some(config.which_broker_when_consume_slowly.to_string())),
        ("notifyConsumerIdsChangedEnable", Some(config.notify_consumer_ids_changed_enable.to_string())),
        ("groupSysFlag", Some(config.group_sys_flag.to_string())),
        ("consumeTimeoutMinute", Some(config.consume_timeout_minute.to_string())),
        ("subscriptionDataSet", subscriptions),
        ("attributes", Some(self::attributes(attributes))),
    ]
}

/// A group's settings on one line (Java: `SubscriptionGroupConfig.toString`).
pub(crate) fn group(config: &SubscriptionGroupConfig) -> String {
    let fields = group_fields(config);
    let fields = fields.iter().map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("null")));
    format!("SubscriptionGroupConfig{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

fn subscription(data: &SimpleSubscriptionData) -> String {
    let SimpleSubscriptionData { topic, expression_type, expression, version } = data;
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "null".to_owned());
    format!(
        "SimpleSubscriptionData{{topic={topic}, expressionType={}, expression={}, version={version}}}",
        text(expression_type),
        text(expression)
    )
}

fn retry_policy(policy: &GroupRetryPolicy) -> String {
    let exponential = policy.exponential_retry_policy.as_ref().map(|policy| {
        let (initial, max, multiplier) = (policy.initial, policy.max, policy.multiplier);
        format!("ExponentialRetryPolicy{{initial={initial}, max={max}, multiplier={multiplier}}}")
    });
    let customized = policy.customized_retry_policy.as_ref().map(|policy| {
        let next: Vec<String> = policy.next.iter().map(i64::to_string).collect();
        format!("CustomizedRetryPolicy{{next=[{}]}}", next.join(", "))
    });
    let text = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
    format!(
        "GroupRetryPolicy{{type={}, exponentialRetryPolicy={}, customizedRetryPolicy={}}}",
        policy.policy_type.name(),
        text(exponential),
        text(customized)
    )
}
