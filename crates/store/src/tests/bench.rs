//! A store on a simulated disk.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use eruca_message::{Clock, ManualClock, QueueOffset, StoredMessage, Timestamp};

use crate::{
    AppendError, AppendMessage, Appended, Arrival, ArrivalListener, EveryMessage, MessageStore, OpenError,
    QueueLogPolicy, ReadLimits, ReadStatus, RecoveryReport, StoreConfig,
    disk::{Disk, SimDisk},
};

pub(super) const START: Timestamp = Timestamp(1_700_000_000_000);

pub(super) struct Bench {
    pub(super) disk: SimDisk,
    pub(super) clock: Arc<ManualClock>,
    pub(super) config: StoreConfig,
    store: Option<MessageStore>,
    pub(super) report: RecoveryReport,
}

/// Small files, so that a short test crosses many of them.
pub(super) fn small_config() -> StoreConfig {
    StoreConfig {
        segment_size_bytes: 4096,
        queue_file_size_bytes: 20 * 20,
        max_message_size_bytes: 3000,
        queue_files_open_max: 16,
        index_slots: 16,
        index_entries: 60,
        ..StoreConfig::new("/store")
    }
}

/// The same, and the queues share a log as soon as there are a few.
pub(super) fn shared_config() -> StoreConfig {
    let queue_log =
        QueueLogPolicy { queues_min: 2, touched_min: 1, run_max: 6, close_max: 2, roll_bytes: 700 };
    StoreConfig { queue_log, ..small_config() }
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench::with(small_config(), SimDisk::new(7))
    }

    pub(super) fn with(config: StoreConfig, disk: SimDisk) -> Bench {
        let mut bench = Bench::on(config, disk);
        bench.open().unwrap();
        bench
    }

    /// A bench whose store is not open yet.
    pub(super) fn on(config: StoreConfig, disk: SimDisk) -> Bench {
        Bench {
            disk,
            clock: Arc::new(ManualClock::new(START)),
            config,
            store: None,
            report: RecoveryReport::default(),
        }
    }

    pub(super) fn open(&mut self) -> Result<(), OpenError> {
        self.store = None;
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let (store, report) = MessageStore::open(self.config.clone(), disk, Arc::clone(&self.clock) as _)?;
        self.store = Some(store);
        self.report = report;
        Ok(())
    }

    pub(super) fn store(&self) -> &MessageStore {
        self.store.as_ref().unwrap()
    }

    /// Closes in order and opens again.
    pub(super) fn reopen(&mut self) {
        self.store().close().unwrap();
        self.open().unwrap();
    }

    /// The process dies; opens again.
    pub(super) fn kill(&mut self) {
        self.store = None;
        self.disk.kill();
        self.open().unwrap();
    }

    /// The power goes and comes back; opens again.
    pub(super) fn power_cut(&mut self) {
        self.store = None;
        self.disk.power_cut();
        self.open().unwrap();
    }

    /// The store is dropped where it stands; the caller goes on with the disk.
    pub(super) fn drop_store(&mut self) {
        self.store = None;
    }

    pub(super) fn append(&self, topic: &str, queue_id: i32, body: &[u8]) -> Result<Appended, AppendError> {
        self.store().append(&message(topic, queue_id, body))
    }

    /// Appends and settles one message that must succeed.
    pub(super) fn send(&self, topic: &str, queue_id: i32, body: &[u8]) -> Appended {
        let appended = self.append(topic, queue_id, body).unwrap();
        self.store().settle().unwrap();
        appended
    }

    /// The bodies of all messages of a queue, from its lowest offset on.
    pub(super) fn bodies(&self, topic: &str, queue_id: i32) -> Vec<Vec<u8>> {
        self.messages(topic, queue_id).into_iter().map(|message| message.message.body).collect()
    }

    /// All messages of a queue; their offsets and places are checked on the way.
    pub(super) fn messages(&self, topic: &str, queue_id: i32) -> Vec<StoredMessage> {
        let store = self.store();
        let mut next = store.queue_range(topic, queue_id).min;
        let mut all = Vec::new();
        loop {
            let read = store.read(topic, queue_id, next, &ReadLimits::default(), &EveryMessage);
            if read.status != ReadStatus::Found {
                return all;
            }
            let messages = StoredMessage::decode_all(&read.records).unwrap();
            assert_eq!(messages.len(), read.message_count);
            for (message, offset) in messages.iter().zip(next.0..) {
                assert_eq!((message.message.topic.as_str(), message.queue_id), (topic, queue_id));
                assert_eq!(message.queue_offset, QueueOffset(offset));
                let record = store.record_at(message.log_offset).unwrap().unwrap();
                assert_eq!(StoredMessage::decode(&record).unwrap().0, *message);
            }
            assert!(read.next_offset > next);
            next = read.next_offset;
            all.extend(messages);
        }
    }

    pub(super) fn clock_in_days(&self, days: i64) -> Timestamp {
        self.clock.now().add_ms(days * 86_400_000)
    }

    pub(super) fn segment(&self, start: u64) -> PathBuf {
        Path::new("/store/commitlog").join(format!("{start:020}"))
    }
}

pub(super) fn message<'a>(topic: &'a str, queue_id: i32, body: &'a [u8]) -> AppendMessage<'a> {
    AppendMessage {
        topic,
        queue_id,
        flag: 3,
        sys_flag: 0,
        born_timestamp: Timestamp(1000),
        born_host: "10.0.0.1:1234".parse().unwrap(),
        store_host: "10.0.0.2:10911".parse().unwrap(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: b"TAGS\x01tagA\x02",
    }
}

/// Remembers what it is told.
#[derive(Default)]
pub(super) struct Heard(pub(super) Mutex<Vec<Arrival>>);

impl ArrivalListener for Heard {
    fn arrived(&self, arrivals: &[Arrival]) {
        self.0.lock().unwrap().extend_from_slice(arrivals);
    }
}
