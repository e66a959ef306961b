//! `LITE_SUBSCRIPTION_CTL`: a client subscribes to lite topics.

use std::{collections::BTreeSet, sync::Arc};

use eruca_message::{
    Clock,
    lite::{lite_parts, lite_queue, validate_lite_topic},
};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{
        self, LiteSubscriptionAction, LiteSubscriptionCtlRequestBody, LiteSubscriptionDto, OffsetOption,
        OffsetOptionType,
    },
    request::NotifyUnsubscribeLiteRequest,
};
use eruca_remoting::{Caller, Reply};
use eruca_store::MessageStore;

use super::LiteShard;
use crate::{
    HandlerError,
    groups::GroupTable,
    handler::ParkedPop,
    lite::{LiteGroup, LiteRegistry, QuotaExceeded, Subscriber, Woken, wake},
    long_poll::PopHold,
    offsets::OffsetTable,
    settings::Settings,
};

/// Longest id of a client, in bytes.
const CLIENT_ID_MAX_BYTES: usize = 255;
/// `POLICY`: at the first message.
const POLICY_MIN: i64 = 1;
/// `POLICY`: behind the last one.
const POLICY_MAX: i64 = 2;

/// Answers subscriptions (Java: `LiteSubscriptionCtlProcessor`).
#[derive(Debug)]
pub struct LiteSubscriptionHandler {
    store: Arc<MessageStore>,
    groups: Arc<GroupTable>,
    offsets: Arc<OffsetTable>,
    lite: Arc<LiteRegistry>,
    hold: Arc<PopHold<ParkedPop>>,
    shard: LiteShard,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
}

/// A change, checked.
struct Change<'a> {
    client_id: &'a str,
    group: &'a str,
    topic: &'a str,
    queues: BTreeSet<String>,
    option: Option<OffsetOption>,
}

impl LiteSubscriptionHandler {
    /// A handler.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the broker that subscriptions need")]
    pub(crate) fn new(
        store: Arc<MessageStore>,
        groups: Arc<GroupTable>,
        offsets: Arc<OffsetTable>,
        lite: Arc<LiteRegistry>,
        hold: Arc<PopHold<ParkedPop>>,
        shard: LiteShard,
        settings: Arc<Settings>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        LiteSubscriptionHandler { store, groups, offsets, lite, hold, shard, settings, clock }
    }

    /// Makes the changes one after the other.
    ///
    /// # Errors
    /// One of them cannot be made: those before it are, those behind it are not.
    pub fn control(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        if request.body.is_empty() {
            return Err(illegal("Request body is null: put a subscriptionSet into it".to_owned()));
        }
        let asked: LiteSubscriptionCtlRequestBody = body::from_json(&request.body)?;
        if asked.subscription_set.is_empty() {
            return Err(illegal(
                "LiteSubscriptionCtlRequestBody is empty: put a subscriptionSet into it".to_owned(),
            ));
        }
        let mut woken = Vec::new();
        let outcome =
            asked.subscription_set.iter().try_for_each(|change| self.change(caller, change, &mut woken));
        wake(&woken, &self.hold);
        outcome?;
        Ok(Reply::AfterSettle(request.reply(ResponseCode::SUCCESS)))
    }

