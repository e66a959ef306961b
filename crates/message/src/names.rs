//! Names of topics and groups: what is allowed, and which are the system's own.

/// Prefix of a group's retry topic.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Prefix of a group's dead letter topic.
pub const DLQ_PREFIX: &str = "%DLQ%";
/// Prefix of a light message queue.
pub const LMQ_PREFIX: &str = "%LMQ%";
/// Prefix by which later Java versions mark system topics.
pub const SYSTEM_TOPIC_PREFIX: &str = "rmq_sys_";
/// Prefix of system consumer groups.
pub const SYSTEM_GROUP_PREFIX: &str = "CID_RMQ_SYS_";
/// Template topic for automatic creation.
pub const AUTO_CREATE_TOPIC: &str = "TBW102";
/// Where delayed messages wait.
pub const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";
/// Where half messages wait.
pub const TRANS_HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// Where the operations on half messages are noted.
pub const TRANS_OP_HALF_TOPIC: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// The group whose offsets tell how far half messages and the operations on them are settled.
pub const TRANS_GROUP: &str = "CID_RMQ_SYS_TRANS";
/// Where half messages go whose checks are used up.
pub const TRANS_CHECK_MAX_TIME_TOPIC: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// Message trace data.
pub const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
/// Self test.
pub const SELF_TEST_TOPIC: &str = "SELF_TEST_TOPIC";
/// The Java benchmark's topic.
pub const BENCHMARK_TOPIC: &str = "BenchmarkTest";
/// Notices of moved offsets.
pub const OFFSET_MOVED_EVENT: &str = "OFFSET_MOVED_EVENT";
/// Where messages with an arbitrary delivery time wait.
pub const TIMER_TOPIC: &str = "rmq_sys_wheel_timer";

/// Prefix of the topic in which a cluster notes what was popped and acknowledged.
pub const REVIVE_TOPIC_PREFIX: &str = "rmq_sys_REVIVE_LOG_";
/// The group that reads it.
pub const REVIVE_GROUP: &str = "CID_RMQ_SYS_REVIVE_GROUP";

/// Longest topic name, in bytes; retry and dead letter topics: [`MAX_RETRY_TOPIC_LEN_BYTES`].
pub const MAX_TOPIC_LEN_BYTES: usize = 127;
/// Longest name of a retry or dead letter topic, in bytes.
pub const MAX_RETRY_TOPIC_LEN_BYTES: usize = 255;
/// Longest group name, in bytes.
pub const MAX_GROUP_LEN_BYTES: usize = 120;

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty or only blanks.
    #[error("the {kind} name is empty: give it a name of letters, digits, '%', '|', '-' or '_'")]
    Empty {
        /// `topic` or `group`.
        kind: &'static str,
    },
    /// Longer than allowed.
    #[error("the {kind} name '{name}' has {len} bytes, the limit is {limit}: choose a shorter one")]
    TooLong {
        /// `topic` or `group`.
        kind: &'static str,
        /// The name, cut where it is very long.
        name: String,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A character that names must not have.
    #[error(
        "the {kind} name '{name}' has the character {character:?}, allowed are letters, digits, '%', '|', '-' and '_'"
    )]
    BadCharacter {
        /// `topic` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The offending character.
        character: char,
    },
}

/// Checks a topic name by RocketMQ's rules.
pub fn validate_topic(topic: &str) -> Result<(), NameError> {
    let limit = if is_retry_topic(topic) || is_dlq_topic(topic) {
        MAX_RETRY_TOPIC_LEN_BYTES
    } else {
        MAX_TOPIC_LEN_BYTES
    };
    validate("topic", topic, limit)
}

/// Checks the name of a producer or consumer group by RocketMQ's rules.
pub fn validate_group(group: &str) -> Result<(), NameError> {
    validate("group", group, MAX_GROUP_LEN_BYTES)
}

pub(crate) fn validate(kind: &'static str, name: &str, limit: usize) -> Result<(), NameError> {
    if name.trim().is_empty() {
        return Err(NameError::Empty { kind });
    }
    if name.len() > limit {
        let shown: String = name.chars().take(64).collect();
        return Err(NameError::TooLong { kind, name: shown, len: name.len(), limit });
    }
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '%' | '|' | '-' | '_'))) {
        Some(character) => Err(NameError::BadCharacter { kind, name: name.to_owned(), character }),
        None => Ok(()),
    }
}

/// Whether `topic` is the retry topic of a group.
pub fn is_retry_topic(topic: &str) -> bool {
    topic.starts_with(RETRY_PREFIX)
}

