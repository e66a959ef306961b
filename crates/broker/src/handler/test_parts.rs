//! The parts of a broker in a temporary directory, for tests of handlers.

use std::sync::Arc;

use eruca_message::{Clock, LogOffset, ManualClock, QueueOffset, StoredMessage, Timestamp};
use eruca_protocol::{
    Language, RemotingCommand,
    body::{ConsumerData, TopicConfig},
};
use eruca_remoting::{Caller, Outbox, Reply};
use eruca_replication::driver::Replicas;
use eruca_store::{
    AppendMessage, Appended, Disk, EveryMessage, FlushMode, MessageStore, ReadLimits, RealDisk, StoreConfig,
};
use tempfile::TempDir;

use crate::{
    HandlerError,
    broker::Environment,
    clients::{ClientInfo, ConsumerIdsNotice, ConsumerTable, Heartbeat, ProducerTable},
    config::BrokerConfig,
    delay::Parking,
    groups::GroupTable,
    ha::live_settings,
    handler::{Durability, FlushTimeouts, ParkedPop},
    lite::{LiteQueues, LiteRegistry},
    long_poll::{PopHold, PullHold, WaiterLimits},
    offsets::OffsetTable,
    pop::{PopParts, PopService},
    settings::Settings,
    stats::BrokerStats,
    stuck::StuckQueues,
    timer::TimerSchedule,
    topics::{TopicLimits, TopicTable},
    transaction::Transactions,
};

pub(crate) const BROKER: &str = "127.0.0.1:10911";

/// Everything that handlers are made of.
pub(crate) struct TestParts {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<MessageStore>,
    pub(crate) topics: Arc<TopicTable>,
    pub(crate) groups: Arc<GroupTable>,
    pub(crate) offsets: Arc<OffsetTable>,
    pub(crate) consumers: Arc<ConsumerTable>,
    pub(crate) producers: Arc<ProducerTable>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) parking: Arc<Parking>,
    pub(crate) notice: Arc<ConsumerIdsNotice>,
    pub(crate) stats: Arc<BrokerStats>,
    pub(crate) directory: TempDir,
}

/// A broker on a simulated disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnDisk {
    pub(crate) flush_mode: FlushMode,
    /// A fault: offsets count whatever became of the log that they stand on.
    pub(crate) trusts_offsets: bool,
}

impl TestParts {
    /// An empty broker at 1,000,000 ms past 1970.
    pub(crate) fn new() -> Self {
        Self::in_directory(tempfile::tempdir().unwrap())
    }

    /// A broker over what an earlier one left in `directory`.
    pub(crate) fn in_directory(directory: TempDir) -> Self {
        Self::with_store(directory, |_| (), Arc::new(RealDisk))
    }

