//! What a seed decides once: settings, topics, and how the disk behaves.

use eruca_message::names;
use eruca_store::{FlushMode, QueueLogPolicy, StoreConfig, disk::FaultRates};

use crate::random::Random;

/// Where the store lies on the simulated disk.
pub const ROOT: &str = "/store";
/// A topic that is never deleted: a directory without any queue has them all made anew, which is right where the
/// directory was lost, and would bring deleted topics back here.
pub const KEPT_TOPIC: &str = "kept";

/// The settings of a run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Of the store.
    pub config: StoreConfig,
    /// Topics that are sent to; the first is [`KEPT_TOPIC`].
    pub topics: Vec<String>,
    /// Queues per topic.
    pub queues: u64,
    /// What happens to the disk by chance while the store works.
    pub rates: FaultRates,
    /// Whether sectors are torn by a power cut. They are not: disks write them whole, and the format has no checksum over
    /// properties that would tell.
    pub tear_sectors: bool,
    /// Size of the disk, where it has one.
    pub capacity: Option<u64>,
    /// How many steps.
    pub steps: u64,
    /// Largest body in most messages.
    pub usual_body: u64,
}

impl Scenario {
    /// Draws one.
    pub fn draw(random: &mut Random) -> Scenario {
        let segment = *random.pick(&[4096, 4096, 5000, 8192, 16_384, 65_536]);
        let config = StoreConfig {
            segment_size_bytes: segment,
            queue_file_size_bytes: 20 * *random.pick(&[2, 5, 20, 20, 256]),
            max_message_size_bytes: random.between(500, segment) as usize,
            flush_mode: *random.pick(&[FlushMode::Async, FlushMode::Sync]),
            file_reserved_hours: *random.pick(&[0, 1, 24, 72]),
            delete_when_hours: (0..24).filter(|_| random.percent(20)).collect(),
            disk_max_used_ratio: *random.pick(&[0.3, 0.75]),
            disk_clean_forcibly_ratio: *random.pick(&[0.6, 0.85]),
            disk_warning_ratio: *random.pick(&[0.7, 0.9, 1.0]),
            clean_forcibly: random.percent(70),
            delete_batch_max: *random.pick(&[1, 3, 10]),
            queue_files_open_max: *random.pick(&[16, 16, 1024]),
            queue_log: Self::draw_queue_log(random),
            index_slots: *random.pick(&[1, 7, 50]),
            index_entries: *random.pick(&[10, 40, 200]),
            ..StoreConfig::new(ROOT)
        };
        let count = *random.pick(&[1, 2, 4, 12]);
        let mut topics = vec![KEPT_TOPIC.to_owned()];
        topics.extend((0..count).map(|number| match random.below(8) {
            0 => names::SCHEDULE_TOPIC.to_owned(),
            1 => names::retry_topic(&"g".repeat(random.between(1, 120) as usize)),
            2 => format!("{}{number}", "l".repeat(150)),
            _ => format!("topic{number}"),
        }));
        topics.dedup();
        let tear_sectors = false;
        let rates = Self::draw_rates(random);
        let steps = random.between(60, 300);
        let usual_body = *random.pick(&[10, 200, 200, 1000]);
        let capacity = random.percent(25).then(|| random.between(6, 40) * segment);
        Scenario {
            config,
            topics,
            queues: *random.pick(&[1, 2, 5]),
            rates,
            tear_sectors,
            capacity,
            steps,
            usual_body,
        }
    }

    /// Mostly so small that few queues share a log, which rolls now and then; some runs have none.
    fn draw_queue_log(random: &mut Random) -> QueueLogPolicy {
        if random.percent(30) {
            return QueueLogPolicy::default();
        }
        QueueLogPolicy {
            queues_min: *random.pick(&[0, 2, 5, 30]),
            touched_min: *random.pick(&[0, 1, 2, 5]),
            run_max: *random.pick(&[1, 3, 6, 30]),
            close_max: *random.pick(&[0, 2, 100]),
            roll_bytes: *random.pick(&[200, 700, 5000]),
        }
    }

    fn draw_rates(random: &mut Random) -> FaultRates {
        let mut rates = FaultRates {
            write_back: *random.pick(&[0, 5_000, 100_000]),
            slow: *random.pick(&[0, 20_000]),
            slow_ms_max: 3000,
            ..FaultRates::default()
        };
        // Some disks are sound, some fail in one way, few in all.
        let rate = |random: &mut Random| *random.pick(&[1000, 5000, 20_000]);
        match random.below(12) {
            0 => rates.write = rate(random),
            1 => rates.sync = rate(random),
            2 => rates.create = rate(random),
            3 => rates.sync_dir = rate(random),
            4 => rates.remove = rate(random),
            5 => (rates.read, rates.open) = (rate(random), rate(random)),
            6 => {
                let all = rate(random) / 4;
                (rates.write, rates.sync, rates.create) = (all, all, all);
                (rates.sync_dir, rates.remove, rates.read, rates.open) = (all, all, all, all);
            }
            _ => {}
        }
        rates
    }
}
