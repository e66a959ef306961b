//! The parts that handlers and threads share, opened and joined.

use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
};

use eruca_message::Clock;
use eruca_protocol::body::TopicConfig;
use eruca_replication::{driver::Replicas, group::GroupLog};
use eruca_store::{Arrival, ArrivalListener, MessageStore};

use crate::{
    assignment::{ClusterQueues, MessageRequestModes},
    broker::{Environment, StartError},
    clients::{ConsumerIdsNotice, ConsumerTable, ProducerTable},
    config::BrokerConfig,
    control::Control,
    controller::ControllerHandler,
    delay::{DelaySchedule, Parking},
    dispatch::{Clients, Dispatcher, Handlers, Settled},
    filter::{CompiledFilters, ConsumerFilters},
    groups::GroupTable,
    ha::live_settings,
    handler::{
        AdminHandler, AdminParts, AssignmentHandler, ClientHandler, ConsumerListHandler,
        ConsumerOffsetHandler, Durability, EndTransactionHandler, FlushTimeouts, HeartbeatHandler,
        LiteInfoHandler, LiteShard, LiteSubscriptionHandler, LockQueueHandler, ParkedPop, ParkedPull,
        PopMessageHandler, PullMessageHandler, QueryMessageHandler, RecallMessageHandler,
        ReplyMessageHandler, SendBackHandler, SendMessageHandler,
    },
    lite::{LiteExpiry, LiteQueues, LiteRegistry},
    locks::{Majority, QueueLocks},
    long_poll::{PopHold, PullHold, PullRunner, WaiterLimits},
    offsets::OffsetTable,
    pop::{PopParts, PopService},
    registration::Membership,
    role::{Escape, RoleParts, RoleState, RoleSwitch},
    schedule::Work,
    settings::Settings,
    slave_sync::{SlaveSync, SlaveTables},
    stats::BrokerStats,
    stuck::StuckQueues,
    timer::TimerSchedule,
    topics::{BATCH, QUEUE_TYPE, TopicTable},
    transaction::{TransactionMetrics, Transactions},
};

/// What handlers and threads share.
pub(crate) struct Parts {
    pub(crate) settled: Settled,
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) role: Arc<RoleState>,
    consumers: Arc<ConsumerTable>,
    filters: Arc<CompiledFilters>,
    consumer_filters: Arc<ConsumerFilters>,
    producers: Arc<ProducerTable>,
    notice: Arc<ConsumerIdsNotice>,
    stats: Arc<BrokerStats>,
    stuck: Arc<StuckQueues>,
    delay: Arc<DelaySchedule>,
    parking: Arc<Parking>,
    timers: Arc<TimerSchedule>,
    transactions: Arc<Transactions>,
    transaction_metrics: Arc<TransactionMetrics>,
    pub(crate) hold: Arc<PullHold<ParkedPull>>,
    pub(crate) pop_hold: Arc<PopHold<ParkedPop>>,
    pop: Arc<PopService>,
    lite: Arc<LiteRegistry>,
    lite_queues: LiteQueues,
    lite_expiry: Arc<LiteExpiry>,
    modes: Arc<MessageRequestModes>,
    pub(crate) queues: Arc<ClusterQueues>,
    flush_timeouts: Arc<FlushTimeouts>,
    durability: Arc<Durability>,
    pub(crate) replicas: Arc<Replicas>,
    memory_bytes: u64,
}

