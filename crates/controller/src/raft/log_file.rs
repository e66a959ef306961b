//! Files of one member: `log`, `vote`, `snapshot`, `lock`, all below one directory.
//!
//! | file | content | written |
//! |---|---|---|
//! | `log` | magic `ERUCACL1`, a record with what was purged, a record for each entry | appended and synced before it counts; rewritten when entries are purged |
//! | `vote` | magic, a record with term and candidate | replaced as a whole, synced |
//! | `snapshot` | magic, a record with the whole state | replaced as a whole, synced |
//! | `lock` | nothing | locked while a process has the directory |

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::record::{self, Found};

pub(super) const MAGIC: &[u8; 8] = b"ERUCACL1";

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The system refuses.
    #[error("{}: cannot {what}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process has the directory.
    #[error(
        "{}: another controller works in this directory; give each one its own controllerStorePath",
        path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The content is wrong.
    #[error(
        "{}: damaged at byte {offset}: {what}; a member of a group of three gets everything again from the others \
         when its directory is moved away, a single controller needs a copy of it",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: usize,
        /// What is wrong.
        what: String,
    },
}

pub(super) fn io_error(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> DiskError {
    move |source| DiskError::Io { path: path.to_owned(), what, source }
}

/// Makes the directory and locks it as long as the file lives.
pub(super) fn lock(dir: &Path) -> Result<File, DiskError> {
    fs::create_dir_all(dir).map_err(io_error(dir, "make the directory"))?;
    let path = dir.join("lock");
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(io_error(&path, "open"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DiskError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(DiskError::Io { path, what: "lock", source }),
    }
}

/// Replaces a file as a whole: after a crash the old or the new one is there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let tmp = path.with_extension("tmp");
    let mut file = File::create(&tmp).map_err(io_error(&tmp, "create"))?;
    file.write_all(bytes).map_err(io_error(&tmp, "write"))?;
    file.sync_all().map_err(io_error(&tmp, "sync"))?;
    fs::rename(&tmp, path).map_err(io_error(path, "replace"))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error(dir, "sync"))
}

/// Replaces a file that holds one value.
pub(super) fn write_value<T: Serialize>(path: &Path, value: &T) -> Result<(), DiskError> {
    let mut bytes = MAGIC.to_vec();
    encode(path, &mut bytes, value)?;
    replace(path, &bytes)
}

/// Reads a file that holds one value; `None`: there is no file.
pub(super) fn read_value<T: DeserializeOwned + std::fmt::Debug>(path: &Path) -> Result<Option<T>, DiskError> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    match bytes.strip_prefix(MAGIC).map(record::next) {
        Some(Found::Record(payload, [])) => record::decode(payload).map(Some).map_err(|error| {
            DiskError::Damaged { path: path.to_owned(), offset: MAGIC.len(), what: error.to_string() }
        }),
        _ => Err(DiskError::Damaged {
            path: path.to_owned(),
            offset: 0,
            what: "it is not one whole record".to_owned(),
        }),
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(path, "read")(error)),
    }
}

fn encode<T: Serialize>(path: &Path, out: &mut Vec<u8>, value: &T) -> Result<(), DiskError> {
    record::encode(out, value).map_err(|error| DiskError::Io {
        path: path.to_owned(),
        what: "encode a record",
        source: io::Error::other(error),
    })
}

/// The log's file, open at its end.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    len: u64,
    /// Where each entry ends, in the order of the file.
    ends: Vec<u64>,
    /// Where the first entry begins.
    start: u64,
}

/// What a log's file held.
#[derive(Debug)]
pub(super) struct Content<H, E> {
    pub(super) head: Option<H>,
    pub(super) entries: Vec<E>,
    /// Bytes of a torn record, which were cut off.
    pub(super) torn_len: usize,
}

