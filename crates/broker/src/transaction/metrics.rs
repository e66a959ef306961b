//! The file `config/transactionMetrics`: of each topic how many half messages are open, as a Java broker keeps it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use eruca_message::Timestamp;
use eruca_protocol::body::{self, DataVersion, TimerMetric, TransactionMetricsSerializeWrapper};

use crate::persist::{PersistError, read_with_backup, replace};

/// What is in the file. The counts are always those of the log, in which what is open is looked up; of the file of a broker before
/// this one it keeps the version, and the topics that had half messages once.
#[derive(Debug)]
pub(crate) struct TransactionMetrics {
    path: PathBuf,
    written: Mutex<TransactionMetricsSerializeWrapper>,
}

impl TransactionMetrics {
    /// Goes on from the file below `config`, if there is one.
    pub(crate) fn open(config: &Path) -> Self {
        let path = config.join("transactionMetrics");
        let parse = |bytes: &[u8]| body::from_json(bytes).map_err(|error| error.to_string());
        let written = read_with_backup(&path, parse).unwrap_or_else(|error| {
            // Nothing is lost: what is open is in the log.
            tracing::warn!(%error, "counts of open transactions are not read, they are counted anew");
            None
        });
        TransactionMetrics { path, written: Mutex::new(written.map(|(table, _)| table).unwrap_or_default()) }
    }

    /// Writes down what is open, by topic, if that changed. Topics that are not there any more are forgotten when nothing of them
    /// is open.
    ///
    /// # Errors
    /// The file cannot be written; it is tried again with the next call.
    pub(crate) fn persist(
        &self,
        open: &[(String, u64)],
        is_topic: impl Fn(&str) -> bool,
        now: Timestamp,
    ) -> Result<(), PersistError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts: BTreeMap<&str, i64> =
            written.transaction_count.keys().map(|topic| (topic.as_str(), 0)).collect();
        counts.extend(
            open.iter().map(|(topic, count)| (topic.as_str(), i64::try_from(*count).unwrap_or(i64::MAX))),
        );
        let counts = counts.into_iter().filter(|(topic, count)| *count > 0 || is_topic(topic));
        let transaction_count: BTreeMap<String, TimerMetric> = counts
            .map(|(topic, count)| {
                let before = written.transaction_count.get(topic).filter(|before| before.count == count);
                (topic.to_owned(), before.copied().unwrap_or(TimerMetric { count, time_stamp: now.0 }))
            })
            .collect();
        if transaction_count == written.transaction_count {
            return Ok(());
        }
        let counter = written.data_version.map_or(0, |version| version.counter);
        let data_version = DataVersion { counter: counter.saturating_add(1), ..DataVersion::new(now) };
        let next = TransactionMetricsSerializeWrapper { data_version: Some(data_version), transaction_count };
        replace(&self.path, &body::to_json(&next))?;
        *written = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
        counts.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect()
    }

    #[test]
    fn it_goes_on_from_a_java_brokers_file_and_writes_only_what_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("transactionMetrics");
        // As Java 5.5.0 wrote it, and what it miscounts: more than is open.
        let of_java = r#"{"dataVersion":{"counter":18,"stateVersion":0,"timestamp":1795731674183},"transactionCount":{"t":{"count":6,"timeStamp":1795731674183},"gone":{"count":0,"timeStamp":5}}}"#;
        fs::write(&path, of_java).unwrap();
        let metrics = TransactionMetrics::open(directory.path());
        metrics.persist(&open(&[("t", 6)]), |_| true, Timestamp(7)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), of_java, "nothing changed");
        metrics.persist(&open(&[("t", 4), ("u", 1)]), |topic| topic != "gone", Timestamp(8)).unwrap();
        let expected = r#"{"dataVersion":{"counter":19,"stateVersion":0,"timestamp":8},"transactionCount":{"t":{"count":4,"timeStamp":8},"u":{"count":1,"timeStamp":8}}}"#;
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        metrics.persist(&[], |_| true, Timestamp(9)).unwrap();
        let again = TransactionMetrics::open(directory.path());
        let counts = again.written.lock().unwrap().transaction_count.clone();
        assert_eq!(
            counts.values().map(|metric| metric.count).collect::<Vec<_>>(),
            [0, 0],
            "as Java keeps them"
        );
    }

    #[test]
    fn a_damaged_file_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("transactionMetrics"), "{").unwrap();
        let metrics = TransactionMetrics::open(directory.path());
        metrics.persist(&open(&[("t", 1)]), |_| true, Timestamp(1)).unwrap();
        assert!(
            fs::read_to_string(directory.path().join("transactionMetrics")).unwrap().contains(r#""count":1"#)
        );
    }
}
