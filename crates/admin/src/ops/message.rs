//! Finding one message, and the range of a queue.

use eruca_client::{Boundary, CallError, IndexKind, QueuePull};
use eruca_message::{MessageQueue, OffsetMessageId, StoredMessage, Timestamp, properties};

use super::cluster::addr_to_ask;
use crate::{CommandError, session::Admin};

/// How far back a message is looked for by its unique key (Java: 3 days).
const UNIQUE_KEY_SPAN_MS: i64 = 3 * 24 * 60 * 60 * 1000;
/// Most answers to a question for one unique key.
const UNIQUE_KEY_ANSWERS_MAX: i32 = 32;

/// The message of `topic` with `id`, which is an offset message id (made by the broker) or a unique key (made by the
/// producer). `cluster` restricts the brokers that are asked for a unique key, which are asked for the three days before
/// `now`.
pub async fn find_message(
    admin: &Admin,
    cluster: Option<&str>,
    topic: &str,
    id: &str,
    now: Timestamp,
) -> Result<StoredMessage, CommandError> {
    let mut failure = None;
    if let Ok(offset_id) = id.parse::<OffsetMessageId>() {
        match admin.view_message(topic, &offset_id).await {
            Ok(message) => return Ok(message),
            // A unique key may look like an offset message id: its address answers nothing or somebody else's.
            Err(error) => failure = Some(error),
        }
    }
    match find_by_unique_key(admin, cluster, topic, id, now).await? {
        Some(message) => Ok(message),
        None => Err(not_found(topic, id, failure)),
    }
}

/// That no message was found.
pub fn no_message(topic: &str, what: &str) -> CommandError {
    CommandError::Refused(format!(
        "NO_MESSAGE (208): topic '{topic}' has no message with {what}; it may have expired, or belong to another topic"
    ))
}

fn not_found(topic: &str, id: &str, failure: Option<CallError>) -> CommandError {
    let detail = failure.map(|error| format!(" (as an offset message id: {})", CommandError::from(error)));
    CommandError::Refused(format!(
        "NO_MESSAGE (208): topic '{topic}' has no message with id '{id}'{}; it may have expired, or belong to \
         another topic",
        detail.unwrap_or_default()
    ))
}

async fn find_by_unique_key(
    admin: &Admin,
    cluster: Option<&str>,
    topic: &str,
    key: &str,
    now: Timestamp,
) -> Result<Option<StoredMessage>, CommandError> {
    let search = MessageSearch {
        key,
        kind: IndexKind::UniqueKey,
        max_messages: UNIQUE_KEY_ANSWERS_MAX,
        between: (now.add_ms(-UNIQUE_KEY_SPAN_MS), Timestamp(i64::MAX)),
    };
    Ok(search_messages(admin, cluster, topic, &search).await?.into_iter().next())
}

/// What messages to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageSearch<'a> {
    /// The key.
    pub key: &'a str,
    /// What the key is.
    pub kind: IndexKind,
    /// Most messages of each broker: the newest ones.
    pub max_messages: i32,
    /// First and last time of storing.
    pub between: (Timestamp, Timestamp),
}

/// The messages of `topic` that are looked for, from every broker that has the topic, or those of one cluster. A broker
/// that does not answer is left out where others have some.
pub async fn search_messages(
    admin: &Admin,
    cluster: Option<&str>,
    topic: &str,
    search: &MessageSearch<'_>,
) -> Result<Vec<StoredMessage>, CommandError> {
    let MessageSearch { key, kind, max_messages, between } = *search;
    let route = admin.examine_topic_route_info(topic).await?;
    let (mut found, mut failure) = (Vec::new(), None);
    let groups = route.broker_datas.iter().filter(|group| cluster.is_none_or(|name| name == group.cluster));
    for addr in groups.filter_map(addr_to_ask) {
        match admin.query_message(addr, topic, key, max_messages, between, kind).await {
            // Keys are found by their hash: others may have the same.
            Ok(messages) => {
                found.extend(messages.into_iter().filter(|message| has_key(message, topic, key, kind)))
            }
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(failure) if found.is_empty() => Err(failure.into()),
        _ => Ok(found),
    }
}

fn has_key(message: &StoredMessage, topic: &str, key: &str, kind: IndexKind) -> bool {
    match kind {
        IndexKind::UniqueKey => message.message_id() == key,
        IndexKind::Key => {
            let keys = message.message.properties.get(properties::KEYS).unwrap_or_default();
            message.message.topic == topic && keys.split(' ').any(|word| word == key)
        }
        IndexKind::Tag => message.message.topic == topic && message.message.tag() == Some(key),
    }
}

/// In whose name tools read where nothing is said. Brokers know this group from the start.
pub const TOOLS_CONSUMER_GROUP: &str = "TOOLS_CONSUMER";

/// The message at `offset` of `queue` on the broker at `addr`; `None` where there is none.
pub async fn message_at(
    admin: &Admin,
    addr: &str,
    queue: &MessageQueue,
    offset: i64,
) -> Result<Option<StoredMessage>, CommandError> {
    let pull = QueuePull { group: TOOLS_CONSUMER_GROUP, queue, offset, max_messages: 1, tags: "*" };
    Ok(admin.pull(addr, &pull).await?.messages.into_iter().next())
}

/// The first and the next offset of `queue` on the broker at `addr`; bounds in time replace them.
pub async fn queue_range(
    admin: &Admin,
    addr: &str,
    queue: &MessageQueue,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<(i64, i64), CommandError> {
    let first = match from {
        Some(from) => admin.search_offset(addr, queue, from, Boundary::Lower).await?,
        None => admin.min_offset(addr, queue).await?,
    };
    let next = match to {
        Some(to) => admin.search_offset(addr, queue, to, Boundary::Lower).await?,
        None => admin.max_offset(addr, queue).await?,
    };
    Ok((first, next))
}
