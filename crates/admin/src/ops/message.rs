//! Finding one message, and the range of a queue.

use eruca_client::{Boundary, CallError, QueuePull};
use eruca_message::{MessageQueue, OffsetMessageId, StoredMessage, Timestamp};

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
    let route = admin.examine_topic_route_info(topic).await?;
    let between = (now.add_ms(-UNIQUE_KEY_SPAN_MS), Timestamp(i64::MAX));
    let groups = route.broker_datas.iter().filter(|group| cluster.is_none_or(|name| name == group.cluster));
    for addr in groups.filter_map(addr_to_ask) {
        let messages = admin.query_message(addr, topic, key, UNIQUE_KEY_ANSWERS_MAX, between, true).await?;
        // Keys are found by their hash: others may have the same.
        if let Some(message) = messages.into_iter().find(|message| message.message_id() == key) {
            return Ok(Some(message));
        }
    }
    Ok(None)
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