impl Parts {
    pub(crate) fn open(
        store: Arc<MessageStore>,
        config: BrokerConfig,
        environment: &Environment,
        store_host: SocketAddr,
        role: Arc<RoleState>,
        group: Option<Arc<GroupLog>>,
    ) -> Result<Parts, StartError> {
        let clock = environment.clock.clone();
        let directory = config.store_root().join("config");
        let auto_create_group = config.auto_create_subscription_group;
        let settled = Settled {
            topics: Arc::new(TopicTable::open(&directory, config.topic_limits(), clock.clone())?),
            groups: Arc::new(
                GroupTable::open(&directory, auto_create_group, clock.clone())?.with_lmq(config.enable_lmq),
            ),
            offsets: Arc::new(OffsetTable::open_for(
                &directory,
                &*clock,
                config.enable_lmq,
                store.log_range().1,
            )?),
            store,
        };
        config.system_topics()?.create_in(&settled.topics);
        adopt_batch_topics(&settled);
        settled.topics.adopt_queues(&settled.store.topics_with_queues());
        settled.offsets.set_following(!role.is_master());
        let delay = Arc::new(DelaySchedule::open(&directory, settled.store.clone(), clock.clone())?);
        let settings = Arc::new(Settings::new(config));
        let stats = Arc::new(BrokerStats::new(clock.clone()));
        let timers =
            TimerSchedule::open(settled.store.clone(), settings.clone(), stats.clone(), clock.clone())?;
        let timers = Arc::new(timers);
        let hold = Arc::new(PullHold::new(WaiterLimits::default()));
        let pop_hold = Arc::new(PopHold::new());
        let lite: Arc<LiteRegistry> = Arc::default();
        let listener = Arrivals {
            hold: hold.clone(),
            pop_hold: pop_hold.clone(),
            lite: lite.clone(),
            delay: delay.clone(),
            timers: timers.clone(),
        };
        settled.store.set_arrival_listener(Arc::new(listener));
        let flush_timeouts = Arc::new(FlushTimeouts::new(settings.now().sync_flush_timeout));
        let live = live_settings(settings.clone());
        let replicas = Replicas::new(settled.store.clone(), clock.clone(), live, group);
        let durability = Durability::new(settled.store.clone(), flush_timeouts.clone(), replicas.clone());
        let level_max = settled.store.config().delay_levels.max_level();
        let parking = Arc::new(Parking::new(settings.clone(), level_max).with_counts(timers.clone()));
        let modes = MessageRequestModes::open(&directory)?;
        let queues = ClusterQueues::new(
            settings.now().name_servers()?,
            settled.topics.clone(),
            settings.clone(),
            clock.clone(),
        );
        let filters: Arc<CompiledFilters> = Arc::default();
        let consumers = Arc::new(ConsumerTable::new(filters.clone()));
        let consumer_filters = ConsumerFilters::open(
            &directory,
            settings.now().max_error_rate_of_bloom_filter,
            settings.now().expect_consumer_num_use_filter,
            settings.now().filter_data_clean_time_span,
            clock.now(),
        )?;
        let pop = PopService::open(
            &directory,
            PopParts {
                store: settled.store.clone(),
                topics: settled.topics.clone(),
                groups: settled.groups.clone(),
                offsets: settled.offsets.clone(),
                parking: parking.clone(),
                hold: pop_hold.clone(),
                lite: lite.clone(),
                settings: settings.clone(),
                clock: clock.clone(),
                store_host,
                memory_bytes: environment.memory_bytes,
            },
        )?;
        let pop = Arc::new(pop);
        let lite_queues =
            LiteQueues { store: settled.store.clone(), offsets: settled.offsets.clone(), lite: lite.clone() };
        let lite_expiry = Arc::new(LiteExpiry::new(
            lite_queues.clone(),
            settled.topics.clone(),
            pop.clone(),
            settings.clone(),
            clock.now(),
        ));
        let notice = ConsumerIdsNotice::new(consumers.clone(), settled.groups.clone(), settings.clone());
        let stuck = StuckQueues::new(
            settled.store.clone(),
            settled.topics.clone(),
            settled.offsets.clone(),
            consumers.clone(),
            hold.clone(),
            settings.clone(),
        );
        let producers: Arc<ProducerTable> = Arc::default();
        let transactions = Arc::new(Transactions::open(
            settled.store.clone(),
            settled.topics.clone(),
            settled.offsets.clone(),
            producers.clone(),
            parking.clone(),
            settings.clone(),
            stats.clone(),
            clock.clone(),
            store_host,
        ));
        Ok(Parts {
            stuck: Arc::new(stuck),
            settled,
            settings,
            stats,
            clock,
            role,
            consumers,
            filters,
            consumer_filters: Arc::new(consumer_filters),
            producers,
            transactions,
            transaction_metrics: Arc::new(TransactionMetrics::open(&directory)),
            notice: Arc::new(notice),
            delay,
            parking,
            timers,
            hold,
            pop_hold,
            pop,
            lite,
            lite_queues,
            lite_expiry,
            modes: Arc::new(modes),
            queues: Arc::new(queues),
            flush_timeouts,
            durability: Arc::new(durability),
            replicas,
            memory_bytes: environment.memory_bytes,
        })
    }

    /// The way out for what is due while this slave stands in for its master.
    pub(crate) fn set_escape(&self, control: Arc<Control>, name_servers: Vec<String>) -> Arc<Escape> {
        let (role, settings) = (self.role.clone(), self.settings.clone());
        let escape = Arc::new(Escape::new(role, settings, self.clock.clone(), control, name_servers));
        self.delay.set_escape(escape.clone());
        self.timers.set_escape(escape.clone());
        self.transactions.set_escape(escape.clone());
        self.pop.set_escape(escape.clone());
        escape.set_pop(&self.pop);
        escape
    }

