//! Settings in the form that other parts take: the store's, those of topics.

use std::path::PathBuf;

use eruca_message::{DelayLevels, DelayLevelsError};
use eruca_store::{BATCH_ENTRY_LEN_BYTES, ENTRY_LEN_BYTES, FlushMode, StoreConfig};

use super::{BrokerConfig, BrokerRole, ConfigError, FlushDiskType};
use crate::topics::{SystemTopics, TopicLimits, batch_topics};

impl BrokerConfig {
    /// Length of a slot of the timer wheel, in ms. As in Java: 100, 200, 500 or 1000, whichever is next below.
    pub fn timer_precision_ms(&self) -> i64 {
        [1_000, 500, 200].into_iter().find(|step| self.timer_precision >= *step).unwrap_or(100)
    }

    /// Whether this is a master whose slaves may have stood in for it while it was away, and are asked before it goes on (Java: pre-online).
    pub(crate) fn asks_slaves_first(&self) -> bool {
        self.broker_role != BrokerRole::Slave
            && self.enable_slave_acting_master
            && !self.enable_controller_mode
            && !self.skip_pre_online
    }

    /// The delay levels.
    pub fn delay_levels(&self) -> Result<DelayLevels, DelayLevelsError> {
        DelayLevels::parse(&self.message_delay_level)
    }

    /// The store's part. The hours of `deleteWhen` are those of clocks that are `utc_offset_s` ahead of UTC.
    pub fn store_config(&self, utc_offset_s: i32) -> Result<StoreConfig, ConfigError> {
        let mut store = StoreConfig::new(self.store_root());
        if let Some(directory) = &self.store_path_commit_log {
            store.commit_log_dir = PathBuf::from(directory);
        }
        let ratio = |percent: u32| f64::from(percent) / 100.0;
        store.segment_size_bytes = self.mapped_file_size_commit_log;
        // Java rounds these two up, too.
        store.queue_file_size_bytes =
            self.mapped_file_size_consume_queue.next_multiple_of(ENTRY_LEN_BYTES).max(ENTRY_LEN_BYTES);
        store.batch_queue_file_size_bytes = self
            .mapper_file_size_batch_consume_queue
            .next_multiple_of(BATCH_ENTRY_LEN_BYTES)
            .max(BATCH_ENTRY_LEN_BYTES);
        store.batch_topics = batch_topics(&self.store_root().join("config"));
        (store.lmq, store.multi_dispatch) = (self.enable_lmq, self.enable_multi_dispatch);
        store.max_message_size_bytes = self.max_message_size;
        store.flush_mode = match self.flush_disk_type {
            FlushDiskType::Async => FlushMode::Async,
            FlushDiskType::Sync => FlushMode::Sync,
        };
        store.flush_interval_ms = self.flush_interval_commit_log;
        store.delay_levels = self.delay_levels()?;
        store.file_reserved_hours = self.file_reserved_time;
        store.delete_when_hours = self.delete_when_hours()?;
        store.utc_offset_s = utc_offset_s;
        store.disk_max_used_ratio = ratio(self.disk_max_used_space_ratio);
        store.disk_clean_forcibly_ratio = ratio(self.disk_space_clean_forcibly_ratio);
        store.disk_warning_ratio = ratio(self.disk_space_warning_level_ratio);
        store.clean_forcibly = self.clean_file_forcibly_enable;
        store.delete_batch_max = self.delete_file_batch_max;
        store.index_enabled = self.message_index_enable;
        store.index_slots = self.max_hash_slot_num;
        store.index_entries = self.max_index_num;
        Ok(store)
    }

    fn delete_when_hours(&self) -> Result<Vec<u32>, ConfigError> {
        let hours = self.delete_when.split(';').map(str::trim).filter(|hour| !hour.is_empty());
        hours
            .map(|hour| {
                hour.parse().ok().filter(|hour| *hour < 24).ok_or_else(|| ConfigError::Value {
                    key: "deleteWhen",
                    value: hour.chars().take(64).collect(),
                    allowed: "write hours from 00 to 23, separated by ';'".to_owned(),
                })
            })
            .collect()
    }

    pub(crate) fn topic_limits(&self) -> TopicLimits {
        TopicLimits {
            auto_create: self.auto_create_topic_enable,
            lmq: self.enable_lmq,
            ..TopicLimits::default()
        }
    }

    pub(crate) fn system_topics(&self) -> Result<SystemTopics, ConfigError> {
        Ok(SystemTopics {
            cluster_name: self.broker_cluster_name.clone(),
            broker_name: self.broker_name.clone(),
            auto_create_topic: self.auto_create_topic_enable,
            default_queue_nums: self.default_topic_queue_nums,
            cluster_topic_enable: self.cluster_topic_enable,
            broker_topic_enable: self.broker_topic_enable,
            trace_topic_enable: self.trace_topic_enable,
            trace_topic: self.msg_trace_topic_name.clone(),
            timer_enable: self.timer_wheel_enable,
            revive_queue_nums: self.revive_queue_num,
            delay_levels: self.delay_levels()?.max_level(),
        })
    }
}
