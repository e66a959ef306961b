//! The `checkpoint` file: up to where log and queues are known to be on the disk.
//!
//! The first 48 bytes of a file of 4,096:
//!
//! | offset | field | bytes | note |
//! |---|---|---|---|
//! | 0 | physicMsgTimestamp | 8 | store time of the last record on disk, ms |
//! | 8 | logicsMsgTimestamp | 8 | store time of the last record whose queue entry is on disk, ms |
//! | 16 | indexMsgTimestamp | 8 | the same for index files |
//! | 24 | masterFlushedOffset | 8 | |
//! | 32 | confirmPhyOffset | 8 | |
//! | 40 | logicsPhysicalOffset | 8 | start of the last record whose queue entry is on disk (5.4 and later; older: 0) |
//!
//! Big-endian. 48 bytes lie in one sector, so that an overwrite in place is whole or not at all.

use std::path::Path;

use eruca_message::{LogOffset, Timestamp};

use crate::disk::{Disk, DiskError};

/// Length of the file.
pub(crate) const CHECKPOINT_FILE_LEN_BYTES: u64 = 4096;
/// Length of what the file says.
pub(crate) const CHECKPOINT_LEN: usize = 48;
const LEN: usize = CHECKPOINT_LEN;
/// Java takes this off the timestamps, because the records of one moment may lie on both sides of a flush.
const TIMESTAMP_SLACK_MS: i64 = 3000;

/// The content of the `checkpoint` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// Store time of the last record on disk (Java: `physicMsgTimestamp`).
    pub log_timestamp: Timestamp,
    /// Store time of the last record whose queue entry is on disk (Java: `logicsMsgTimestamp`).
    pub queue_timestamp: Timestamp,
    /// Store time of the last record whose index entry is on disk (Java: `indexMsgTimestamp`).
    pub index_timestamp: Timestamp,
    /// Kept as found.
    pub master_flushed_offset: i64,
    /// Up to where everyone has the log who may become master (Java: `confirmPhyOffset`); kept as found without a controller.
    pub confirm_offset: i64,
    /// Start of the last record whose queue entry is on disk (Java: `logicsPhysicalOffset`).
    pub queue_log_offset: LogOffset,
}

