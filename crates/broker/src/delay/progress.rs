//! How far the schedule has delivered each queue: `config/delayOffset.json`.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use eruca_message::{Clock, QueueOffset};
use eruca_protocol::body::{self, DataVersion, DelayOffsetSerializeWrapper};

use crate::persist::{PersistError, TableFile};

/// The next offset to deliver, by delay level (from 1).
///
/// A step of it reaches the kernel with the delivered message, so that a killed broker delivers at most the last batch
/// again; the JSON file, which Java reads, follows every few seconds.
#[derive(Debug)]
pub(super) struct Progress {
    inner: Mutex<Inner>,
    file: TableFile,
}

#[derive(Debug)]
struct Inner {
    offsets: BTreeMap<i32, i64>,
    data_version: DataVersion,
}

impl Progress {
    /// Opens `delayOffset.json` in `directory`, the store's `config`.
    pub(super) fn open(directory: &Path, clock: &dyn Clock) -> Result<Self, PersistError> {
        let (file, loaded) = TableFile::open(directory, "delayOffset", |bytes| {
            body::from_json::<DelayOffsetSerializeWrapper>(bytes).map_err(|error| error.to_string())
        })?;
        let content = loaded.table.unwrap_or_default();
        let mut offsets = content.offset_table;
        for change in &loaded.changes {
            match decode(change) {
                Some((level, offset)) => drop(offsets.insert(level, offset)),
                None => tracing::warn!("change of a delay offset not understood, left out"),
            }
        }
        let data_version = content.data_version.unwrap_or_else(|| DataVersion::new(clock.now()));
        Ok(Progress { inner: Mutex::new(Inner { offsets, data_version }), file })
    }

    /// The next offset of `level`; 0 where it never had one.
    pub(super) fn next(&self, level: i32) -> QueueOffset {
        let offset = self.lock().offsets.get(&level).copied().unwrap_or(0);
        QueueOffset(u64::try_from(offset).unwrap_or(0))
    }

    /// How new they are, as `delayOffset.json` says.
    pub(super) fn data_version(&self) -> DataVersion {
        self.lock().data_version
    }

    /// The next offsets of all levels.
    pub(super) fn all(&self) -> BTreeMap<i32, i64> {
        self.lock().offsets.clone()
    }

    /// Notes how far a level is; the kernel has it when this returns.
    pub(super) fn advance(&self, level: i32, next: QueueOffset) {
        let offset = next.to_i64();
        let mut inner = self.lock();
        if inner.offsets.insert(level, offset) != Some(offset) {
            self.file.note(&encode(level, offset));
        }
        drop(inner);
        self.file.settle();
    }

    /// Takes over how far a slave's master is, where that is further.
    pub(super) fn follow(&self, master: &BTreeMap<i32, i64>) {
        for (level, offset) in master {
            let Ok(offset) = u64::try_from(*offset) else { continue };
            if *level > 0 && QueueOffset(offset) > self.next(*level) {
                self.advance(*level, QueueOffset(offset));
            }
        }
    }

    /// Takes back what is said of messages that are not there: `end` says where the queue of a level ends.
    pub(super) fn cut(&self, end: impl Fn(i32) -> QueueOffset) {
        for level in self.all().into_keys() {
            let (next, end) = (self.next(level), end(level));
            if next > end {
                tracing::warn!(
                    level,
                    next = next.0,
                    end = end.0,
                    "the former master delivered delayed messages that never came here"
                );
                self.advance(level, end);
            }
        }
    }

    /// Writes `delayOffset.json` if it is out of date.
    pub(super) fn persist_step(&self, clock: &dyn Clock) -> Result<(), PersistError> {
        if !self.file.is_dirty() {
            return Ok(());
        }
        let content = {
            let mut inner = self.lock();
            self.file.begin()?;
            inner.data_version = inner.data_version.next(clock.now());
            DelayOffsetSerializeWrapper {
                data_version: Some(inner.data_version),
                offset_table: inner.offsets.clone(),
            }
        };
        self.file.write_json(&body::to_json_pretty(&content))
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.file.is_dirty()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change in the journal: level (4 bytes), next offset (8 bytes), big-endian.
fn encode(level: i32, offset: i64) -> [u8; 12] {
    let mut bytes = [0; 12];
    let (level_at, offset_at) = bytes.split_at_mut(4);
    level_at.copy_from_slice(&level.to_be_bytes());
    offset_at.copy_from_slice(&offset.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(i32, i64)> {
    let (level, rest) = bytes.split_first_chunk::<4>()?;
    Some((i32::from_be_bytes(*level), i64::from_be_bytes(rest.try_into().ok()?)))
}
