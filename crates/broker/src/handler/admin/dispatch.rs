//! Which administrative code is whose.

use std::{path::PathBuf, sync::Arc};

use eruca_message::Clock;
use eruca_protocol::{RemotingCommand, RequestCode, ResponseCode};
use eruca_remoting::{Caller, Reply};
use eruca_replication::driver::Replicas;
use eruca_store::MessageStore;

use super::{
    all_offsets::AllOffsetsHandler,
    broker::BrokerAdmin,
    connections::ConnectionsHandler,
    consume_stats::{ConsumeStatsHandler, Progress},
    engines::EnginesHandler,
    group::GroupAdmin,
    relay::RelayHandler,
    reset_offset::ResetOffsetHandler,
    runtime_info::RuntimeInfo,
    topic::TopicAdmin,
    topic_stats::TopicStatsHandler,
    who_consumes::WhoConsumesHandler,
};
use crate::{
    HandlerError,
    clients::{ConsumerTable, ProducerTable},
    control::Control,
    delay::DelaySchedule,
    groups::GroupTable,
    ha::HaStatusHandler,
    lite::LiteQueues,
    offsets::OffsetTable,
    pop::PopService,
    role::RoleState,
    settings::Settings,
    stats::BrokerStats,
    stuck::StuckQueues,
    timer::TimerSchedule,
    topics::TopicTable,
    transaction::Transactions,
};

/// What the administrative handlers are made of.
#[derive(Debug, Clone)]
pub struct AdminParts {
    /// The messages.
    pub store: Arc<MessageStore>,
    /// The topics.
    pub topics: Arc<TopicTable>,
    /// The consumer groups.
    pub groups: Arc<GroupTable>,
    /// Their offsets.
    pub offsets: Arc<OffsetTable>,
    /// Who produces.
    pub producers: Arc<ProducerTable>,
    /// Who consumes.
    pub consumers: Arc<ConsumerTable>,
    /// The delay levels.
    pub delay: Arc<DelaySchedule>,
    /// Messages with a time of delivery.
    pub timers: Arc<TimerSchedule>,
    /// Pops.
    pub pop: Arc<PopService>,
    /// The transactions.
    pub transactions: Arc<Transactions>,
    /// The configuration.
    pub settings: Arc<Settings>,
    /// The counters.
    pub stats: Arc<BrokerStats>,
    /// The queues of lite topics.
    pub(crate) lite_queues: LiteQueues,
    /// Queues that nobody pulls.
    pub stuck: Arc<StuckQueues>,
    /// What the broker is in its group.
    pub role: Arc<RoleState>,
    /// Who copies the log.
    pub replicas: Arc<Replicas>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where answers are waited for.
    pub control: Arc<Control>,
    /// `host:port` that clients are told.
    pub broker_addr: String,
    /// The configuration file that was given at start.
    pub config_file: Option<PathBuf>,
}

/// Answers administrators (Java: `AdminBrokerProcessor`).
#[derive(Debug)]
pub struct AdminHandler {
    topic: TopicAdmin,
    topic_stats: TopicStatsHandler,
    group: GroupAdmin,
    consume_stats: ConsumeStatsHandler,
    reset_offset: ResetOffsetHandler,
    all_offsets: AllOffsetsHandler,
    who_consumes: WhoConsumesHandler,
    connections: ConnectionsHandler,
    relay: RelayHandler,
    broker: BrokerAdmin,
    engines: EnginesHandler,
    ha_status: HaStatusHandler,
}

impl AdminHandler {
    /// A handler of these parts.
    pub fn new(parts: AdminParts) -> Self {
        let AdminParts { store, topics, groups, offsets, producers, consumers, .. } = &parts;
        let AdminParts {
            delay,
            timers,
            pop,
            settings,
            stats,
            stuck,
            clock,
            control,
            broker_addr,
            config_file,
            ..
        } = &parts;
        AdminHandler {
            topic: TopicAdmin {
                store: store.clone(),
                topics: topics.clone(),
                offsets: offsets.clone(),
                settings: settings.clone(),
                stats: stats.clone(),
                lite_queues: parts.lite_queues.clone(),
            },
            topic_stats: TopicStatsHandler::new(
                store.clone(),
                topics.clone(),
                stats.clone(),
                settings.clone(),
            ),
            group: GroupAdmin { groups: groups.clone(), offsets: offsets.clone(), stats: stats.clone() },
            consume_stats: ConsumeStatsHandler::new(
                Progress {
                    store: store.clone(),
                    topics: topics.clone(),
                    offsets: offsets.clone(),
                    consumers: consumers.clone(),
                    stats: stats.clone(),
                    settings: settings.clone(),
                },
                groups.clone(),
                broker_addr.clone(),
                control.clone(),
                clock.clone(),
            ),
            reset_offset: ResetOffsetHandler::new(
                store.clone(),
                topics.clone(),
                groups.clone(),
                offsets.clone(),
                consumers.clone(),
                settings.clone(),
            ),
            all_offsets: AllOffsetsHandler {
                offsets: offsets.clone(),
                delay: delay.clone(),
                timers: timers.clone(),
                pop: pop.clone(),
                topics: topics.clone(),
                clock: clock.clone(),
            },
            who_consumes: WhoConsumesHandler::new(consumers.clone(), offsets.clone(), broker_addr.clone()),
            connections: ConnectionsHandler::new(consumers.clone(), producers.clone()),
            relay: RelayHandler::new(
                consumers.clone(),
                topics.clone(),
                groups.clone(),
                store.clone(),
                settings.clone(),
                control.clone(),
            ),
            ha_status: HaStatusHandler { replicas: parts.replicas.clone(), role: parts.role.clone() },
            engines: EnginesHandler::new(store.clone(), settings.clone()),
            broker: BrokerAdmin {
                runtime_info: RuntimeInfo {
                    store: store.clone(),
                    consumers: parts.consumers.clone(),
                    delay: delay.clone(),
                    timers: timers.clone(),
                    transactions: parts.transactions.clone(),
                    settings: settings.clone(),
                    stats: stats.clone(),
                    stuck: stuck.clone(),
                    role: parts.role.clone(),
                    replicas: parts.replicas.clone(),
                    clock: clock.clone(),
                },
                store: store.clone(),
                topics: topics.clone(),
                settings: settings.clone(),
                stats: stats.clone(),
                clock: clock.clone(),
                config_file: config_file.clone(),
            },
        }
    }

