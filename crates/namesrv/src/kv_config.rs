//! The key-value configuration: small texts by namespace and key, kept in one file.

use std::{collections::BTreeMap, io, path::PathBuf};

use eruca_config::{read_replaced, replace_file};
use eruca_protocol::body::{self, BodyError, KvConfigSerializeWrapper};

/// Namespace of the order configuration of topics: `brokerA:4;brokerB:4` by topic.
pub(crate) const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

/// Most bytes of all namespaces, keys and values together: a table that is answered must fit into a frame.
const MAX_TEXT_LEN_BYTES: usize = 8 << 20;

/// Why the key-value file cannot be used at start.
#[derive(Debug, thiserror::Error)]
pub enum KvConfigError {
    /// It cannot be read.
    #[error("kvConfigPath: {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not such a file.
    #[error("kvConfigPath: {} and its .bak cannot be understood: {source}; repair or remove them", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: BodyError,
    },
}

/// Why a change is refused.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// The table would become too large.
    #[error("the key-value configuration is limited to {MAX_TEXT_LEN_BYTES} bytes: delete keys first")]
    Full,
    /// The change could not be written.
    #[error("the key-value configuration cannot be written to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

type Table = BTreeMap<String, BTreeMap<String, String>>;

/// Texts by namespace and key (Java: `KVConfigManager`).
#[derive(Debug, Default)]
pub(crate) struct KvConfig {
    table: Table,
    path: Option<PathBuf>,
}

impl KvConfig {
    /// Reads the table from its file; without a `path` it lives in memory only.
    pub(crate) fn load(path: Option<PathBuf>) -> Result<Self, KvConfigError> {
        let Some(path) = path else { return Ok(KvConfig::default()) };
        enum Failed {
            Read(io::Error),
            Parse(BodyError),
        }
        impl From<io::Error> for Failed {
            fn from(error: io::Error) -> Self {
                Failed::Read(error)
            }
        }
        let parse = |bytes: &[u8]| body::from_json::<KvConfigSerializeWrapper>(bytes).map_err(Failed::Parse);
        match read_replaced(&path, parse) {
            Ok(read) => Ok(KvConfig { table: read.unwrap_or_default().config_table, path: Some(path) }),
            Err(Failed::Read(source)) => Err(KvConfigError::Read { path, source }),
            Err(Failed::Parse(source)) => Err(KvConfigError::Parse { path, source }),
        }
    }

    pub(crate) fn value(&self, namespace: &str, key: &str) -> Option<&str> {
        self.table.get(namespace)?.get(key).map(String::as_str)
    }

    pub(crate) fn namespace(&self, namespace: &str) -> Option<&BTreeMap<String, String>> {
        self.table.get(namespace)
    }

    /// Sets a value. With an error nothing is changed.
    pub(crate) fn put(&mut self, namespace: &str, key: &str, value: &str) -> Result<(), KvError> {
        let mut table = self.table.clone();
        table.entry(namespace.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
        if text_len_bytes(&table) > MAX_TEXT_LEN_BYTES {
            return Err(KvError::Full);
        }
        self.replace(table)
    }

    /// Deletes a value; without effect where there is none. With an error nothing is changed.
    pub(crate) fn delete(&mut self, namespace: &str, key: &str) -> Result<(), KvError> {
        let mut table = self.table.clone();
        // As Java, an empty namespace stays: it answers an empty table, not "not found".
        match table.get_mut(namespace).and_then(|keys| keys.remove(key)) {
            Some(_) => self.replace(table),
            None => Ok(()),
        }
    }

    fn replace(&mut self, table: Table) -> Result<(), KvError> {
        let wrapper = KvConfigSerializeWrapper { config_table: table };
        if let Some(path) = &self.path {
            replace_file(path, &body::to_json_pretty(&wrapper))
                .map_err(|source| KvError::Write { path: path.clone(), source })?;
        }
        self.table = wrapper.config_table;
        Ok(())
    }
}

fn text_len_bytes(table: &Table) -> usize {
    let keys = |keys: &BTreeMap<String, String>| keys.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
    table.iter().map(|(namespace, of)| namespace.len() + keys(of)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_a_restart_in_javas_shape() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kvConfig.json");
        let mut kv = KvConfig::load(Some(path.clone())).unwrap();
        kv.put(ORDER_TOPIC_CONFIG, "T", "broker-a:2").unwrap();
        kv.put("NS", "k", "v").unwrap();
        kv.delete("NS", "k").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.split_whitespace().collect::<String>(),
            r#"{"configTable":{"NS":{},"ORDER_TOPIC_CONFIG":{"T":"broker-a:2"}}}"#
        );
        let kv = KvConfig::load(Some(path)).unwrap();
        assert_eq!(kv.value(ORDER_TOPIC_CONFIG, "T"), Some("broker-a:2"));
        assert_eq!(kv.value("NS", "k"), None);
    }

    #[test]
    fn a_change_that_cannot_be_written_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kvConfig.json");
        std::fs::create_dir(directory.path().join("kvConfig.json.tmp")).unwrap();
        let mut kv = KvConfig::load(Some(path)).unwrap();
        assert!(matches!(kv.put("NS", "k", "v"), Err(KvError::Write { .. })));
        assert_eq!(kv.value("NS", "k"), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut kv = KvConfig::load(None).unwrap();
        let value = "x".repeat(MAX_TEXT_LEN_BYTES / 2);
        kv.put("NS", "a", &value).unwrap();
        assert!(matches!(kv.put("NS", "b", &value), Err(KvError::Full)));
        kv.put("NS", "a", "short").unwrap();
        kv.put("NS", "b", &value).unwrap();
    }

    #[test]
    fn a_broken_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kvConfig.json");
        std::fs::write(&path, b"{\"configTable\":7}").unwrap();
        let error = KvConfig::load(Some(path.clone())).unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}
