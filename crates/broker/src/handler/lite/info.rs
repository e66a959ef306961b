//! What administrators ask of lite topics (Java: `LiteManagerProcessor`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use eruca_message::{
    QueueOffset,
    lite::{lite_parts, lite_queue, validate_lite_topic},
};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{
        self, ClientGroup, GetBrokerLiteInfoResponseBody, GetLiteClientInfoResponseBody,
        GetLiteGroupInfoResponseBody, GetLiteTopicInfoResponseBody, GetParentTopicInfoResponseBody,
        LiteLagInfo, OffsetWrapper, TopicConfig, TopicOffset,
    },
    request::{
        GetLiteClientInfoRequest, GetLiteGroupInfoRequest, GetLiteTopicInfoRequest,
        GetParentTopicInfoRequest, TriggerLiteDispatchRequest,
    },
};
use eruca_remoting::Reply;
use eruca_store::MessageStore;
use serde::Serialize;

use super::LiteShard;
use crate::{
    HandlerError,
    groups::GroupTable,
    handler::ParkedPop,
    lite::{LiteGroup, LiteRegistry, lite_queues_of, lmq_count, wake},
    long_poll::PopHold,
    offsets::OffsetTable,
    pop::PopService,
    settings::Settings,
    topics::{TopicTable, is_lite_parent, lite_expiration_minutes},
};

/// Most queues that are named of a client, as in Java.
const QUEUES_MAX: usize = 10_000;
/// Most lite topics that are named of a group.
const TOP_MAX: usize = 1_000;

/// Answers administrators.
#[derive(Debug)]
pub struct LiteInfoHandler {
    pub(crate) store: Arc<MessageStore>,
    pub(crate) topics: Arc<TopicTable>,
    pub(crate) groups: Arc<GroupTable>,
    pub(crate) offsets: Arc<OffsetTable>,
    pub(crate) lite: Arc<LiteRegistry>,
    pub(crate) pop: Arc<PopService>,
    pub(crate) hold: Arc<PopHold<ParkedPop>>,
    pub(crate) shard: LiteShard,
    pub(crate) settings: Arc<Settings>,
}

impl LiteInfoHandler {
    /// `GET_BROKER_LITE_INFO`.
    ///
    /// # Errors
    /// None so far.
    pub fn broker(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let config = self.settings.now();
        let parents = self.topics.all().into_iter().filter(|topic| is_lite_parent(topic));
        let body = GetBrokerLiteInfoResponseBody {
            store_type: config.store_type.clone(),
            max_lmq_num: config.max_lmq_consume_queue_num,
            current_lmq_num: count(lmq_count(&self.store)),
            lite_subscription_count: count(self.lite.subscriptions()),
            order_info_count: count(self.pop.orders_len()),
            cq_table_size: count(self.store.topics_with_queues().len()),
            offset_table_size: count(self.offsets.snapshot().len()),
            event_map_size: count(self.lite.len()),
            topic_meta: Some(parents.map(|topic| (topic.topic_name.clone(), ttl(&topic))).collect()),
            group_meta: Some(self.bound_groups()),
        };
        Ok(answer(request, &body))
    }

    /// `GET_PARENT_TOPIC_INFO`.
    ///
    /// # Errors
    /// There is no such topic, or it has no lite topics.
    pub fn parent(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let GetParentTopicInfoRequest { topic } = request.header()?;
        let config = self.parent_topic(&topic)?;
        let body = GetParentTopicInfoResponseBody {
            ttl: ttl(&config),
            groups: self.bound_groups().remove(&topic),
            lmq_num: count(lmq_count(&self.store)),
            lite_topic_count: count(lite_queues_of(&self.store, &topic).count()),
            topic,
        };
        Ok(answer(request, &body))
    }

