//! What other versions and variants of a broker leave in a directory, and what this one does not read.
//!
//! Left aside silently it could cost messages, offsets or topics: then the directory is refused, before anything is
//! written. Where nothing is lost it is only told.

use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskError};

/// Something in a store directory that this version does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds.
    pub what: &'static str,
    /// What an operator can do, or why nothing has to be done.
    pub remedy: &'static str,
    /// Whether a store with it is not opened.
    pub refused: bool,
}

/// How to tell whether a directory holds anything.
#[derive(Debug, Clone, Copy)]
enum Holds {
    /// Any name in it.
    Anything,
    /// Data of RocksDB: a table file, or a write-ahead log that is not empty.
    RocksDbData,
}

struct Kind {
    dir: &'static str,
    holds: Holds,
    what: &'static str,
    remedy: &'static str,
    refused: bool,
}

const QUEUES: &str = "consume queues in RocksDB (storeType=defaultRocksDB or combined queues)";
const QUEUES_REMEDY: &str = "start the Java broker with storeType=default once, so that it has queues in files; or move the directory away \
     to have the queues made anew from the log (a queue whose messages have all expired begins at 0 then)";
const TABLES_REMEDY: &str = "write them to config/*.json with `mqadmin rocksDBConfigToJson` (or start the Java broker without \
     realTimePersistRocksDBConfig and configManagerVersion), then move the directory away";

/// Below the root. Names of directories are the Java system's, version 5.5.
const KINDS: &[Kind] = &[
    Kind {
        dir: "consumequeue_rocksdb",
        holds: Holds::Anything,
        what: QUEUES,
        remedy: QUEUES_REMEDY,
        refused: true,
    },
    Kind {
        dir: "consumequeue_r",
        holds: Holds::Anything,
        what: QUEUES,
        remedy: QUEUES_REMEDY,
        refused: true,
    },
    Kind {
        dir: "kvStore",
        holds: Holds::RocksDbData,
        what: "messages that were popped and not acknowledged (popConsumerKVServiceEnable)",
        remedy: "let the consumers acknowledge them, or have the Java broker write them to its log (mqadmin exportPopRecord, \
                 then start it without popConsumerKVServiceEnable), then move the directory away; what is in it would not \
                 be delivered again",
        refused: true,
    },
    Kind {
        dir: "compaction/compactionLog",
        holds: Holds::Anything,
        what: "the compacted messages of topics with cleanup.policy=COMPACTION",
        remedy: "this version keeps no compacted topics: consume them with the Java broker and move the directory away; \
                 messages that only it holds are not readable here",
        refused: true,
    },
    Kind {
        dir: "rocksdbstore",
        holds: Holds::RocksDbData,
        what: "timers, half messages or an index in RocksDB (timerRocksDBEnable, transRocksDBEnable, indexRocksDBEnable)",
        remedy: "let the timers come due and the transactions end under the Java broker, then move the directory away; \
                 what waits in it would never be delivered",
        refused: true,
    },
    Kind {
        dir: "tieredStore",
        holds: Holds::Anything,
        what: "older messages in tiered storage",
        remedy: "they stay where they are, and are not readable here",
        refused: false,
    },
];

/// Everything in the store at `root` that this version does not read.
pub(crate) fn foreign(disk: &dyn Disk, root: &Path) -> Result<Vec<Foreign>, DiskError> {
    let mut found = Vec::new();
    for kind in KINDS {
        let path = root.join(kind.dir);
        let holds = match kind.holds {
            Holds::Anything => !list(disk, &path)?.is_empty(),
            Holds::RocksDbData => has_rocksdb_data(disk, &path)?,
        };
        if holds {
            let Kind { what, remedy, refused, .. } = *kind;
            found.push(Foreign { path, what, remedy, refused });
        }
    }
    let config = root.join("config");
    for entry in list(disk, &config)?.iter().filter(|entry| entry.is_dir) {
        // Topics, groups and offsets in one database or in one each; the names differ by version.
        let path = config.join(&entry.name);
        if has_rocksdb_data(disk, &path)? {
            let what = "topics, groups or offsets in RocksDB";
            found.push(Foreign { path, what, remedy: TABLES_REMEDY, refused: true });
        }
    }
    for entry in list(disk, root)?.iter().filter(|entry| entry.is_dir && entry.name.starts_with("dledger-")) {
        found.push(Foreign {
            path: root.join(&entry.name),
            what: "a log in DLedger's format (enableDLegerCommitLog)",
            remedy: "start the Java broker without DLedger on a copy of its commitlog directory, and open that",
            refused: true,
        });
    }
    Ok(found)
}

fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<crate::disk::DirEntry>, DiskError> {
    disk.list(dir).map_err(DiskError::at("list", dir))
}

fn has_rocksdb_data(disk: &dyn Disk, dir: &Path) -> Result<bool, DiskError> {
    let entries = list(disk, dir)?;
    let is_database = entries.iter().any(|entry| entry.name == "CURRENT");
    let has_data = |entry: &crate::disk::DirEntry| {
        entry.name.ends_with(".sst") || (entry.name.ends_with(".log") && entry.len_bytes > 0)
    };
    Ok(is_database && entries.iter().any(has_data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;

    fn with(files: &[(&str, u64)]) -> Vec<Foreign> {
        let disk = SimDisk::new(1);
        for (name, len) in files {
            let path = Path::new("/store").join(name);
            disk.create_dir_all(path.parent().unwrap()).unwrap();
            disk.create(&path, *len).unwrap();
        }
        foreign(&disk, Path::new("/store")).unwrap()
    }

    #[test]
    fn each_variant_is_told_by_its_directory() {
        for (files, dir, refused) in [
            (&[("consumequeue_rocksdb/CURRENT", 16)][..], "consumequeue_rocksdb", true),
            (&[("consumequeue_r/CURRENT", 16)], "consumequeue_r", true),
            (&[("kvStore/CURRENT", 16), ("kvStore/000004.log", 9)], "kvStore", true),
            (&[("config/rdb/CURRENT", 16), ("config/rdb/000009.sst", 9)], "config/rdb", true),
            (
                &[("config/consumerOffsets/CURRENT", 1), ("config/consumerOffsets/1.sst", 9)],
                "config/consumerOffsets",
                true,
            ),
            (&[("rocksdbstore/CURRENT", 16), ("rocksdbstore/000012.sst", 9)], "rocksdbstore", true),
            (&[("compaction/compactionLog/T/0/x", 16)], "compaction/compactionLog", true),
            (&[("dledger-n0/data/0", 16)], "dledger-n0", true),
        ] {
            let found = with(files);
            assert_eq!(found.len(), 1, "{dir}");
            assert_eq!((&*found[0].path, found[0].refused), (&*Path::new("/store").join(dir), refused));
            assert!(!found[0].what.is_empty() && !found[0].remedy.is_empty());
        }
    }

    #[test]
    fn what_a_5_5_broker_creates_and_does_not_use_is_nothing() {
        let files = [
            ("rocksdbstore/CURRENT", 16),
            ("rocksdbstore/000004.log", 0),
            ("rocksdbstore/MANIFEST-000005", 170),
            ("compaction/position-checkpoint", 39),
            ("config/topics.json", 9),
            ("kvStore/CURRENT", 16),
        ];
        assert_eq!(with(&files), []);
    }
}