    fn change(
        &self,
        caller: &Caller,
        asked: &LiteSubscriptionDto,
        woken: &mut Vec<Woken>,
    ) -> Result<(), HandlerError> {
        let Some(change) = read(asked)? else { return Ok(()) };
        match asked.action.unwrap_or_default() {
            LiteSubscriptionAction::PartialAdd => {
                let group = self.admit(&change)?;
                if group.is_wildcard {
                    return Err(illegal(format!(
                        "subscribe lite operation is not supported for this group: {} subscribes to all lite topics \
                         (lite.sub.wildcard)",
                        change.group
                    )));
                }
                self.add(caller, &change, &group, woken)
            }
            LiteSubscriptionAction::CompleteAdd => {
                let group = self.admit(&change)?;
                self.replace(caller, &change, &group, woken)
            }
            LiteSubscriptionAction::PartialRemove => {
                let group = self.group(change.group)?;
                for queue in &change.queues {
                    if self.lite.unsubscribe(change.client_id, queue) && group.resets_on_unsubscribe {
                        self.offsets.assign_reset(change.group, queue, 0, 0);
                    }
                }
                Ok(())
            }
            LiteSubscriptionAction::CompleteRemove => {
                if self.lite.remove_client(change.client_id).is_some() {
                    tracing::info!(
                        client_id = change.client_id,
                        group = change.group,
                        "a client left its lite topics"
                    );
                }
                Ok(())
            }
        }
    }

    fn group(&self, group: &str) -> Result<LiteGroup, HandlerError> {
        let config = self.groups.get(group).ok_or_else(|| HandlerError::group_not_exist(group))?;
        LiteGroup::of(&config, self.settings.now().max_client_event_count).ok_or_else(|| {
            illegal(format!("group {group} is bound to no topic: set its attribute lite.bind.topic to one with lite topics"))
        })
    }

    fn admit(&self, change: &Change<'_>) -> Result<LiteGroup, HandlerError> {
        let config = self
            .groups
            .get_or_create(change.group)
            .ok_or_else(|| HandlerError::group_not_exist(change.group))?;
        if !config.consume_enable {
            return Err(illegal(format!(
                "Consumer group is not allowed to consume: consumeEnable of {} is false",
                change.group
            )));
        }
        let group = self.group(change.group)?;
        if group.topic != change.topic {
            return Err(illegal(format!(
                "group {} is bound to topic {}, not to {} (attribute lite.bind.topic)",
                change.group, group.topic, change.topic
            )));
        }
        if let Some(known) = self.lite.client(change.client_id).filter(|known| *known.group != *change.group)
        {
            return Err(illegal(format!(
                "client {} subscribes in group {} already: each client has one group, choose another client id",
                change.client_id, known.group
            )));
        }
        Ok(group)
    }

    fn add(
        &self,
        caller: &Caller,
        change: &Change<'_>,
        group: &LiteGroup,
        woken: &mut Vec<Woken>,
    ) -> Result<(), HandlerError> {
        let who = subscriber(caller, change, group);
        let ours = self.ours(change);
        let added = self.lite.add(&who, ours.clone(), self.limit(), self.clock.now()).map_err(quota)?;
        for queue in &ours {
            if group.is_exclusive {
                self.exclude(change, group, queue);
            }
            if let Some(option) = change.option {
                self.go_on_at(change, queue, option);
            }
        }
        added.iter().for_each(|queue| self.lite.notify(queue, Some(change.group), woken));
        Ok(())
    }

    fn replace(
        &self,
        caller: &Caller,
        change: &Change<'_>,
        group: &LiteGroup,
        woken: &mut Vec<Woken>,
    ) -> Result<(), HandlerError> {
        let who = subscriber(caller, change, group);
        let now = self.clock.now();
        if group.is_wildcard {
            woken.extend(self.lite.add_wildcard(&who, self.limit(), now).map_err(quota)?);
            return Ok(());
        }
        let ours = self.ours(change);
        let added = self.lite.replace(&who, ours, self.limit(), now).map_err(quota)?;
        added.iter().for_each(|queue| self.lite.notify(queue, Some(change.group), woken));
        Ok(())
    }

