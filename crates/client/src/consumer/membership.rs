//! What every member of a consumer group does: say what it wants, learn which queues are its own, find where to start.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use eruca_message::{MessageQueue, Timestamp, names};
use eruca_protocol::{
    RemotingCommand, RequestCode,
    body::{
        self, CheckClientRequestBody, ConsumeFromWhere, ConsumeType, ConsumerData,
        GetConsumerListByGroupResponseBody, HeartbeatData, MessageModel,
    },
    request::{
        GetConsumerListByGroupRequest, GetMaxOffsetRequest, GetMaxOffsetResponse, GetMinOffsetRequest,
        GetMinOffsetResponse, SearchOffsetByTimestampRequest, SearchOffsetByTimestampResponse,
    },
};

use super::{
    allocation::{Allocation, Assigned},
    rebalance::AllocationStrategy,
    subscription::{Filter, Subscription},
};
use crate::{
    CallError, StartError, TopicRoute,
    client::Session,
    lock::lock,
    offset_store::{OffsetFile, OffsetStore, PersistError, default_offsets_dir},
    route_cache::MASTER_ID,
};

/// Where a group starts in a queue of which it has no offset yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsumeFrom {
    /// Behind the last message. Brokers make an exception of queues so young that their first message is still in
    /// memory: there a group starts at the first one.
    #[default]
    Last,
    /// At the first message.
    First,
    /// At the first message stored at or after this time.
    Timestamp(Timestamp),
}

/// Settings that all consumers share.
#[derive(Debug, Clone)]
pub(crate) struct MemberSettings {
    pub(crate) group: String,
    pub(crate) model: MessageModel,
    pub(crate) consume_from: ConsumeFrom,
    /// How the group's members share the queues.
    pub(crate) allocation: AllocationStrategy,
    /// Brokers say who has which queue, and whether it is pulled or popped.
    pub(crate) is_assigned_by_broker: bool,
    /// Where a broadcasting consumer keeps its offsets.
    pub(crate) offsets_dir: Option<PathBuf>,
    /// Which of the broadcasting consumers of this host and group it is.
    pub(crate) instance_name: String,
}

impl Default for MemberSettings {
    fn default() -> Self {
        MemberSettings {
            group: String::new(),
            model: MessageModel::Clustering,
            consume_from: ConsumeFrom::default(),
            allocation: AllocationStrategy::default(),
            is_assigned_by_broker: false,
            offsets_dir: None,
            instance_name: "DEFAULT".to_owned(),
        }
    }
}

/// A member of a consumer group.
pub(crate) struct Membership {
    pub(crate) session: Arc<Session>,
    pub(crate) settings: MemberSettings,
    pub(crate) offsets: OffsetStore,
    consume_type: ConsumeType,
    subscriptions: Mutex<BTreeMap<String, Arc<Subscription>>>,
}

impl Membership {
    pub(crate) fn new(
        session: Arc<Session>,
        settings: MemberSettings,
        consume_type: ConsumeType,
        subscriptions: &[(String, Filter)],
    ) -> Result<Self, StartError> {
        names::validate_group(&settings.group).map_err(crate::ConfigError::from)?;
        let offsets = match settings.model {
            MessageModel::Broadcasting => {
                // As Java does: the name must be the same after a restart, unlike the client id on the wire.
                let owner = format!("{}@{}", session.local_ip(), settings.instance_name);
                let dir = settings.offsets_dir.clone().unwrap_or_else(default_offsets_dir);
                OffsetStore::in_file(OffsetFile::new(&dir, &owner, &settings.group))?
            }
            _ => OffsetStore::on_brokers(session.clone(), &settings.group),
        };
        let member = Membership {
            session,
            settings,
            offsets,
            consume_type,
            subscriptions: Mutex::new(BTreeMap::new()),
        };
        for (topic, filter) in subscriptions {
            names::validate_topic(topic).map_err(crate::ConfigError::from)?;
            member.subscribe(topic, filter);
        }
        Ok(member)
    }

    pub(crate) fn group(&self) -> &str {
        &self.settings.group
    }

    pub(crate) fn is_broadcasting(&self) -> bool {
        self.settings.model == MessageModel::Broadcasting
    }