    /// What is taken over from another broker of the group.
    pub(crate) fn slave_tables(&self) -> SlaveTables {
        SlaveTables {
            settled: self.settled.clone(),
            delay: self.delay.clone(),
            timers: self.timers.clone(),
            modes: self.modes.clone(),
        }
    }

    pub(crate) fn slave_sync(&self) -> SlaveSync {
        SlaveSync::new(self.slave_tables(), self.role.clone(), self.settings.clone(), self.clock.clone())
    }

    pub(crate) fn role_switch(&self) -> RoleSwitch {
        let parts = RoleParts {
            settled: self.settled.clone(),
            delay: self.delay.clone(),
            timers: self.timers.clone(),
            transactions: self.transactions.clone(),
            pop: self.pop.clone(),
        };
        RoleSwitch::new(self.role.clone(), parts)
    }

    pub(crate) fn admin(
        &self,
        broker_addr: String,
        control: Arc<Control>,
        environment: &Environment,
    ) -> AdminParts {
        AdminParts {
            store: self.settled.store.clone(),
            topics: self.settled.topics.clone(),
            groups: self.settled.groups.clone(),
            offsets: self.settled.offsets.clone(),
            producers: self.producers.clone(),
            consumers: self.consumers.clone(),
            delay: self.delay.clone(),
            timers: self.timers.clone(),
            pop: self.pop.clone(),
            transactions: self.transactions.clone(),
            lite_queues: self.lite_queues.clone(),
            settings: self.settings.clone(),
            stats: self.stats.clone(),
            stuck: self.stuck.clone(),
            role: self.role.clone(),
            replicas: self.replicas.clone(),
            clock: self.clock.clone(),
            control,
            broker_addr,
            config_file: environment.config_file.clone(),
        }
    }

    pub(crate) fn dispatcher(
        &self,
        store_host: SocketAddr,
        self_test_group: String,
        admin: AdminHandler,
        control: Arc<Control>,
        membership: Arc<Membership>,
        controller: ControllerHandler,
    ) -> Dispatcher {
        let Settled { store, topics, groups, offsets } = &self.settled;
        let pull = Arc::new(PullMessageHandler::new(
            store.clone(),
            topics.clone(),
            groups.clone(),
            self.consumers.clone(),
            offsets.clone(),
            self.hold.clone(),
            self.filters.clone(),
            self.settings.clone(),
            self.clock.clone(),
            self.memory_bytes,
            self.stats.clone(),
            control.clone(),
            self.role.clone(),
            self.parking.clone(),
            store_host,
        ));
        let runner: Weak<dyn PullRunner<ParkedPull>> = Arc::<PullMessageHandler>::downgrade(&pull);
        self.hold.set_runner(runner);
        let pop = PopMessageHandler::new(
            store.clone(),
            topics.clone(),
            groups.clone(),
            offsets.clone(),
            self.filters.clone(),
            self.consumers.clone(),
            self.pop.clone(),
            self.pop_hold.clone(),
            self.lite.clone(),
            self.settings.clone(),
            self.stats.clone(),
            self.clock.clone(),
            control.clone(),
        );
        let runner: Weak<dyn PullRunner<ParkedPop>> = Arc::<PopMessageHandler>::downgrade(&pop);
        self.pop_hold.set_runner(runner);
        let locks: Arc<QueueLocks> = Arc::default();
        let shard = LiteShard {
            queues: self.queues.clone(),
            settings: self.settings.clone(),
            control: control.clone(),
        };
        let handlers = Handlers {
            send: SendMessageHandler::new(
                store.clone(),
                topics.clone(),
                groups.clone(),
                locks.clone(),
                self.parking.clone(),
                self.transactions.clone(),
                self.settings.clone(),
                self.stats.clone(),
                self.clock.clone(),
                self.durability.clone(),
                store_host,
                self_test_group,
            ),
            pull,
            pop,
            reply: ReplyMessageHandler::new(self.producers.clone(), control.clone()),
            heartbeat: HeartbeatHandler::new(
                self.producers.clone(),
                self.consumers.clone(),
                groups.clone(),
                topics.clone(),
                self.notice.clone(),
                self.clock.clone(),
            ),
            client: ClientHandler::new(
                self.producers.clone(),
                self.consumers.clone(),
                self.notice.clone(),
                self.filters.clone(),
                self.settings.clone(),
            ),
            consumer_list: ConsumerListHandler::new(self.consumers.clone()),
            assignment: AssignmentHandler::new(
                topics.clone(),
                groups.clone(),
                self.consumers.clone(),
                self.notice.clone(),
                self.settings.clone(),
                self.modes.clone(),
                self.queues.clone(),
                control.clone(),
            ),
            lite_subscription: LiteSubscriptionHandler::new(
                store.clone(),
                groups.clone(),
                offsets.clone(),
                self.lite.clone(),
                self.pop_hold.clone(),
                shard.clone(),
                self.settings.clone(),
                self.clock.clone(),
            ),
            lite_info: LiteInfoHandler {
                store: store.clone(),
                topics: topics.clone(),
                groups: groups.clone(),
                offsets: offsets.clone(),
                lite: self.lite.clone(),
                pop: self.pop.clone(),
                hold: self.pop_hold.clone(),
                shard,
                settings: self.settings.clone(),
            },
            lock_queue: LockQueueHandler::new(locks.clone(), self.clock.clone()).with_majority(Majority {
                locks,
                membership: membership.clone(),
                settings: self.settings.clone(),
                control: control.clone(),
            }),
            recall: RecallMessageHandler::new(
                store.clone(),
                topics.clone(),
                self.parking.clone(),
                self.settings.clone(),
                self.stats.clone(),
                self.clock.clone(),
                self.durability.clone(),
                store_host,
            ),
            send_back: SendBackHandler::new(
                store.clone(),
                topics.clone(),
                groups.clone(),
                self.parking.clone(),
                self.settings.clone(),
                self.stats.clone(),
                self.clock.clone(),
                store_host,
            ),
            transaction: EndTransactionHandler::new(
                self.transactions.clone(),
                store.clone(),
                self.settings.clone(),
                self.clock.clone(),
                self.flush_timeouts.clone(),
            ),
            offset: ConsumerOffsetHandler::new(
                store.clone(),
                topics.clone(),
                groups.clone(),
                offsets.clone(),
                self.settings.clone(),
                self.memory_bytes,
            ),
            query: QueryMessageHandler::new(
                store.clone(),
                self.consumers.clone(),
                self.settings.clone(),
                control,
            ),
            admin,
            membership,
            controller,
        };
        let clients = Clients {
            producers: self.producers.clone(),
            consumers: self.consumers.clone(),
            notice: self.notice.clone(),
        };
        Dispatcher::new(
            handlers,
            self.settled.clone(),
            self.transactions.clone(),
            self.pop.clone(),
            clients,
            self.role.clone(),
            self.settings.clone(),
        )
    }

