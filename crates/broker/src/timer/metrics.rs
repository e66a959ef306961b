//! How many messages of each topic wait, for administrators and for the file `config/timermetrics`.

use eruca_message::{Timestamp, java_hash_code};
use eruca_protocol::body::{self, DataVersion, TimerMetric, TimerMetricsSerializeWrapper};

use super::TimerSchedule;
use crate::{
    persist::{PersistError, replace},
    topics::TopicTable,
};

/// So many messages that wait are counted by topic while the broker works, which takes some milliseconds.
const COUNTED_MAX: i64 = 100_000;

impl TimerSchedule {
    /// How many messages of each topic wait, less recalls, as Java counts.
    ///
    /// # Errors
    /// There are no timers, or more than can be counted while they are kept from being delivered.
    pub(crate) fn metrics(
        &self,
        topics: &TopicTable,
        now: Timestamp,
    ) -> Result<TimerMetricsSerializeWrapper, String> {
        self.count(topics, COUNTED_MAX, now)
    }

    /// Writes them to `config/timermetrics`, which a Java broker goes on from; ours counts anew. At the end, when nothing is
    /// delivered any more: all of them are counted.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn persist_metrics(&self, topics: &TopicTable, now: Timestamp) -> Result<(), PersistError> {
        if !self.has_files() {
            return Ok(());
        }
        match self.count(topics, i64::MAX, now) {
            Ok(counts) => replace(&self.root().join("config").join("timermetrics"), &body::to_json(&counts)),
            Err(why) => {
                tracing::warn!(why, "config/timermetrics is not written: what waits cannot be counted");
                Ok(())
            }
        }
    }

    fn count(
        &self,
        topics: &TopicTable,
        most: i64,
        now: Timestamp,
    ) -> Result<TimerMetricsSerializeWrapper, String> {
        let engine = self.engine().ok_or("there are no timer metrics: timerWheelEnable is false")?;
        let counts = engine.count_by_topic(most).map_err(|error| error.to_string())?;
        let counts = counts.ok_or_else(|| {
            format!("{} messages wait, {most} at most are counted by topic", engine.files.count())
        })?;
        drop(engine);
        let topics = topics.all();
        let names = topics.iter().map(|topic| topic.topic_name.as_str());
        let counted = names.filter_map(|topic| {
            let count = *counts.get(&java_hash_code(topic))?;
            Some((topic.to_owned(), TimerMetric { count, time_stamp: now.0 }))
        });
        Ok(TimerMetricsSerializeWrapper {
            data_version: Some(DataVersion::new(now)),
            timing_count: counted.collect(),
        })
    }
}