    /// Answers a request; `None` where its code is not administrative, or not served.
    pub fn handle(&self, caller: &Caller, request: &RemotingCommand) -> Option<Result<Reply, HandlerError>> {
        use RequestCode as Code;
        let to = self;
        Some(match request.request_code() {
            Code::UPDATE_AND_CREATE_TOPIC => to.topic.update(request),
            Code::UPDATE_AND_CREATE_TOPIC_LIST => to.topic.update_list(request),
            Code::DELETE_TOPIC_IN_BROKER => to.topic.delete(request),
            Code::CLEAN_UNUSED_TOPIC => to.topic.clean_unused(request),
            Code::GET_TOPIC_CONFIG => to.topic.config(request),
            Code::GET_ALL_TOPIC_CONFIG => to.topic.all(request),
            Code::GET_SYSTEM_TOPIC_LIST_FROM_BROKER => to.topic.system_topics(request),
            Code::GET_TOPIC_STATS_INFO => to.topic_stats.handle(request),
            Code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP => to.group.update(request),
            Code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST => to.group.update_list(request),
            Code::DELETE_SUBSCRIPTIONGROUP => to.group.delete(request),
            Code::GET_SUBSCRIPTIONGROUP_CONFIG => to.group.config(request),
            Code::UPDATE_AND_GET_GROUP_FORBIDDEN => to.group.forbidden(request),
            Code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => to.group.all(request),
            Code::GET_CONSUME_STATS => to.consume_stats.of_group(request),
            Code::GET_BROKER_CONSUME_STATS => to.consume_stats.of_broker(caller, request),
            Code::QUERY_CONSUME_TIME_SPAN => to.consume_stats.time_span(request),
            Code::INVOKE_BROKER_TO_RESET_OFFSET => to.reset_offset.reset(caller, request),
            Code::CLONE_GROUP_OFFSET => to.reset_offset.clone_offsets(caller, request),
            Code::GET_ALL_CONSUMER_OFFSET => to.all_offsets.of_consumers(request),
            Code::GET_ALL_DELAY_OFFSET => to.all_offsets.of_delay(request),
            Code::GET_TIMER_CHECK_POINT => to.all_offsets.of_timers(request),
            Code::GET_TIMER_METRICS => to.all_offsets.of_waiting_timers(request),
            Code::QUERY_TOPIC_CONSUME_BY_WHO => to.who_consumes.groups(request),
            Code::QUERY_TOPICS_BY_CONSUMER => to.who_consumes.topics(request),
            Code::QUERY_SUBSCRIPTION_BY_CONSUMER => to.who_consumes.subscription(request),
            Code::GET_CONSUMER_CONNECTION_LIST => to.connections.of_consumers(request),
            Code::GET_PRODUCER_CONNECTION_LIST => to.connections.of_producers(request),
            Code::GET_ALL_PRODUCER_INFO => to.connections.all_producers(request),
            Code::GET_CONSUMER_RUNNING_INFO => to.relay.running_info(caller, request),
            Code::CONSUME_MESSAGE_DIRECTLY => to.relay.consume_directly(caller, request),
            Code::INVOKE_BROKER_TO_GET_CONSUMER_STATUS => to.relay.consumer_status(caller, request),
            Code::GET_BROKER_CONFIG => to.broker.config(request),
            Code::UPDATE_BROKER_CONFIG => to.broker.update_config(request),
            Code::GET_BROKER_RUNTIME_INFO => to.broker.runtime_info(request),
            // As a Java broker without the RocksDB store of check points: they are in the log already.
            Code::POP_ROLLBACK => Ok(Reply::Now(request.reply(ResponseCode::SUCCESS))),
            Code::VIEW_BROKER_STATS_DATA => to.broker.stats(request),
            Code::DELETE_EXPIRED_COMMITLOG => to.broker.delete_expired(request),
            Code::CLEAN_EXPIRED_CONSUMEQUEUE => to.broker.clean_queues(request),
            Code::UPDATE_COLD_DATA_FLOW_CTR_CONFIG => to.engines.set_thresholds(request),
            Code::REMOVE_COLD_DATA_FLOW_CTR_CONFIG => to.engines.remove_threshold(request),
            Code::GET_COLD_DATA_FLOW_CTR_INFO => to.engines.told(request),
            Code::SET_COMMITLOG_READ_MODE => to.engines.set_read_ahead(request),
            Code::SWITCH_TIMER_ENGINE => to.engines.switch_timers(request),
            Code::UPDATE_AND_CREATE_STATIC_TOPIC => to.engines.static_topic(request),
            Code::GET_BROKER_HA_STATUS => to.ha_status.handle(request),
            _ => return None,
        })
    }
}