/// Whether `topic` is the dead letter topic of a group.
pub fn is_dlq_topic(topic: &str) -> bool {
    topic.starts_with(DLQ_PREFIX)
}

/// Whether `name` is that of a light message queue, or of a group that consumes such queues (Java: `MixAll.isLmq`).
pub fn is_lmq(name: &str) -> bool {
    name.starts_with(LMQ_PREFIX)
}

/// The retry topic of `group`.
pub fn retry_topic(group: &str) -> String {
    format!("{RETRY_PREFIX}{group}")
}

/// Where messages of `topic` come again that `group` popped and did not acknowledge; the older form of the name.
pub fn pop_retry_topic_v1(topic: &str, group: &str) -> String {
    format!("{RETRY_PREFIX}{group}_{topic}")
}

/// The same; the newer form (`enableRetryTopicV2`), from which topic and group can be told.
pub fn pop_retry_topic_v2(topic: &str, group: &str) -> String {
    format!("{RETRY_PREFIX}{group}+{topic}")
}

/// Whether `topic` has the newer form of a pop retry topic's name.
pub fn is_pop_retry_topic_v2(topic: &str) -> bool {
    is_retry_topic(topic) && topic.contains('+')
}

/// The topic to which `topic`, a pop retry topic of `group` in either form, belongs; any other topic is its own.
pub fn pop_origin_topic<'t>(topic: &'t str, group: &str) -> &'t str {
    let rest = topic.strip_prefix(RETRY_PREFIX).and_then(|rest| rest.strip_prefix(group));
    rest.and_then(|rest| rest.strip_prefix(['_', '+'])).unwrap_or(topic)
}

/// Where the brokers of `cluster` note what was popped and acknowledged.
pub fn revive_topic(cluster: &str) -> String {
    format!("{REVIVE_TOPIC_PREFIX}{cluster}")
}

/// Whether a topic is the revive topic of a cluster.
pub fn is_revive_topic(topic: &str) -> bool {
    topic.starts_with(REVIVE_TOPIC_PREFIX)
}

/// The dead letter topic of `group`.
pub fn dlq_topic(group: &str) -> String {
    format!("{DLQ_PREFIX}{group}")
}

/// Whether `topic` is one of the system's own (Java: `TopicValidator.isSystemTopic`).
pub fn is_system_topic(topic: &str) -> bool {
    const SYSTEM: [&str; 9] = [
        AUTO_CREATE_TOPIC,
        SCHEDULE_TOPIC,
        BENCHMARK_TOPIC,
        TRANS_HALF_TOPIC,
        TRACE_TOPIC,
        TRANS_OP_HALF_TOPIC,
        TRANS_CHECK_MAX_TIME_TOPIC,
        SELF_TEST_TOPIC,
        OFFSET_MOVED_EVENT,
    ];
    SYSTEM.contains(&topic) || topic == "CHECKPOINT_TOPIC" || topic.starts_with(SYSTEM_TOPIC_PREFIX)
}

/// Whether clients must not send to `topic` (Java: `TopicValidator.isNotAllowedSendTopic`).
pub fn is_send_forbidden(topic: &str) -> bool {
    matches!(
        topic,
        SCHEDULE_TOPIC
            | TRANS_HALF_TOPIC
            | TRANS_OP_HALF_TOPIC
            | TRANS_CHECK_MAX_TIME_TOPIC
            | SELF_TEST_TOPIC
            | OFFSET_MOVED_EVENT
    )
}

/// Whether `group` is one of the system's own.
pub fn is_system_group(group: &str) -> bool {
    group.starts_with(SYSTEM_GROUP_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_rules() {
        assert!(validate_topic("orders-2_x%|").is_ok());
        assert!(matches!(validate_topic("  "), Err(NameError::Empty { .. })));
        assert!(matches!(validate_topic("a b"), Err(NameError::BadCharacter { character: ' ', .. })));
        assert!(validate_topic(&"t".repeat(127)).is_ok());
        assert!(matches!(validate_topic(&"t".repeat(128)), Err(NameError::TooLong { limit: 127, .. })));
        assert!(validate_topic(&retry_topic(&"g".repeat(120))).is_ok());
    }

    #[test]
    fn group_rules() {
        assert!(validate_group(&"g".repeat(120)).is_ok());
        assert!(validate_group(&"g".repeat(121)).is_err());
        assert!(validate_group("übel").is_err());
    }
}
