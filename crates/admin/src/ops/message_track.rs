//! What became of one message in every group that consumes its topic.

use std::fmt;

use eruca_message::StoredMessage;
use eruca_protocol::{
    ResponseCode,
    body::{ConsumeType, ConsumerConnection},
};

use super::{
    cluster::addr_to_ask,
    consumer::{consume_stats, consumer_connection},
    topic::consumers_of_topic,
};
use crate::{CommandError, session::Admin};

/// What became of a message in one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackType {
    /// The group's offset is past it.
    Consumed,
    /// The group's offset is past it, and its tag is none of the group's.
    ConsumedButFiltered,
    /// The group pulls by hand: the broker cannot know.
    Pull,
    /// The group's offset is before it.
    NotConsumeYet,
    /// The group has no member.
    NotOnline,
    /// Every member consumes for itself: the broker cannot know.
    ConsumeBroadcasting,
    /// It could not be found out.
    Unknown,
}

impl fmt::Display for TrackType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrackType::Consumed => "CONSUMED",
            TrackType::ConsumedButFiltered => "CONSUMED_BUT_FILTERED",
            TrackType::Pull => "PULL",
            TrackType::NotConsumeYet => "NOT_CONSUME_YET",
            TrackType::NotOnline => "NOT_ONLINE",
            TrackType::ConsumeBroadcasting => "CONSUME_BROADCASTING",
            TrackType::Unknown => "UNKNOWN",
        })
    }
}

/// What became of a message in one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTrack {
    /// The group.
    pub group: String,
    /// What became of it there.
    pub track_type: TrackType,
    /// Why it could not be found out.
    pub failure: Option<String>,
}

impl fmt::Display for MessageTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MessageTrack { group, track_type, failure } = self;
        let failure = failure.as_deref().unwrap_or("null");
        write!(f, "MessageTrack [consumerGroup={group}, trackType={track_type}, exceptionDesc={failure}]")
    }
}

/// What became of `message` in every group that consumes its topic.
pub async fn message_tracks(
    admin: &Admin,
    message: &StoredMessage,
) -> Result<Vec<MessageTrack>, CommandError> {
    let topic = message.message.topic.as_str();
    let route = admin.examine_topic_route_info(topic).await?;
    let mut tracks = Vec::new();
    for group in consumers_of_topic(admin, &route, topic).await? {
        tracks.push(match track(admin, message, &group).await {
            Ok(track_type) => MessageTrack { group, track_type, failure: None },
            Err(error) => failed(group, &error),
        });
    }
    Ok(tracks)
}

fn failed(group: String, error: &CommandError) -> MessageTrack {
    let offline = ResponseCode::CONSUMER_NOT_ONLINE;
    let described = |code: ResponseCode, text: &str| Some(format!("CODE:{} DESC:{text}", code.0));
    let (track_type, failure) = match error {
        CommandError::GroupBroadcasts { .. } => (TrackType::ConsumeBroadcasting, None),
        CommandError::GroupOffline { .. } => (TrackType::NotOnline, described(offline, &error.to_string())),
        CommandError::Call(eruca_client::CallError::Refused { code, remark, .. }) => {
            let track_type = if *code == offline { TrackType::NotOnline } else { TrackType::Unknown };
            (track_type, described(*code, remark))
        }
        other => (TrackType::Unknown, Some(other.to_string())),
    };
    MessageTrack { group, track_type, failure }
}

async fn track(admin: &Admin, message: &StoredMessage, group: &str) -> Result<TrackType, CommandError> {
    let connection = consumer_connection(admin, group).await?;
    if connection.consume_type == Some(ConsumeType::Actively) {
        return Ok(TrackType::Pull);
    }
    if !is_consumed(admin, message, group).await? {
        return Ok(TrackType::NotConsumeYet);
    }
    Ok(if is_filtered(&connection, message) { TrackType::ConsumedButFiltered } else { TrackType::Consumed })
}

/// Whether the group's offset in the message's queue is past it.
async fn is_consumed(admin: &Admin, message: &StoredMessage, group: &str) -> Result<bool, CommandError> {
    let stats = consume_stats(admin, group, None, None).await?;
    let info = admin.examine_broker_cluster_info().await?;
    let store_host = message.store_host.to_string();
    Ok(stats.offset_table.iter().any(|(queue, offsets)| {
        let holds_message = info.broker_addr_table.get(&queue.broker_name).and_then(addr_to_ask);
        queue.topic == message.message.topic
            && queue.queue_id == message.queue_id
            && holds_message == Some(store_host.as_str())
            && u64::try_from(offsets.consumer_offset).is_ok_and(|offset| offset > message.queue_offset.0)
    }))
}

fn is_filtered(connection: &ConsumerConnection, message: &StoredMessage) -> bool {
    let Some(subscription) = connection.subscription_table.get(&message.message.topic) else { return false };
    let tags = &subscription.tags_set;
    let tag = message.message.tag().unwrap_or_default();
    !(tags.is_empty() || tags.iter().any(|wanted| wanted == "*" || wanted == tag))
}