    /// An empty broker that acknowledges what the disk has.
    pub(crate) fn with_sync_flush() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::with_store(directory, |store| store.flush_mode = FlushMode::Sync, Arc::new(RealDisk))
    }

    /// An empty broker with its store on `disk`, of which nothing is expected in the page cache.
    pub(crate) fn with_cold_store(disk: Arc<dyn Disk>) -> Self {
        Self::with_store(tempfile::tempdir().unwrap(), |store| store.hot_tail_bytes = 0, disk)
    }

    /// A broker over what an earlier one left, its tables in `directory` and its store on `disk`.
    pub(crate) fn on_disk(directory: TempDir, disk: Arc<dyn Disk>) -> Self {
        Self::on_disk_as(directory, disk, OnDisk { flush_mode: FlushMode::Async, trusts_offsets: false })
    }

    /// The same, a broker of this kind.
    pub(crate) fn on_disk_as(directory: TempDir, disk: Arc<dyn Disk>, kind: OnDisk) -> Self {
        let mut parts = Self::with_store(directory, |store| store.flush_mode = kind.flush_mode, disk);
        let log_end = if kind.trusts_offsets { LogOffset(u64::MAX) } else { parts.store.log_range().1 };
        let config = parts.directory.path().join("config");
        parts.offsets = Arc::new(OffsetTable::open_for(&config, &*parts.clock, false, log_end).unwrap());
        parts
    }

    /// An empty broker with lite topics.
    pub(crate) fn with_lite() -> Self {
        Self::with_lite_in(tempfile::tempdir().unwrap())
    }

    /// A broker with lite topics over what an earlier one left in `directory`.
    pub(crate) fn with_lite_in(directory: TempDir) -> Self {
        let lite = |store: &mut StoreConfig| (store.lmq, store.multi_dispatch) = (true, true);
        Self::with_store(directory, lite, Arc::new(RealDisk))
    }

    /// What acknowledgements wait for, without a slave.
    pub(crate) fn durability(&self, timeouts: Arc<FlushTimeouts>) -> Durability {
        Durability::new(self.store.clone(), timeouts, self.replicas())
    }

    /// The replication of a broker without slaves.
    pub(crate) fn replicas(&self) -> Arc<Replicas> {
        Replicas::new(self.store.clone(), self.clock.clone(), live_settings(self.settings.clone()), None)
    }

    fn with_store(directory: TempDir, change: impl FnOnce(&mut StoreConfig), disk: Arc<dyn Disk>) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp(1_000_000)));
        let config = directory.path().join("config");
        std::fs::create_dir_all(&config).unwrap();
        let mut store = StoreConfig::new(directory.path());
        store.segment_size_bytes = 1 << 20;
        store.queue_file_size_bytes = 20_000;
        // A developer's disk may be full; a test is not about that.
        store.disk_warning_ratio = 1.0;
        store.disk_clean_forcibly_ratio = 1.0;
        store.disk_max_used_ratio = 1.0;
        change(&mut store);
        let limits = TopicLimits { lmq: store.lmq, ..TopicLimits::default() };
        let (store, _) = MessageStore::open(store, disk, clock.clone()).unwrap();
        let groups = Arc::new(GroupTable::open(&config, true, clock.clone()).unwrap());
        let settings =
            Arc::new(Settings::new(BrokerConfig { broker_name: "b".to_owned(), ..BrokerConfig::default() }));
        let consumers = Arc::new(ConsumerTable::default());
        TestParts {
            store: Arc::new(store),
            parking: Arc::new(Parking::new(Arc::clone(&settings), 18)),
            topics: Arc::new(TopicTable::open(&config, limits, clock.clone()).unwrap()),
            offsets: Arc::new(OffsetTable::open(&config, &*clock).unwrap()),
            notice: Arc::new(ConsumerIdsNotice::new(
                Arc::clone(&consumers),
                Arc::clone(&groups),
                Arc::clone(&settings),
            )),
            stats: Arc::new(BrokerStats::new(clock.clone())),
            producers: Arc::default(),
            consumers,
            groups,
            settings,
            clock,
            directory,
        }
    }

    /// What looks for queues that nobody pulls; no pull waits.
    pub(crate) fn stuck(&self) -> Arc<StuckQueues> {
        Arc::new(StuckQueues::new(
            self.store.clone(),
            self.topics.clone(),
            self.offsets.clone(),
            self.consumers.clone(),
            Arc::new(PullHold::new(WaiterLimits::default())),
            self.settings.clone(),
        ))
    }

    /// Its transactions, found anew in the store.
    pub(crate) fn transactions(&self) -> Arc<Transactions> {
        Arc::new(Transactions::open(
            Arc::clone(&self.store),
            Arc::clone(&self.topics),
            Arc::clone(&self.offsets),
            Arc::clone(&self.producers),
            Arc::clone(&self.parking),
            Arc::clone(&self.settings),
            Arc::clone(&self.stats),
            self.clock.clone(),
            BROKER.parse().unwrap(),
        ))
    }

    /// Lite topics that nobody subscribes to.
    pub(crate) fn lite_queues(&self) -> LiteQueues {
        LiteQueues { store: self.store.clone(), offsets: self.offsets.clone(), lite: Arc::default() }
    }

    /// What pops, whose waiting requests are in `hold`.
    pub(crate) fn pop_service(
        &self,
        hold: &Arc<PopHold<ParkedPop>>,
        lite: &Arc<LiteRegistry>,
    ) -> Arc<PopService> {
        let parts = PopParts {
            store: self.store.clone(),
            topics: self.topics.clone(),
            groups: self.groups.clone(),
            offsets: self.offsets.clone(),
            parking: self.parking.clone(),
            hold: hold.clone(),
            lite: lite.clone(),
            settings: self.settings.clone(),
            clock: self.clock.clone(),
            store_host: BROKER.parse().unwrap(),
            memory_bytes: 1 << 30,
        };
        Arc::new(PopService::open(&self.directory.path().join("config"), parts).unwrap())
    }

    /// Stops this broker; its directory is left.
    pub(crate) fn stop(self) -> TempDir {
        self.store.close().unwrap();
        self.directory
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> (Caller, Outbox) {
        Caller::detached(([10, 0, 0, 1], 4000).into(), BROKER.parse().unwrap())
    }

    /// Puts a client into a consumer group.
    pub(crate) fn consume(&self, caller: &Caller, client_id: &str, consumer: &ConsumerData) {
        let client = ClientInfo { client_id: client_id.into(), language: Language::Java, version: 513 };
        let heartbeat = Heartbeat { consumer, fingerprint: 0, is_without_sub: false };
        let now = eruca_message::Clock::now(&*self.clock);
        self.consumers.heartbeat(caller, &client, &heartbeat, now).unwrap();
    }

    /// Its timers, which nobody runs.
    pub(crate) fn timers(&self) -> Arc<TimerSchedule> {
        let timers = TimerSchedule::open(
            Arc::clone(&self.store),
            Arc::clone(&self.settings),
            Arc::clone(&self.stats),
            self.clock.clone(),
        );
        Arc::new(timers.unwrap())
    }

    /// Creates a topic.
    pub(crate) fn topic(&self, topic: &str, queue_nums: i32) {
        self.topics.put(TopicConfig::new(topic, queue_nums)).unwrap();
    }

    /// Stores a message that can be read at once.
    pub(crate) fn store(&self, topic: &str, queue_id: i32, body: &str, properties: &[u8]) -> Appended {
        let appended = self.store.append(&message(topic, queue_id, body, properties));
        self.store.settle().unwrap();
        appended.unwrap()
    }

    /// All messages of a queue.
    pub(crate) fn read(&self, topic: &str, queue_id: i32) -> Vec<StoredMessage> {
        let from = self.store.queue_range(topic, queue_id).min;
        let read =
            self.store.read(topic, queue_id, QueueOffset(from.0), &ReadLimits::default(), &EveryMessage);
        StoredMessage::decode_all(&read.records).unwrap()
    }
}