impl Checkpoint {
    /// The bytes at the start of the file.
    pub fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let fields = [
            self.log_timestamp.0,
            self.queue_timestamp.0,
            self.index_timestamp.0,
            self.master_flushed_offset,
            self.confirm_offset,
            self.queue_log_offset.to_i64(),
        ];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    /// Reads the start of the file; `None` where there are fewer than 48 bytes. Values that cannot be count as 0.
    pub fn decode(bytes: &[u8]) -> Option<Checkpoint> {
        let bytes = bytes.first_chunk::<LEN>()?;
        let mut fields = [0i64; 6];
        for (field, place) in fields.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *field = i64::from_be_bytes(*place);
        }
        let [log, queue, index, master_flushed_offset, confirm_offset, offset] = fields;
        Some(Checkpoint {
            log_timestamp: Timestamp(log.max(0)),
            queue_timestamp: Timestamp(queue.max(0)),
            index_timestamp: Timestamp(index.max(0)),
            master_flushed_offset,
            confirm_offset,
            queue_log_offset: LogOffset(u64::try_from(offset).unwrap_or(0)),
        })
    }

    /// A time before which everything is on disk, log and queues (Java: `getMinTimestamp`).
    pub(crate) fn safe_timestamp(&self) -> Timestamp {
        Timestamp((self.log_timestamp.min(self.queue_timestamp).0 - TIMESTAMP_SLACK_MS).max(0))
    }

    /// A time before which the log is on the disk, whatever the queues are.
    pub(crate) fn safe_log_timestamp(&self) -> Timestamp {
        Timestamp((self.log_timestamp.0 - TIMESTAMP_SLACK_MS).max(0))
    }

    /// The same without what it says of queues.
    pub(crate) fn without_queues(self) -> Checkpoint {
        Checkpoint { queue_timestamp: Timestamp(0), queue_log_offset: LogOffset(0), ..self }
    }

    /// Reads the file; `None` where there is none, or one too short to hold a checkpoint.
    pub(crate) fn load(disk: &dyn Disk, path: &Path) -> Result<Option<Checkpoint>, DiskError> {
        if !disk.exists(path).map_err(DiskError::at("look for", path))? {
            return Ok(None);
        }
        let file = disk.open(path).map_err(DiskError::at("open", path))?;
        if file.len().map_err(DiskError::at("measure", path))? < LEN as u64 {
            return Ok(None);
        }
        let mut bytes = [0; LEN];
        file.read_exact_at(&mut bytes, 0).map_err(DiskError::at("read", path))?;
        Ok(Checkpoint::decode(&bytes))
    }

    /// Writes the file and makes it durable.
    pub(crate) fn store(&self, disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
        let exists = disk.exists(path).map_err(DiskError::at("look for", path))?;
        let mut file = None;
        if exists {
            let old = disk.open(path).map_err(DiskError::at("open", path))?;
            if old.len().map_err(DiskError::at("measure", path))? >= CHECKPOINT_FILE_LEN_BYTES {
                file = Some(old);
            } else {
                // A file cut short holds nothing worth keeping.
                disk.remove_file(path).map_err(DiskError::at("remove", path))?;
            }
        }
        let created = file.is_none();
        let file = match file {
            Some(file) => file,
            None => disk.create(path, CHECKPOINT_FILE_LEN_BYTES).map_err(DiskError::at("create", path))?,
        };
        let written = file.write_all_at(&self.encode(), 0).map_err(DiskError::at("write", path));
        if written.is_err() && created {
            // An empty one would say that nothing is on the disk, none that nothing is known. If it stays it says so.
            let _ = disk.remove_file(path);
        }
        written?;
        file.sync_data().map_err(DiskError::at("sync", path))?;
        if created && let Some(dir) = path.parent() {
            disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::disk::SimDisk;

    #[test]
    fn javas_bytes_both_ways() {
        // store-clean/checkpoint of a 5.5.0 broker.
        let mut java = [0; 48];
        java[..16].copy_from_slice(b"\x00\x00\x01\xa2\x07\x2a\x9c\x76\x00\x00\x01\xa2\x07\x2a\x9c\x76");
        java[40..].copy_from_slice(b"\x00\x00\x00\x00\x00\x2a\x69\x5d");
        let checkpoint = Checkpoint::decode(&java).unwrap();
        assert_eq!(checkpoint.log_timestamp, Timestamp(1_795_416_562_806));
        assert_eq!(checkpoint.queue_log_offset, LogOffset(2_779_485));
        assert_eq!(checkpoint.safe_timestamp(), Timestamp(1_795_416_559_806));
        assert_eq!(checkpoint.encode(), java);
    }

    #[test]
    fn a_missing_or_short_file_is_no_checkpoint_and_is_replaced() {
        let disk = SimDisk::new(1);
        let path = Path::new("/store/checkpoint");
        disk.create_dir_all(Path::new("/store")).unwrap();
        assert_eq!(Checkpoint::load(&disk, path).unwrap(), None);
        disk.create(path, 7).unwrap();
        assert_eq!(Checkpoint::load(&disk, path).unwrap(), None);
        let checkpoint = Checkpoint { queue_log_offset: LogOffset(77), ..Checkpoint::default() };
        checkpoint.store(&disk, path).unwrap();
        assert_eq!(Checkpoint::load(&disk, path).unwrap(), Some(checkpoint));
        assert_eq!(disk.open(path).unwrap().len().unwrap(), CHECKPOINT_FILE_LEN_BYTES);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Some(checkpoint) = Checkpoint::decode(&bytes) {
                let _ = checkpoint.safe_timestamp();
            }
        }
    }
}
