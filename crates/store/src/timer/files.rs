//! Timer log, wheel and `timercheck` as one.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use eruca_message::{LogOffset, QueueOffset, Timestamp};

use super::{
    TimerSettings, TimerUnit, UnitKind,
    check::{CHECK_FILE_LEN, CHECK_LEN, Check, Delivered, FINE_AT, Fine, WHOLE_LEN},
    log::{TimerLog, Window},
    slot::Slot,
    wheel::TimerWheel,
};
use crate::disk::{Disk, DiskError, DiskFile};

/// Changed slots that wait for a flush at most: with a flush every second, more means that the disk does not keep up.
const CHANGES_MAX: usize = 256 << 10;

/// The timer files of one store. One thread works with them; see [`TimerFlush`](super::TimerFlush) for the other.
#[derive(Debug)]
pub struct TimerFiles {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) settings: TimerSettings,
    pub(super) log: TimerLog,
    pub(super) wheel: TimerWheel,
    pub(super) check_path: PathBuf,
    pub(super) check_file: Option<Arc<dyn DiskFile>>,
    /// What the first part of the file says.
    pub(super) check: Check,
    pub(super) delivered: Delivered,
    pub(super) queue_offset: QueueOffset,
    /// End of the log with all that was delivered.
    pub(super) delivered_end: LogOffset,
    /// The counter of the broker that these files follow: theirs is not below it.
    pub(super) followed_counter: i64,
}

/// A message that is to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTimer {
    /// What becomes of it when its slot comes.
    pub kind: UnitKind,
    /// By which its slot is chosen.
    pub out: Timestamp,
    /// Where it lies in the log.
    pub log_offset: LogOffset,
    /// Its length there, in bytes.
    pub size_bytes: u32,
    /// Hash of the topic that it is for.
    pub topic_hash: i32,
}

/// Why messages cannot be put into the timer files now.
#[derive(Debug, thiserror::Error)]
pub enum TimerFull {
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The last flushes did not come to an end.
    #[error(
        "{changes} slots of the timer wheel wait for the disk, the limit is {CHANGES_MAX}: it goes on when they are written"
    )]
    NotFlushed {
        /// How many.
        changes: usize,
    },
}

impl TimerFiles {
    /// Length of a slot in ms.
    pub fn precision_ms(&self) -> i64 {
        self.settings.precision_ms
    }

    /// What was delivered.
    pub fn delivered(&self) -> Delivered {
        self.delivered
    }

    /// The next message of the timer topic's queue to take.
    pub fn queue_offset(&self) -> QueueOffset {
        self.queue_offset
    }

    /// Messages that wait, less recalls, as Java counts.
    pub fn count(&self) -> i64 {
        self.wheel.count()
    }

    /// Messages that wait in the slot of a time, as Java counts.
    ///
    /// # Errors
    /// The wheel cannot be read.
    pub fn count_at(&self, time: Timestamp) -> Result<i32, DiskError> {
        Ok(self.wheel.slot(self.step(time))?.num)
    }

    fn step(&self, time: Timestamp) -> i64 {
        time.0.div_euclid(self.settings.precision_ms)
    }

    fn start_of(&self, step: i64) -> Timestamp {
        Timestamp(step.saturating_mul(self.settings.precision_ms))
    }

    /// Start of the slot of a time.
    pub fn slot_start(&self, time: Timestamp) -> Timestamp {
        self.start_of(self.step(time))
    }

