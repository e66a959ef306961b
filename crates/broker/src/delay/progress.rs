//! How far the schedule has delivered each queue: `config/delayOffset.json`.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use eruca_message::{Clock, LogOffset, QueueOffset};
use eruca_protocol::body::{self, DataVersion, DelayOffsetSerializeWrapper};
use eruca_store::planted;

use crate::persist::{PersistError, TableFile};

/// The next offset to deliver, by delay level (from 1).
///
/// A step of it reaches the kernel with the delivered message, so that a killed broker delivers at most the last batch
/// again; the JSON file, which Java reads, follows every few seconds. In a group with a controller a step is noted, and told to slaves, when
/// what was delivered cannot be cut off the log again: what says too much loses messages, what says too little delivers some twice.
#[derive(Debug)]
pub(super) struct Progress {
    inner: Mutex<Inner>,
    file: TableFile,
}

#[derive(Debug)]
struct Inner {
    offsets: BTreeMap<i32, i64>,
    /// Levels that are delivered further than is noted.
    unconfirmed: BTreeMap<i32, Unconfirmed>,
    data_version: DataVersion,
}

/// Next offset of a level, and where the log ended when that was so.
#[derive(Debug, Clone, Copy)]
struct Step {
    next: QueueOffset,
    log_end: LogOffset,
}

/// Steps of which the log may still lose what was delivered.
#[derive(Debug, Clone, Copy)]
struct Unconfirmed {
    /// The one that is noted first.
    first: Step,
    last: Step,
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
        let inner = Inner { offsets, unconfirmed: BTreeMap::new(), data_version };
        Ok(Progress { inner: Mutex::new(inner), file })
    }

    /// The next offset of `level` to deliver; 0 where it never had one.
    pub(super) fn next(&self, level: i32) -> QueueOffset {
        let unconfirmed = self.lock().unconfirmed.get(&level).map(|steps| steps.last.next);
        unconfirmed.unwrap_or_default().max(self.noted(level))
    }

    /// What is noted of `level`.
    pub(super) fn noted(&self, level: i32) -> QueueOffset {
        let offset = self.lock().offsets.get(&level).copied().unwrap_or(0);
        QueueOffset(u64::try_from(offset).unwrap_or(0))
    }

    /// How new they are, as `delayOffset.json` says.
    pub(super) fn data_version(&self) -> DataVersion {
        self.lock().data_version
    }

    /// What is noted of all levels.
    pub(super) fn all(&self) -> BTreeMap<i32, i64> {
        self.lock().offsets.clone()
    }

    /// A level is delivered so far, by a log that ends at `log_end`: noted when that is confirmed.
    pub(super) fn delivered(&self, level: i32, next: QueueOffset, log_end: LogOffset, confirmed: LogOffset) {
        let last = Step { next, log_end };
        self.lock().unconfirmed.entry(level).or_insert(Unconfirmed { first: last, last }).last = last;
        self.confirm(confirmed);
    }

    /// The log up to there is confirmed: notes what was delivered by it.
    pub(super) fn confirm(&self, confirmed: LogOffset) {
        let is_confirmed = |step: &Step| step.log_end <= confirmed || planted!(ProgressBeforeConfirmed);
        let mut ready = Vec::new();
        self.lock().unconfirmed.retain(|level, steps| {
            let newest = [steps.last, steps.first].into_iter().find(is_confirmed);
            ready.extend(newest.map(|step| (*level, step.next)));
            steps.first = if is_confirmed(&steps.first) { steps.last } else { steps.first };
            !is_confirmed(&steps.last)
        });
        for (level, next) in ready {
            if next > self.noted(level) {
                self.advance(level, next);
            }
        }
    }

    /// Whether something that was delivered is not noted.
    pub(super) fn is_behind(&self) -> bool {
        !self.lock().unconfirmed.is_empty()
    }

    /// The log lost its end: what is not noted counts as not delivered.
    pub(super) fn forget_unconfirmed(&self) {
        self.lock().unconfirmed.clear();
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
            if *level > 0 && QueueOffset(offset) > self.noted(*level) {
                self.advance(*level, QueueOffset(offset));
            }
        }
    }

    /// Takes back what is said of messages that are not there: `end` says where the queue of a level ends.
    pub(super) fn cut(&self, end: impl Fn(i32) -> QueueOffset) {
        self.lock().unconfirmed.retain(|level, steps| steps.last.next <= end(*level));
        for level in self.all().into_keys() {
            let (next, end) = (self.noted(level), end(level));
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