    /// `GET_LITE_TOPIC_INFO`.
    ///
    /// # Errors
    /// There is no such parent topic, or the lite topic's name is none.
    pub fn topic(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let GetLiteTopicInfoRequest { parent_topic, lite_topic } = request.header()?;
        self.parent_topic(&parent_topic)?;
        validate_lite_topic(&lite_topic)?;
        let queue = lite_queue(&parent_topic, &lite_topic);
        let range = self.store.queue_range(&queue, 0);
        let last = range.max.0.checked_sub(1).map(|last| self.stored_at(&queue, last));
        let subscribers = self.lite.subscribers(&queue).into_iter();
        let body = GetLiteTopicInfoResponseBody {
            sharding_to_broker: self.shard.is_ours(&parent_topic, &lite_topic),
            subscriber: Some(
                subscribers
                    .map(|(group, client)| ClientGroup {
                        client_id: client.to_string(),
                        group: group.to_string(),
                    })
                    .collect(),
            ),
            topic_offset: TopicOffset {
                min_offset: range.min.to_i64(),
                max_offset: range.max.to_i64(),
                last_update_timestamp: last.unwrap_or(0).max(0),
            },
            parent_topic,
            lite_topic,
        };
        Ok(answer(request, &body))
    }

    /// `GET_LITE_CLIENT_INFO`.
    ///
    /// # Errors
    /// There is no such topic or group, or they do not belong together.
    pub fn client(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let GetLiteClientInfoRequest { parent_topic, group, client_id, max_count } = request.header()?;
        self.parent_topic(&parent_topic)?;
        if self.lite_group(&group)?.is_none_or(|bound| bound.topic != parent_topic) {
            return Err(HandlerError::invalid_parameter(format!(
                "Subscription [{group}]-[{parent_topic}] not match: the group's attribute lite.bind.topic says otherwise"
            )));
        }
        let most = usize::try_from(max_count).unwrap_or(0).min(QUEUES_MAX);
        if most == 0 {
            return Err(HandlerError::invalid_parameter(format!(
                "[maxCount] field invalid: {max_count}, it must be 1 or more"
            )));
        }
        let known = self.lite.client(&client_id);
        let body = GetLiteClientInfoResponseBody {
            last_access_time: known.as_ref().and_then(|known| known.popped).map_or(-1, |at| at.0),
            last_consume_time: known.as_ref().and_then(|known| known.given).map_or(0, |at| at.0),
            lite_topic_count: known.as_ref().map_or(-1, |known| count(known.queues.len())),
            lite_topic_set: known
                .map(|known| known.queues.iter().take(most).map(|queue| queue.to_string()).collect()),
            parent_topic,
            group,
            client_id,
        };
        Ok(answer(request, &body))
    }

    /// `GET_LITE_GROUP_INFO`: how far a group is, in one lite topic or in all.
    ///
    /// # Errors
    /// There is no such group, or it consumes no lite topics.
    pub fn group(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let GetLiteGroupInfoRequest { group, lite_topic, top_k } = request.header()?;
        let parent_topic = self.bound_group(&group)?.topic;
        let lite_topic = lite_topic.filter(|lite| !lite.is_empty());
        let body = GetLiteGroupInfoResponseBody { group, parent_topic, lite_topic, ..Default::default() };
        let body = match &body.lite_topic {
            Some(lite) => {
                validate_lite_topic(lite)?;
                let queue = lite_queue(&body.parent_topic, lite);
                self.group_in(&queue, body)
            }
            None => self.group_in_all(usize::try_from(top_k).unwrap_or(0).min(TOP_MAX), body),
        };
        Ok(answer(request, &body))
    }

    fn group_in(&self, queue: &str, body: GetLiteGroupInfoResponseBody) -> GetLiteGroupInfoResponseBody {
        let max = self.store.queue_range(queue, 0).max.to_i64();
        if max == 0 {
            return GetLiteGroupInfoResponseBody {
                total_lag_count: -1,
                earliest_unconsumed_timestamp: -1,
                ..body
            };
        }
        let Some(committed) =
            self.offsets.committed(&body.group, queue, 0).filter(|committed| *committed >= 0)
        else {
            return GetLiteGroupInfoResponseBody { earliest_unconsumed_timestamp: -1, ..body };
        };
        let before = u64::try_from(committed - 1).ok().map(|before| self.stored_at(queue, before));
        GetLiteGroupInfoResponseBody {
            total_lag_count: max - committed,
            earliest_unconsumed_timestamp: self.stored_at(queue, committed.unsigned_abs()),
            lite_topic_offset_wrapper: Some(OffsetWrapper {
                broker_offset: max,
                consumer_offset: committed,
                last_timestamp: before.unwrap_or(0).max(0),
                ..OffsetWrapper::default()
            }),
            ..body
        }
    }