impl LogFile {
    /// Opens the log and cuts a torn tail off; makes an empty one where there is none.
    pub(super) fn open<H, E>(path: &Path, fresh: &H) -> Result<(LogFile, Content<H, E>), DiskError>
    where
        H: Serialize + DeserializeOwned + std::fmt::Debug,
        E: Serialize + DeserializeOwned + std::fmt::Debug,
    {
        let Some(bytes) = read(path)? else {
            let log = LogFile::create::<H, E>(path, fresh, &[])?;
            return Ok((log, Content { head: None, entries: Vec::new(), torn_len: 0 }));
        };
        let damaged = |rest: usize, what: String| DiskError::Damaged {
            path: path.to_owned(),
            offset: bytes.len() - rest,
            what,
        };
        let mut rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| damaged(bytes.len(), "it does not start as a controller's log".to_owned()))?;
        // The file came into being whole, with its head: a head that is torn is damage.
        let Found::Record(payload, after) = record::next(rest) else {
            return Err(damaged(rest.len(), "its head is not whole".to_owned()));
        };
        let head = record::decode(payload).map_err(|error| damaged(rest.len(), error.to_string()))?;
        rest = after;
        let start = (bytes.len() - rest.len()) as u64;
        let (mut entries, mut ends) = (Vec::new(), Vec::new());
        let torn_len = loop {
            match record::next(rest) {
                Found::Record(payload, after) => {
                    let entry =
                        record::decode(payload).map_err(|error| damaged(rest.len(), error.to_string()))?;
                    entries.push(entry);
                    rest = after;
                    ends.push((bytes.len() - rest.len()) as u64);
                }
                Found::End => break 0,
                Found::Torn => break rest.len(),
                Found::Damaged => {
                    return Err(damaged(rest.len(), "a record is wrong and more follows it".to_owned()));
                }
            }
        };
        let file = OpenOptions::new().write(true).open(path).map_err(io_error(path, "open"))?;
        let len = (bytes.len() - torn_len) as u64;
        let log = LogFile { path: path.to_owned(), file, len, ends, start };
        if torn_len > 0 {
            log.cut()?;
        }
        Ok((log, Content { head: Some(head), entries, torn_len }))
    }

    /// A new log over an older one.
    pub(super) fn create<H: Serialize, E: Serialize>(
        path: &Path,
        head: &H,
        entries: &[E],
    ) -> Result<LogFile, DiskError> {
        let mut bytes = MAGIC.to_vec();
        encode(path, &mut bytes, head)?;
        let start = bytes.len() as u64;
        let mut ends = Vec::with_capacity(entries.len());
        for entry in entries {
            encode(path, &mut bytes, entry)?;
            ends.push(bytes.len() as u64);
        }
        replace(path, &bytes)?;
        let file = OpenOptions::new().write(true).open(path).map_err(io_error(path, "open"))?;
        Ok(LogFile { path: path.to_owned(), file, len: bytes.len() as u64, ends, start })
    }

    /// Appends entries and waits until they are on the disk.
    pub(super) fn append<E: Serialize>(&mut self, entries: &[E]) -> Result<(), DiskError> {
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(entries.len());
        for entry in entries {
            encode(&self.path, &mut bytes, entry)?;
            ends.push(self.len + bytes.len() as u64);
        }
        // At the known end: what a failed attempt left behind it is written over.
        self.file.write_all_at(&bytes, self.len).map_err(io_error(&self.path, "write"))?;
        self.file.sync_data().map_err(io_error(&self.path, "sync"))?;
        self.len += bytes.len() as u64;
        self.ends.extend(ends);
        Ok(())
    }

    /// Keeps the first `count` entries.
    pub(super) fn truncate(&mut self, count: usize) -> Result<(), DiskError> {
        self.ends.truncate(count);
        self.len = self.ends.last().copied().unwrap_or(self.start);
        self.cut()
    }

    fn cut(&self) -> Result<(), DiskError> {
        self.file.set_len(self.len).map_err(io_error(&self.path, "cut"))?;
        self.file.sync_all().map_err(io_error(&self.path, "sync"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Result<(LogFile, Content<u64, String>), DiskError> {
        LogFile::open(path, &0)
    }

    #[test]
    fn what_was_appended_is_there_and_a_torn_tail_is_cut() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let (mut log, content) = open(&path).expect("a new log");
        assert!(content.head.is_none() && content.entries.is_empty());
        log.append(&["one", "two"]).expect("appended");
        log.append(&["three"]).expect("appended");
        log.truncate(2).expect("cut");
        log.append(&["four"]).expect("appended");
        drop(log);
        let whole = fs::read(&path).expect("the file");
        for cut in 1..10 {
            fs::write(&path, &whole[..whole.len() - cut]).expect("torn");
            let (mut log, content) = open(&path).expect("the log");
            assert_eq!(content.entries, ["one", "two"]);
            assert!(content.torn_len > 0);
            log.append(&["four"]).expect("appended");
            drop(log);
            assert_eq!(fs::read(&path).expect("the file"), whole);
        }
    }

    #[test]
    fn damage_before_the_end_is_told_and_not_cut() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let (mut log, _) = open(&path).expect("a new log");
        log.append(&["one", "two"]).expect("appended");
        drop(log);
        let whole = fs::read(&path).expect("the file");
        let last_record = whole.len() - super::record::HEAD_LEN - "'two'".len();
        for at in 0..last_record {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            fs::write(&path, &bytes).expect("damaged");
            assert!(matches!(open(&path), Err(DiskError::Damaged { .. })), "byte {at} was not noticed");
        }
    }

    #[test]
    fn a_directory_has_one_owner() {
        let dir = tempfile::tempdir().expect("a directory");
        let _owner = lock(dir.path()).expect("locked");
        let error = lock(dir.path()).expect_err("taken");
        assert!(error.to_string().contains("another controller"), "{error}");
    }

    #[test]
    fn a_value_is_whole_or_damaged() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("vote");
        assert_eq!(read_value::<String>(&path).expect("nothing"), None);
        write_value(&path, &"v").expect("written");
        assert_eq!(read_value::<String>(&path).expect("it").as_deref(), Some("v"));
        fs::write(&path, b"ERUCACL1\0").expect("damaged");
        assert!(matches!(read_value::<String>(&path), Err(DiskError::Damaged { .. })));
    }
}