    pub(crate) fn subscribe(&self, topic: &str, filter: &Filter) {
        let subscription = Subscription::new(topic, filter, self.session.now());
        lock(&self.subscriptions).insert(topic.to_owned(), Arc::new(subscription));
    }

    pub(crate) fn unsubscribe(&self, topic: &str) {
        lock(&self.subscriptions).remove(topic);
    }

    pub(crate) fn subscription(&self, topic: &str) -> Option<Arc<Subscription>> {
        lock(&self.subscriptions).get(topic).cloned()
    }

    pub(crate) fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        lock(&self.subscriptions).values().cloned().collect()
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        lock(&self.subscriptions).keys().cloned().collect()
    }

    pub(crate) fn consume_type(&self) -> ConsumeType {
        self.consume_type
    }

    /// Where the group starts, as the protocol names it.
    pub(crate) fn consume_from_where(&self) -> ConsumeFromWhere {
        match self.settings.consume_from {
            ConsumeFrom::Last => ConsumeFromWhere::LastOffset,
            ConsumeFrom::First => ConsumeFromWhere::FirstOffset,
            ConsumeFrom::Timestamp(_) => ConsumeFromWhere::Timestamp,
        }
    }

    /// What brokers are told of this member.
    pub(crate) fn heartbeat(&self) -> HeartbeatData {
        let consumer = ConsumerData {
            group_name: self.settings.group.clone(),
            consume_type: self.consume_type,
            message_model: self.settings.model,
            consume_from_where: self.consume_from_where(),
            subscription_data_set: self.subscriptions().iter().map(|s| s.data().clone()).collect(),
            unit_mode: false,
        };
        HeartbeatData {
            client_id: self.session.client_id().to_owned(),
            consumer_data_set: vec![consumer],
            ..HeartbeatData::default()
        }
    }

    /// Learns the routes and greets the brokers, so that the first round finds this member among the others.
    pub(crate) async fn introduce(&self) {
        for topic in self.topics() {
            if let Err(error) = self.session.route(&topic).await {
                tracing::debug!(topic, %error, "no route yet");
            }
        }
        self.session.heartbeat(&self.heartbeat(), false).await;
    }

    /// Asks a broker of each topic whether it takes the condition that stands for it. Brokers that cannot be asked are not
    /// waited for.
    ///
    /// # Errors
    /// A broker refuses one: it is wrong, or the broker evaluates none.
    pub(crate) async fn check_conditions(
        &self,
        subscriptions: impl IntoIterator<Item = Arc<Subscription>>,
    ) -> Result<(), CallError> {
        for subscription in subscriptions {
            if subscription.data().is_tag_type() {
                continue;
            }
            let Ok(route) = self.session.route(&subscription.data().topic).await else { continue };
            let content = CheckClientRequestBody {
                client_id: self.session.client_id().to_owned(),
                group: self.settings.group.clone(),
                namespace: None,
                subscription_data: subscription.data().clone(),
            };
            let request = RemotingCommand::request_without_header(RequestCode::CHECK_CLIENT_CONFIG)
                .with_body(body::to_json(&content));
            for broker_name in route.brokers.keys() {
                let Ok(addr) = self.session.addr_to_read(broker_name, MASTER_ID) else { continue };
                match self.session.call(&addr, request.clone()).await {
                    Err(error) if error.is_silence() => {}
                    Err(refused) => return Err(refused),
                    Ok(_) => break,
                }
            }
        }
        Ok(())
    }

    /// The queues of `topic` that are this member's. `None` where its broker does not know this member yet.
    pub(crate) async fn allocate(&self, topic: &str) -> Result<Option<Allocation>, CallError> {
        let route = self.session.route(topic).await?;
        if self.is_broadcasting() {
            return Ok(Some(Allocation::pulled(route.subscribe_queues.iter().cloned())));
        }
        if self.settings.is_assigned_by_broker {
            match self.ask_assignment(topic, &route).await? {
                Assigned::Queues(mine) => return Ok(Some(mine)),
                Assigned::NotYet => return Ok(self.not_known_yet()),
                Assigned::NotSupported => {}
            }
        }
        let client_ids = self.members(&route).await?;
        if !client_ids.iter().any(|id| id == self.session.client_id()) {
            return Ok(self.not_known_yet());
        }
        let client_id = self.session.client_id();
        let mine = self.settings.allocation.allocate(client_id, &route.subscribe_queues, &client_ids);
        Ok(Some(Allocation::pulled(mine)))
    }

    /// Lets the next heartbeat be sent at once.
    fn not_known_yet(&self) -> Option<Allocation> {
        self.session.heartbeat_due.notify_one();
        None
    }

    /// The members of the group. Asks the first broker of the topic that answers, in the order of their names: so all
    /// members ask the same one and agree.
    async fn members(&self, route: &TopicRoute) -> Result<Vec<String>, CallError> {
        let mut result = Err(CallError::BrokerUnknown { broker_name: "of the topic".into() });
        for broker_name in route.brokers.keys() {
            let addr = self.session.addr_to_read(broker_name, MASTER_ID)?;
            let header = GetConsumerListByGroupRequest { consumer_group: self.settings.group.clone() };
            result = self.session.call(&addr, RemotingCommand::request(&header)).await;
            match &result {
                // The broker knows nobody of the group: the heartbeat is still on its way.
                Err(CallError::Refused { .. }) => return Ok(Vec::new()),
                Err(_) => {}
                Ok(_) => break,
            }
        }
        Ok(result?.body::<GetConsumerListByGroupResponseBody>()?.consumer_id_list)
    }

    /// Where to start in `queue`: at the group's offset, else where the settings say. In the latter case the offset is
    /// noted, so that a restart before the first message does not lose what came in between.
    pub(crate) async fn start_offset(&self, queue: &MessageQueue) -> Result<i64, PersistError> {
        if let Some(offset) = self.offsets.read(queue).await? {
            return Ok(offset);
        }
        let offset = match self.settings.consume_from {
            // A retry topic came into being for this group: all in it is for the group.
            _ if names::is_retry_topic(&queue.topic) => 0,
            ConsumeFrom::First => 0,
            ConsumeFrom::Last => self.max_offset(queue).await?,
            ConsumeFrom::Timestamp(time) => self.offset_for_timestamp(queue, time).await?,
        };
        self.offsets.set(queue, offset);
        Ok(offset)
    }

    /// The offset that the next message of `queue` will get.
    pub(crate) async fn max_offset(&self, queue: &MessageQueue) -> Result<i64, CallError> {
        let header =
            GetMaxOffsetRequest { topic: queue.topic.clone(), queue_id: queue.queue_id, committed: true };
        let answer = self.ask(queue, RemotingCommand::request(&header)).await?;
        Ok(answer.header::<GetMaxOffsetResponse>()?.offset)
    }

    /// The lowest offset of `queue`.
    pub(crate) async fn min_offset(&self, queue: &MessageQueue) -> Result<i64, CallError> {
        let header = GetMinOffsetRequest { topic: queue.topic.clone(), queue_id: queue.queue_id };
        let answer = self.ask(queue, RemotingCommand::request(&header)).await?;
        Ok(answer.header::<GetMinOffsetResponse>()?.offset)
    }

    /// The offset of the first message of `queue` stored at or after `time`.
    pub(crate) async fn offset_for_timestamp(
        &self,
        queue: &MessageQueue,
        time: Timestamp,
    ) -> Result<i64, CallError> {
        let header = SearchOffsetByTimestampRequest {
            topic: queue.topic.clone(),
            queue_id: queue.queue_id,
            timestamp: time.0,
            boundary_type: Some("LOWER".to_owned()),
            ..SearchOffsetByTimestampRequest::default()
        };
        let answer = self.ask(queue, RemotingCommand::request(&header)).await?;
        Ok(answer.header::<SearchOffsetByTimestampResponse>()?.offset)
    }

    async fn ask(
        &self,
        queue: &MessageQueue,
        mut request: RemotingCommand,
    ) -> Result<crate::client::Answer, CallError> {
        // Makes the broker's address known, where the queue did not come from a route of this session.
        self.session.reach(queue).await?;
        request.ext_fields.push("bname", &queue.broker_name);
        let addr = self.session.addr_to_read(&queue.broker_name, MASTER_ID)?;
        self.session.call(&addr, request).await
    }
}
