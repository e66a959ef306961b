//! What an operator can set about the store.

use std::path::PathBuf;

use eruca_message::DelayLevels;

use crate::consume_queue::{BATCH_ENTRY_LEN_BYTES, ENTRY_LEN_BYTES};

/// When a written record is forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlushMode {
    /// In the background, every [`StoreConfig::flush_interval_ms`] (Java: `ASYNC_FLUSH`): what was
    /// acknowledged survives a killed process, not a power cut.
    #[default]
    Async,
    /// Before it is acknowledged (Java: `SYNC_FLUSH`): survives a power cut, too.
    Sync,
}

/// Settings of a [`crate::MessageStore`]. The Java system's key stands beside each field.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Data directory (`storePathRootDir`).
    pub root: PathBuf,
    /// Directory of the log's segments (`storePathCommitLog`), by default `<root>/commitlog`.
    pub commit_log_dir: PathBuf,
    /// Size of one segment (`mappedFileSizeCommitLog`, 1 GiB). A directory keeps the size it was made with.
    pub segment_size_bytes: u64,
    /// Size of one ConsumeQueue file (`mappedFileSizeConsumeQueue`, 6,000,000), a multiple of 20.
    pub queue_file_size_bytes: u64,
    /// Size of one batch ConsumeQueue file (`mapperFileSizeBatchConsumeQueue`, 13,800,000), a multiple of 46.
    pub batch_queue_file_size_bytes: u64,
    /// Topics with batch ConsumeQueues (attribute `queue.type=BatchCQ`), beside those that have a directory of such
    /// queues already.
    pub batch_topics: Vec<String>,
    /// Whether a message gets into the queues, too, that its property `INNER_MULTI_DISPATCH` names
    /// (`enableMultiDispatch`, false).
    pub multi_dispatch: bool,
    /// Whether names that start with `%LMQ%` are those of light message queues, which have one queue each
    /// (`enableLmq`, false).
    pub lmq: bool,
    /// Largest body (`maxMessageSize`, 4 MiB). A whole record may have 64 KiB more.
    pub max_message_size_bytes: usize,
    /// When records are forced to the disk (`flushDiskType`).
    pub flush_mode: FlushMode,
    /// Pause between two flushes in [`FlushMode::Async`] (`flushIntervalCommitLog`, 500), in ms.
    pub flush_interval_ms: u64,
    /// The delay levels (`messageDelayLevel`); they decide the time in the entries of the schedule topic.
    pub delay_levels: DelayLevels,
    /// Age at which a segment may be deleted (`fileReservedTime`, 72), in hours.
    pub file_reserved_hours: u32,
    /// Hours of the day (0–23) at which expired segments are deleted (`deleteWhen`, `04`).
    pub delete_when_hours: Vec<u32>,
    /// What to add to UTC for the hours of [`StoreConfig::delete_when_hours`], in seconds (0).
    pub utc_offset_s: i32,
    /// Disk use above which expired segments are deleted at any hour (`diskMaxUsedSpaceRatio`, 0.75).
    pub disk_max_used_ratio: f64,
    /// Disk use above which segments are deleted before they expire (`diskSpaceCleanForciblyRatio`, 0.85).
    pub disk_clean_forcibly_ratio: f64,
    /// Disk use above which nothing more is written (`diskSpaceWarningLevelRatio`, 0.90).
    pub disk_warning_ratio: f64,
    /// Whether segments may be deleted before they expire (`cleanFileForciblyEnable`, true).
    pub clean_forcibly: bool,
    /// Most segments deleted by one [`crate::MessageStore::retention_step`] (`deleteFileBatchMax`, 10).
    pub delete_batch_max: usize,
    /// Whether messages are indexed by their keys (`messageIndexEnable`, true).
    pub index_enabled: bool,
    /// Hash slots of an index file (`maxHashSlotNum`, 5,000,000).
    pub index_slots: u32,
    /// Entries of an index file (`maxIndexNum`, 20,000,000).
    pub index_entries: u32,
    /// So many bytes at the end of the log are expected in the page cache (64 MiB).
    pub hot_tail_bytes: u64,
    /// ConsumeQueue files kept open at most (1,024).
    pub queue_files_open_max: usize,
    /// When queues share a log.
    pub queue_log: QueueLogPolicy,
}