    pub(crate) fn into_work(self) -> Work {
        Work {
            settled: self.settled,
            delay: self.delay,
            timers: self.timers,
            transactions: self.transactions,
            transaction_metrics: self.transaction_metrics,
            hold: self.hold,
            pop_hold: self.pop_hold,
            pop: self.pop,
            lite_expiry: self.lite_expiry,
            modes: self.modes,
            flush_timeouts: self.flush_timeouts,
            producers: self.producers,
            consumers: self.consumers,
            consumer_filters: self.consumer_filters,
            notice: self.notice,
            stats: self.stats,
            stuck: self.stuck,
            settings: self.settings,
            clock: self.clock,
        }
    }
}

/// Topics with batch queues that `topics.json` does not know come back as what they are.
fn adopt_batch_topics(settled: &Settled) {
    for (topic, queues) in settled.store.topics_with_queues() {
        if settled.store.is_batch_topic(&topic) && !settled.topics.contains(&topic) {
            let queue_nums = queues.iter().max().map_or(1, |max| max.saturating_add(1));
            settled.topics.create_if_absent(TopicConfig {
                attributes: [(QUEUE_TYPE.to_owned(), BATCH.to_owned())].into(),
                ..TopicConfig::new(&topic, queue_nums)
            });
            tracing::warn!(%topic, queue_nums, "topic was missing in topics.json but has batch queues, created again");
        }
    }
}

/// Tells those who wait for messages of them.
#[derive(Debug)]
struct Arrivals {
    hold: Arc<PullHold<ParkedPull>>,
    pop_hold: Arc<PopHold<ParkedPop>>,
    lite: Arc<LiteRegistry>,
    delay: Arc<DelaySchedule>,
    timers: Arc<TimerSchedule>,
}

impl ArrivalListener for Arrivals {
    fn arrived(&self, arrivals: &[Arrival]) {
        self.hold.arrived(arrivals);
        self.pop_hold.arrived(arrivals);
        self.lite.arrived(arrivals, &self.pop_hold);
        self.delay.arrived(arrivals);
        self.timers.arrived(arrivals);
    }
}

#[cfg(test)]
#[path = "group_sim/mod.rs"]
mod group_sim;
