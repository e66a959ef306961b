//! What a seed decides once.

use eruca_replication::auto_switch::MemberTimes;
use eruca_store::{FlushMode, QueueLogPolicy, StoreConfig};

use crate::{random::Random, scenario::ROOT};

/// Brokers of the group.
pub(super) const BROKERS: usize = 3;
/// Controllers, of which one leads.
pub(super) const CONTROLLERS: usize = 3;
/// After so long without a sign of life the controller takes a broker for dead, in ms.
pub(super) const DEAD_AFTER_MS: i64 = 1_500;
/// A sign of life so often, about.
pub(super) const BEAT_MS: i64 = 200;
/// A topic with batch queues.
pub(super) const BATCH_TOPIC: &str = "batches";
/// Topics that are sent to.
pub(super) const TOPICS: [&str; 3] = ["orders", "%RETRY%group", BATCH_TOPIC];
/// Queues of each.
pub(super) const QUEUES: u64 = 2;

/// Times of a broker towards the controller.
pub(super) const TIMES: MemberTimes =
    MemberTimes { poll_ms: 200, check_set_ms: 200, retry_ms: 50, lag_max_ms: 2_500, lease_ms: 1_000 };

/// The settings of a run.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) config: StoreConfig,
    /// The power goes, too; then nothing is acknowledged or reported before it is on the disk (SYNC_FLUSH). Else processes die
    /// only, and what the kernel has stays.
    pub(super) is_durable: bool,
    /// Most bytes of one frame.
    pub(super) batch_bytes: usize,
    /// Largest body.
    pub(super) body_max: u64,
    pub(super) steps: u64,
    /// Clocks of brokers are set, ahead or back.
    pub(super) has_clock_jumps: bool,
    /// Steps in a hundred that break something.
    pub(super) trouble: u64,
}

impl Scenario {
    pub(super) fn draw(random: &mut Random) -> Scenario {
        let segment = *random.pick(&[4096, 8192, 65_536]);
        let queue_log = match random.percent(60) {
            true => QueueLogPolicy::default(),
            false => QueueLogPolicy {
                queues_min: *random.pick(&[0, 2, 5]),
                touched_min: *random.pick(&[0, 1, 2]),
                run_max: *random.pick(&[1, 3, 6]),
                close_max: *random.pick(&[0, 2, 100]),
                roll_bytes: *random.pick(&[200, 700, 5000]),
            },
        };
        let config = StoreConfig {
            segment_size_bytes: segment,
            queue_file_size_bytes: 20 * *random.pick(&[2, 5, 20]),
            batch_queue_file_size_bytes: 46 * *random.pick(&[2, 9]),
            batch_topics: vec![BATCH_TOPIC.to_owned()],
            max_message_size_bytes: 2000,
            queue_files_open_max: 16,
            queue_log,
            index_slots: 7,
            index_entries: 40,
            ..StoreConfig::new(ROOT)
        };
        let is_durable = random.percent(50);
        let flush_mode = if is_durable { FlushMode::Sync } else { FlushMode::Async };
        Scenario {
            config: StoreConfig { flush_mode, ..config },
            is_durable,
            batch_bytes: *random.pick(&[64, 300, 4096]),
            body_max: *random.pick(&[20, 200, 900]),
            steps: random.between(400, 1200),
            has_clock_jumps: random.percent(20),
            trouble: *random.pick(&[1, 2, 2, 5]),
        }
    }
}