    /// The client that had the queue has it no more, and is told.
    fn exclude(&self, change: &Change<'_>, group: &LiteGroup, queue: &str) {
        let others = self.lite.exclude_others(change.client_id, change.group, queue);
        if !others.is_empty() && group.resets_when_exclusive {
            self.offsets.assign_reset(change.group, queue, 0, 0);
        }
        let Some((_, lite_topic)) = lite_parts(queue) else { return };
        for (client_id, other) in others {
            tracing::info!(queue, group = change.group, from = %client_id, to = change.client_id, "lite topic taken over");
            let header = NotifyUnsubscribeLiteRequest {
                lite_topic: lite_topic.to_owned(),
                consumer_group: change.group.to_owned(),
                client_id: client_id.to_string(),
            };
            if let Err(error) = other.notify(RemotingCommand::request(&header).oneway()) {
                tracing::debug!(queue, %client_id, %error, "a client did not hear that its lite topic was taken over");
            }
        }
    }

    /// The group goes on elsewhere in the queue, from its next pop on.
    fn go_on_at(&self, change: &Change<'_>, queue: &str, option: OffsetOption) {
        let max = self.store.queue_range(queue, 0).max.to_i64();
        let current = self.offsets.committed(change.group, queue, 0);
        let target = match (option.kind, option.value) {
            (OffsetOptionType::Policy, POLICY_MIN) => Some(0),
            (OffsetOptionType::Policy, POLICY_MAX) => Some(max),
            (OffsetOptionType::Offset, offset) => Some(offset.clamp(0, max)),
            (OffsetOptionType::TailN, back) => {
                current.map(|current| current.saturating_sub(back.max(0)).max(0))
            }
            // As in Java neither a time nor another rule moves it.
            _ => None,
        };
        if let Some(target) = target.filter(|target| current != Some(*target)) {
            self.offsets.assign_reset(change.group, queue, 0, target);
        }
    }

    fn ours(&self, change: &Change<'_>) -> BTreeSet<String> {
        change.queues.iter().filter(|queue| self.is_ours(queue)).cloned().collect()
    }

    /// Whether this broker keeps the queue, or has something of it.
    fn is_ours(&self, queue: &str) -> bool {
        let Some((parent, lite)) = lite_parts(queue) else { return false };
        self.shard.is_ours(parent, lite) || self.store.queue_range(queue, 0).max.0 > 0
    }

    fn limit(&self) -> usize {
        usize::try_from(self.settings.now().max_lite_subscription_count).unwrap_or(usize::MAX)
    }
}

/// Checks a change. As in Java one without client, group or topic is passed over.
fn read(asked: &LiteSubscriptionDto) -> Result<Option<Change<'_>>, HandlerError> {
    let named = |text: &'_ Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
    if !(named(&asked.client_id) && named(&asked.group) && named(&asked.topic)) {
        tracing::warn!(?asked.client_id, ?asked.group, ?asked.topic, "a change of lite subscriptions names nobody, left out");
        return Ok(None);
    }
    let (Some(client_id), Some(group), Some(topic)) = (&asked.client_id, &asked.group, &asked.topic) else {
        return Ok(None);
    };
    if client_id.len() > CLIENT_ID_MAX_BYTES {
        return Err(HandlerError::invalid_parameter(format!(
            "the client id has {} bytes, the limit is {CLIENT_ID_MAX_BYTES}",
            client_id.len()
        )));
    }
    let mut queues = BTreeSet::new();
    for lite in asked.lite_topic_set.iter().flatten() {
        validate_lite_topic(lite)?;
        queues.insert(lite_queue(topic, lite));
    }
    Ok(Some(Change { client_id, group, topic, queues, option: asked.offset_option }))
}

fn subscriber(caller: &Caller, change: &Change<'_>, group: &LiteGroup) -> Subscriber {
    Subscriber {
        client_id: change.client_id.to_owned(),
        group: change.group.to_owned(),
        topic: change.topic.to_owned(),
        ready_max: group.ready_max,
        caller: caller.clone(),
    }
}

fn illegal(remark: String) -> HandlerError {
    HandlerError::new(ResponseCode::ILLEGAL_OPERATION, remark)
}

fn quota(error: QuotaExceeded) -> HandlerError {
    HandlerError::new(ResponseCode::LITE_SUBSCRIPTION_QUOTA_EXCEEDED, error.to_string())
}