    fn group_in_all(&self, top: usize, body: GetLiteGroupInfoResponseBody) -> GetLiteGroupInfoResponseBody {
        let mut behind: Vec<LiteLagInfo> = Vec::new();
        for queue in self.offsets.topics_of(&body.group) {
            let Some((_, lite)) = lite_parts(&queue) else { continue };
            let committed = self.offsets.committed(&body.group, &queue, 0).unwrap_or(-1);
            let lag_count = self.store.queue_range(&queue, 0).max.to_i64().saturating_sub(committed);
            if committed < 0 || lag_count <= 0 {
                continue;
            }
            let earliest_unconsumed_timestamp = self.stored_at(&queue, committed.unsigned_abs());
            behind.push(LiteLagInfo {
                lite_topic: lite.to_owned(),
                lag_count,
                earliest_unconsumed_timestamp,
            });
        }
        let total_lag_count = behind.iter().map(|lag| lag.lag_count).sum();
        behind.sort_by_key(|lag| std::cmp::Reverse(lag.lag_count));
        let most: Vec<LiteLagInfo> = behind.iter().take(top).cloned().collect();
        behind.retain(|lag| lag.earliest_unconsumed_timestamp > 0);
        behind.sort_by_key(|lag| lag.earliest_unconsumed_timestamp);
        behind.truncate(top.max(1));
        GetLiteGroupInfoResponseBody {
            total_lag_count,
            earliest_unconsumed_timestamp: behind.first().map_or(-1, |lag| lag.earliest_unconsumed_timestamp),
            lag_count_top_k: Some(most),
            lag_timestamp_top_k: Some(if top == 0 { Vec::new() } else { behind }),
            ..body
        }
    }

    /// `TRIGGER_LITE_DISPATCH`: all that a group's clients subscribe to is looked at.
    ///
    /// # Errors
    /// There is no such group, or it consumes no lite topics.
    pub fn dispatch(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let TriggerLiteDispatchRequest { group, client_id } = request.header()?;
        self.bound_group(&group)?;
        let client_id = client_id.filter(|client_id| !client_id.is_empty());
        let woken = self.lite.notify_clients(&group, client_id.as_deref());
        tracing::info!(
            group,
            ?client_id,
            clients = woken.len(),
            "lite topics looked at anew, as an administrator wants it"
        );
        wake(&woken, &self.hold);
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    fn parent_topic(&self, topic: &str) -> Result<Arc<TopicConfig>, HandlerError> {
        let config = self.topics.get(topic).ok_or_else(|| {
            HandlerError::new(ResponseCode::TOPIC_NOT_EXIST, format!("Topic [{topic}] not exist."))
        })?;
        match is_lite_parent(&config) {
            true => Ok(config),
            false => Err(HandlerError::invalid_parameter(format!(
                "Topic [{topic}] type not match: it has no lite topics, set its attribute message.type=LITE"
            ))),
        }
    }

    fn lite_group(&self, group: &str) -> Result<Option<LiteGroup>, HandlerError> {
        let config = self.groups.get(group).ok_or_else(|| {
            HandlerError::new(
                ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
                format!("Group [{group}] not exist."),
            )
        })?;
        Ok(LiteGroup::of(&config, self.settings.now().max_client_event_count))
    }

    fn bound_group(&self, group: &str) -> Result<LiteGroup, HandlerError> {
        self.lite_group(group)?.ok_or_else(|| {
            HandlerError::invalid_parameter(format!(
                "Group [{group}] is not a LITE group: set its attribute lite.bind.topic"
            ))
        })
    }

    /// The groups that are bound to a topic, by topic.
    fn bound_groups(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut bound: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for config in self.groups.all() {
            if let Some(group) = LiteGroup::of(&config, 0) {
                bound.entry(group.topic).or_default().insert(config.group_name.clone());
            }
        }
        bound
    }

    /// When a message was stored; -1 where it is not there.
    fn stored_at(&self, queue: &str, offset: u64) -> i64 {
        self.store.store_time_at(queue, 0, QueueOffset(offset)).map_or(-1, |at| at.0)
    }
}

fn answer(request: &RemotingCommand, body: &impl Serialize) -> Reply {
    Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(body)))
}

fn ttl(topic: &TopicConfig) -> i32 {
    lite_expiration_minutes(topic).and_then(|minutes| i32::try_from(minutes).ok()).unwrap_or(-1)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