/// The answer that a client would get.
pub(crate) fn answer(request: &RemotingCommand, result: Result<Reply, HandlerError>) -> RemotingCommand {
    match result {
        Ok(Reply::Now(reply) | Reply::AfterSettle(reply)) => reply,
        Ok(other) => panic!("no answer: {other:?}"),
        Err(error) => error.into_reply(request),
    }
}

/// A small place for a whole broker, on the real disk.
pub(crate) fn environment(clock: Arc<dyn Clock>) -> Environment {
    Environment {
        clock,
        disk: Arc::new(RealDisk),
        shards: 1,
        max_connections: 10,
        max_in_flight_bytes: 1 << 20,
        memory_bytes: 1 << 30,
        config_file: None,
    }
}

/// A message of a producer at 10.0.0.1:4000.
pub(crate) fn message<'a>(
    topic: &'a str,
    queue_id: i32,
    body: &'a str,
    properties: &'a [u8],
) -> AppendMessage<'a> {
    AppendMessage {
        topic,
        queue_id,
        flag: 7,
        sys_flag: 0,
        born_timestamp: Timestamp(900_000),
        born_host: "10.0.0.1:4000".parse().unwrap(),
        store_host: BROKER.parse().unwrap(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: body.as_bytes(),
        properties,
    }
}
