//! Offsets that a broadcasting consumer keeps in a file, as Java does.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use eruca_message::MessageQueue;
use eruca_protocol::body::{self, BodyError, QueueMap};
use serde::{Deserialize, Serialize};

/// Why the offsets file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OffsetFileError {
    /// The file system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Neither the file nor its backup can be read.
    #[error("{} is no offsets file, nor is its backup: {source}; delete both to start anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BodyError,
    },
}

/// What is in the file (Java: `OffsetSerializeWrapper`).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OffsetSerializeWrapper {
    offset_table: QueueMap<i64>,
}

/// `~/.rocketmq_offsets`, where Java keeps such files; below the working directory where there is no home.
pub(crate) fn default_offsets_dir() -> PathBuf {
    env::home_dir().unwrap_or_default().join(".rocketmq_offsets")
}

/// The file `<dir>/<client id>/<group>/offsets.json`.
#[derive(Debug)]
pub(crate) struct OffsetFile {
    path: PathBuf,
}

impl OffsetFile {
    pub(crate) fn new(dir: &Path, client_id: &str, group: &str) -> Self {
        OffsetFile { path: dir.join(client_id).join(group).join("offsets.json") }
    }

    fn backup(&self) -> PathBuf {
        self.path.with_extension("json.bak")
    }

    /// The offsets in the file, else in its backup; none where there is neither.
    pub(crate) fn load(&self) -> Result<BTreeMap<MessageQueue, i64>, OffsetFileError> {
        let damaged = match read(&self.path)? {
            Some(Ok(table)) => return Ok(table),
            Some(Err(source)) => Some(source),
            None => None,
        };
        match (read(&self.backup())?, damaged) {
            (Some(Ok(table)), _) => Ok(table),
            (Some(Err(source)), _) | (None, Some(source)) => {
                Err(OffsetFileError::Damaged { path: self.path.clone(), source })
            }
            (None, None) => Ok(BTreeMap::new()),
        }
    }

    /// Adds `offsets` to those in the file. The file is replaced as a whole: a crash leaves the old or the new one.
    pub(crate) fn merge(&mut self, offsets: &BTreeMap<MessageQueue, i64>) -> Result<(), OffsetFileError> {
        let mut table = self.load()?;
        table.extend(offsets.iter().map(|(queue, offset)| (queue.clone(), *offset)));
        let text = body::to_json_pretty(&OffsetSerializeWrapper { offset_table: table });
        let new = self.path.with_extension("json.tmp");
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |source| OffsetFileError::Io { what, path, source }
        };
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir).map_err(io("create", dir))?;
        }
        let mut file = fs::File::create(&new).map_err(io("create", &new))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(io("write", &new))?;
        if self.path.exists() {
            fs::rename(&self.path, self.backup()).map_err(io("rename", &self.path))?;
        }
        fs::rename(&new, &self.path).map_err(io("rename", &new))
    }
}

fn read(path: &Path) -> Result<Option<Result<QueueMap<i64>, BodyError>>, OffsetFileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(body::from_json::<OffsetSerializeWrapper>(&bytes).map(|w| w.offset_table))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OffsetFileError::Io { what: "read", path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_java_is_read_and_a_damaged_one_gives_way_to_its_backup() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = OffsetFile::new(dir.path(), "10.0.0.1@DEFAULT", "g");
        assert!(file.load().unwrap().is_empty());
        let java = "{\n\t\"offsetTable\":{{\n\t\t\t\"brokerName\":\"b\",\n\t\t\t\"queueId\":3,\n\t\t\t\"topic\":\"t\"\n\t\t}:42\n\t}\n}";
        fs::create_dir_all(file.path.parent().unwrap()).unwrap();
        fs::write(&file.path, java).unwrap();
        let queue = MessageQueue::new("t", "b", 3);
        assert_eq!(file.load().unwrap(), BTreeMap::from([(queue.clone(), 42)]));

        file.merge(&BTreeMap::from([(MessageQueue::new("t", "b", 0), 1)])).unwrap();
        assert_eq!(file.load().unwrap().len(), 2);
        fs::write(&file.path, "{\"offsetTable\":").unwrap();
        assert_eq!(file.load().unwrap().get(&queue), Some(&42), "the backup is what was there before");
        fs::write(file.backup(), "nonsense").unwrap();
        assert!(matches!(file.load(), Err(OffsetFileError::Damaged { .. })));
    }
}