/// When the entries of queues go to the log that all queues share, instead of their own files. The defaults suit
/// everybody; tests choose smaller ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLogPolicy {
    /// With more queues than this their states are kept in the shared log, so that a start need not look at each
    /// (2,048).
    pub queues_min: usize,
    /// With more queues than this to write at once, short runs of entries go to the shared log (256).
    pub touched_min: usize,
    /// A queue with this many entries in the shared log gets them in its own file (128).
    pub run_max: u64,
    /// An orderly stop writes the files of at most this many queues; with more, the next start reads the shared log, and
    /// a Java broker makes the queues anew from the messages (5,000: some seconds).
    pub close_max: u64,
    /// Bytes after which the shared log begins a new file (16 MiB).
    pub roll_bytes: u64,
}

impl Default for QueueLogPolicy {
    fn default() -> Self {
        QueueLogPolicy {
            queues_min: 2048,
            touched_min: 256,
            run_max: 128,
            close_max: 5_000,
            roll_bytes: 16 << 20,
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{key} is {value}: {allowed}")]
pub struct StoreConfigError {
    /// The key, as an operator writes it.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What is allowed.
    pub allowed: &'static str,
}

impl StoreConfig {
    /// The defaults, for data in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        StoreConfig {
            commit_log_dir: root.join("commitlog"),
            root,
            segment_size_bytes: 1 << 30,
            queue_file_size_bytes: 300_000 * ENTRY_LEN_BYTES,
            batch_queue_file_size_bytes: 300_000 * BATCH_ENTRY_LEN_BYTES,
            batch_topics: Vec::new(),
            multi_dispatch: false,
            lmq: false,
            max_message_size_bytes: 4 << 20,
            flush_mode: FlushMode::Async,
            flush_interval_ms: 500,
            delay_levels: DelayLevels::default(),
            file_reserved_hours: 72,
            delete_when_hours: vec![4],
            utc_offset_s: 0,
            disk_max_used_ratio: 0.75,
            disk_clean_forcibly_ratio: 0.85,
            disk_warning_ratio: 0.90,
            clean_forcibly: true,
            delete_batch_max: 10,
            index_enabled: true,
            index_slots: 5_000_000,
            index_entries: 20_000_000,
            hot_tail_bytes: 64 << 20,
            queue_files_open_max: 1024,
            queue_log: QueueLogPolicy::default(),
        }
    }

    /// Checks every setting, and those that contradict each other.
    pub fn validate(&self) -> Result<(), StoreConfigError> {
        let check = |ok: bool, key, value: String, allowed| match ok {
            true => Ok(()),
            false => Err(StoreConfigError { key, value, allowed }),
        };
        check(
            (1..=64 << 20).contains(&self.max_message_size_bytes),
            "maxMessageSize",
            self.max_message_size_bytes.to_string(),
            "write a number of bytes from 1 to 67108864",
        )?;
        check(
            (4 << 10..=i32::MAX as u64).contains(&self.segment_size_bytes),
            "mappedFileSizeCommitLog",
            self.segment_size_bytes.to_string(),
            "write a number of bytes from 4096 to 2147483647",
        )?;
        check(
            self.queue_file_size_bytes >= ENTRY_LEN_BYTES
                && self.queue_file_size_bytes.is_multiple_of(ENTRY_LEN_BYTES)
                && self.queue_file_size_bytes <= 1 << 32,
            "mappedFileSizeConsumeQueue",
            self.queue_file_size_bytes.to_string(),
            "write a multiple of 20 (one entry has 20 bytes), at most 4294967296",
        )?;
        check(
            self.batch_queue_file_size_bytes >= BATCH_ENTRY_LEN_BYTES
                && self.batch_queue_file_size_bytes.is_multiple_of(BATCH_ENTRY_LEN_BYTES)
                && self.batch_queue_file_size_bytes <= 1 << 32,
            "mapperFileSizeBatchConsumeQueue",
            self.batch_queue_file_size_bytes.to_string(),
            "write a multiple of 46 (one entry has 46 bytes), at most 4294967296",
        )?;
        check(
            self.flush_interval_ms > 0,
            "flushIntervalCommitLog",
            self.flush_interval_ms.to_string(),
            "write a number of milliseconds above 0",
        )?;
        check(
            self.delete_when_hours.iter().all(|hour| *hour < 24),
            "deleteWhen",
            format!("{:?}", self.delete_when_hours),
            "write hours from 00 to 23, separated by ';'",
        )?;
        let ratios = [
            ("diskMaxUsedSpaceRatio", self.disk_max_used_ratio),
            ("diskSpaceCleanForciblyRatio", self.disk_clean_forcibly_ratio),
            ("diskSpaceWarningLevelRatio", self.disk_warning_ratio),
        ];
        for (key, ratio) in ratios {
            check(
                ratio > 0.0 && ratio <= 1.0,
                key,
                ratio.to_string(),
                "write a share of the disk above 0 and at most 1 (as the Java key: percent)",
            )?;
        }
        check(
            (1..=100_000_000).contains(&self.index_slots),
            "maxHashSlotNum",
            self.index_slots.to_string(),
            "write a number of slots from 1 to 100000000",
        )?;
        check(
            (2..=100_000_000).contains(&self.index_entries),
            "maxIndexNum",
            self.index_entries.to_string(),
            "write a number of entries from 2 to 100000000",
        )?;
        check(
            self.queue_files_open_max >= 16,
            "queueFilesOpenMax",
            self.queue_files_open_max.to_string(),
            "write a number of files from 16",
        )
    }

    /// Largest whole record: the body's limit and 64 KiB for everything else.
    pub fn record_size_max_bytes(&self) -> usize {
        self.max_message_size_bytes + (64 << 10)
    }

    pub(crate) fn consume_queue_dir(&self) -> PathBuf {
        self.root.join("consumequeue")
    }

    pub(crate) fn queue_log_dir(&self) -> PathBuf {
        self.root.join("queuelog")
    }

    pub(crate) fn batch_consume_queue_dir(&self) -> PathBuf {
        self.root.join("batchconsumequeue")
    }

    pub(crate) fn index_dir(&self) -> PathBuf {
        self.root.join("index")
    }

    pub(crate) fn abort_path(&self) -> PathBuf {
        self.root.join("abort")
    }

    pub(crate) fn checkpoint_path(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.root.join("lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_javas_and_valid() {
        let config = StoreConfig::new("/data");
        assert_eq!(config.validate(), Ok(()));
        assert_eq!(
            (config.queue_file_size_bytes, config.batch_queue_file_size_bytes),
            (6_000_000, 13_800_000)
        );
        assert_eq!(config.commit_log_dir, PathBuf::from("/data/commitlog"));
    }

    #[test]
    fn a_wrong_value_names_key_value_and_what_is_allowed() {
        let config = StoreConfig { queue_file_size_bytes: 1001, ..StoreConfig::new("/data") };
        let text = config.validate().unwrap_err().to_string();
        assert!(text.starts_with("mappedFileSizeConsumeQueue is 1001: write a multiple of 20"), "{text}");
        let config = StoreConfig { delete_when_hours: vec![4, 24], ..StoreConfig::new("/data") };
        assert_eq!(config.validate().unwrap_err().key, "deleteWhen");
        let config = StoreConfig { disk_warning_ratio: 90.0, ..StoreConfig::new("/data") };
        assert_eq!(config.validate().unwrap_err().key, "diskSpaceWarningLevelRatio");
    }
}