    /// Puts messages into the log and their slots, all or none; their positions. They survive a killed process then, and
    /// a power cut after the next flush.
    ///
    /// # Errors
    /// [`TimerFull`]; nothing is changed then.
    pub fn put(&mut self, timers: &[NewTimer], now: Timestamp) -> Result<Vec<u64>, TimerFull> {
        let changes = self.wheel.changes();
        if changes > CHANGES_MAX {
            return Err(TimerFull::NotFlushed { changes });
        }
        if timers.is_empty() {
            return Ok(Vec::new());
        }
        self.wheel.create_file()?;
        self.check_file()?;
        let positions = self.log.positions(timers.len());
        let mut slots: HashMap<i64, (Slot, Slot)> = HashMap::new();
        let mut units = Vec::with_capacity(timers.len());
        for (timer, pos) in timers.iter().zip(&positions) {
            let step = self.step(timer.out);
            let (_, slot) = match slots.entry(step) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => {
                    let before = self.wheel.slot(step)?;
                    new.insert((before, before))
                }
            };
            units.push((
                *pos,
                TimerUnit {
                    prev: slot.last_of(step),
                    kind: timer.kind,
                    written: now,
                    out: timer.out,
                    log_offset: timer.log_offset,
                    size_bytes: timer.size_bytes,
                    topic_hash: timer.topic_hash,
                },
            ));
            *slot = slot.with(step, *pos, timer.kind);
        }
        self.log.append(&units)?;
        for (before, slot) in slots.into_values() {
            self.wheel.set(&before, slot);
        }
        Ok(positions)
    }

    /// The first slot from `from` on with messages that wait.
    pub fn next_slot(&self, from: Timestamp) -> Option<Timestamp> {
        self.wheel.next_used(self.step(from)).map(|step| self.start_of(step))
    }

    /// Hands every unit of a slot to `take`, the last one first.
    ///
    /// # Errors
    /// A file cannot be read. A list that breaks off, because a unit is damaged or its file is gone, is told in the log and
    /// ends there.
    pub fn walk(
        &self,
        slot_start: Timestamp,
        mut take: impl FnMut(u64, &TimerUnit),
    ) -> Result<(), DiskError> {
        let step = self.step(slot_start);
        let slot = self.wheel.slot(step)?;
        let mut window = Window::default();
        let mut next = slot.last_of(step);
        let mut count = 0i64;
        while let Some(pos) = next {
            let unit = self.log.unit_at(pos, &mut window)?.filter(|unit| self.step(unit.out) == step);
            let Some(unit) = unit else {
                if pos >= self.log.min() {
                    tracing::error!(
                        slot = slot_start.0,
                        pos,
                        read = count,
                        expected = slot.num,
                        "a slot of the timer wheel breaks off: messages that come before this unit are not delivered"
                    );
                }
                break;
            };
            count += i64::from(unit.kind.count());
            take(pos, &unit);
            next = unit.prev.filter(|prev| *prev < pos);
        }
        Ok(())
    }

    /// A slot was delivered: it is empty, and so is everything before it.
    ///
    /// # Errors
    /// The wheel cannot be read; nothing is changed then.
    pub fn finish(&mut self, slot_start: Timestamp) -> Result<(), DiskError> {
        self.wheel.empty(self.step(slot_start))
    }

    /// Notes what was delivered and taken; a killed process knows it. `log_end`: the end of the log with all of it.
    pub fn note(&mut self, delivered: Delivered, queue_offset: QueueOffset, log_end: LogOffset) {
        (self.delivered, self.queue_offset, self.delivered_end) = (delivered, queue_offset, log_end);
        let Some(file) = &self.check_file else { return };
        if let Err(error) = file.write_all_at(&self.fine().encode(), FINE_AT as u64) {
            tracing::warn!(
                path = %self.check_path.display(), %error,
                "not noted which timers were delivered: after a kill they would be delivered again"
            );
        }
    }

    /// All slots before `time` are empty; this is noted with the next [`TimerFiles::note`].
    pub fn pass_to(&mut self, time: Timestamp) {
        self.delivered = Delivered::before(self.slot_start(time));
    }

    pub(super) fn fine(&self) -> Fine {
        Fine {
            precision_ms: u32::try_from(self.settings.precision_ms).unwrap_or(0),
            counter: self.check.counter,
            delivered: self.delivered,
            queue_offset: self.queue_offset,
            log_end: self.delivered_end.0,
            timer_log_end: self.log.end(),
        }
    }

    /// Java's part of `timercheck` as it is on the disk, which slaves ask for. The counter is at least that of [`TimerFiles::follow_counter`].
    pub fn checkpoint(&self) -> [u8; CHECK_LEN] {
        Check { counter: self.check.counter.max(self.followed_counter), ..self.check }.encode()
    }

    /// These files follow those whose `timercheck` has this counter: theirs goes on from there, so that a broker that compares them
    /// sees which are newer.
    pub fn follow_counter(&mut self, theirs: i64) {
        self.followed_counter = self.followed_counter.max(theirs);
    }

    /// Whether there are files; a broker that never had a timer has none.
    pub fn has_files(&self) -> bool {
        self.check_file.is_some()
    }

    pub(super) fn check_file(&mut self) -> Result<Arc<dyn DiskFile>, DiskError> {
        if let Some(file) = &self.check_file {
            return Ok(Arc::clone(file));
        }
        let path = &self.check_path;
        let dir = path.parent().unwrap_or(path);
        self.disk.create_dir_all(dir).map_err(DiskError::at("create directory", dir))?;
        if self.disk.exists(path).map_err(DiskError::at("look for", path))? {
            // Too short to say anything.
            self.disk.remove_file(path).map_err(DiskError::at("remove", path))?;
        }
        let file = self.disk.create(path, CHECK_FILE_LEN).map_err(DiskError::at("create", path))?;
        self.disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
        self.check_file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Both parts of `timercheck`.
    pub(super) fn whole_check(&self) -> [u8; WHOLE_LEN] {
        let mut bytes = [0; WHOLE_LEN];
        let (java, ours) = bytes.split_at_mut(FINE_AT);
        java.iter_mut().zip(self.check.encode()).for_each(|(place, byte)| *place = byte);
        ours.iter_mut().zip(self.fine().encode()).for_each(|(place, byte)| *place = byte);
        bytes
    }

    /// Removes what is of messages before `log_min`.
    ///
    /// # Errors
    /// A file cannot be read or removed.
    pub fn expire(&mut self, log_min: LogOffset) -> Result<(), DiskError> {
        self.log.expire(log_min.0)
    }
}
