//! Opening the timer files, whoever left them and however.

use std::sync::Arc;

use eruca_message::{QueueOffset, Record, Timestamp, names::TIMER_TOPIC};

use super::{
    TimerSettings, TimerUnit, WHEEL_SLOTS,
    check::{CHECK_LEN, Check, Delivered, Fine, WHOLE_LEN},
    files::TimerFiles,
    log::TimerLog,
    wheel::{TimerWheel, WheelFile},
};
use crate::{
    disk::{Disk, DiskError, DiskFile},
    error::OpenError,
    read::{PLACE_LEN, is_head_at},
    store::MessageStore,
};

/// Slots in memory at which they are written while the wheel is put in order.
const CHANGES_BATCH: usize = 64 << 10;

impl MessageStore {
    /// Opens the timer files of this store and puts them in order. Files are made with the first message that waits.
    ///
    /// # Errors
    /// A file cannot be read, or was made with other settings.
    pub fn open_timers(&self, settings: TimerSettings, now: Timestamp) -> Result<TimerFiles, OpenError> {
        let disk = Arc::clone(&self.disk);
        let check_path = self.config.root.join("config").join("timercheck");
        let read = read_check(&*disk, &check_path)?;
        let bytes = read.as_ref().map_or([0; WHOLE_LEN], |(_, bytes)| *bytes);
        let check = Check::decode(&bytes);
        let found = Fine::decode(&bytes);
        if let Some(found) = found.filter(|found| i64::from(found.precision_ms) != settings.precision_ms) {
            return Err(OpenError::TimerPrecision {
                path: check_path,
                found_ms: found.precision_ms,
                configured_ms: settings.precision_ms,
            });
        }
        let log =
            TimerLog::open(Arc::clone(&disk), self.config.root.join("timerlog"), settings.log_file_bytes)?;
        let (wheel, wheel_file) = TimerWheel::open(Arc::clone(&disk), self.config.root.join("timerwheel"))?;
        let log_end = self.log_range().1;
        let mut files = TimerFiles {
            disk,
            settings,
            log,
            wheel,
            check_path,
            check_file: read.map(|(file, _)| file),
            check,
            delivered: Delivered::before(Timestamp(check.read_ms)),
            queue_offset: QueueOffset(check.queue_offset),
            delivered_end: log_end,
            followed_counter: 0,
        };
        let last = self.find_end(&mut files)?;
        let fine = self.believable(&files, found);
        if let Some(fine) = fine {
            files.delivered = fine.delivered;
        }
        files.clamp_delivered(now);
        files.queue_offset = self.next_to_take(&files, fine, last);
        let is_lost = files.check_file.is_none() && !files.log.is_empty();
        if is_lost || (found.is_some() && fine.is_none()) {
            // What does not hold now might seem to when the logs have grown again.
            files.write_check()?;
        }
        self.restore_wheel(&mut files, wheel_file)?;
        files.sync_leftovers()?;
        Ok(files)
    }

    /// Our part of `timercheck`, unless a Java broker came after us, or a power cut left less than it speaks of.
    fn believable(&self, files: &TimerFiles, found: Option<Fine>) -> Option<Fine> {
        found.filter(|fine| {
            fine.counter == files.check.counter
                && fine.log_end <= self.log_range().1.0
                && fine.timer_log_end <= files.log.end()
        })
    }

    /// Finds the end of the timer log; the last unit behind the last flush, if there is one.
    ///
    /// What is behind the flush may be torn, and a unit has no checksum. So its record must be where it says.
    fn find_end(&self, files: &mut TimerFiles) -> Result<Option<TimerUnit>, DiskError> {
        let (log_min, log_end) = self.log_range();
        let flushed = files.check.log_pos;
        let from = flushed.max(files.log.min());
        let from = if files.log.is_unit_start(from) { from } else { files.log.min() };
        let mut last = None;
        files.log.scan(from, |pos, unit| {
            let end = unit.log_offset.0.saturating_add(u64::from(unit.size_bytes));
            let is_there =
                end <= log_end.0 && (pos < flushed || unit.log_offset < log_min || self.has_record(&unit)?);
            if is_there {
                last = Some(unit);
            }
            Ok(is_there)
        })?;
        Ok(last)
    }

    /// Whether the record of a unit is in the log, as far as its beginning says.
    fn has_record(&self, unit: &TimerUnit) -> Result<bool, DiskError> {
        let at = unit.log_offset.0;
        let Some(segment) = self.segments.find(at) else { return Ok(false) };
        if at + PLACE_LEN as u64 > segment.end() {
            return Ok(false);
        }
        let mut head = Vec::with_capacity(PLACE_LEN);
        segment.read_append(&mut head, PLACE_LEN, at)?;
        Ok(is_head_at(&head, unit.size_bytes as usize, at))
    }

    /// Makes the wheel know all units.
    fn restore_wheel(&self, files: &mut TimerFiles, wheel_file: WheelFile) -> Result<(), OpenError> {
        let from = files.check.log_pos.max(files.log.min());
        let has_snapshot = has_snapshot(&*self.disk, &self.config.root)?;
        let is_trusted = wheel_file == WheelFile::Found && files.log.is_unit_start(from) && !has_snapshot;
        if files.log.is_empty() {
            if wheel_file == WheelFile::Found {
                files.wheel.clear()?;
            }
            return Ok(());
        }
        if is_trusted && self.look_through(files)? {
            return Ok(self.replay(files, from)?);
        }
        tracing::warn!(
            units_from = files.log.min(),
            "the timer wheel does not fit the timer log: it is made anew from the log"
        );
        // A start that does not come to its end begins anew.
        files.check.log_pos = files.log.min();
        files.write_check()?;
        files.wheel.clear()?;
        Ok(self.replay(files, files.log.min())?)
    }

    /// Takes the slots of the wheel's file; whether they fit. A slot may mean a unit behind the end of the timer log, as a power cut
    /// may leave it of a Java broker.
    fn look_through(&self, files: &mut TimerFiles) -> Result<bool, DiskError> {
        let TimerFiles { log, wheel, settings, delivered, .. } = files;
        let first = delivered.before.0.div_euclid(settings.precision_ms);
        let mut fits = true;
        wheel.look_through(|slot| {
            let is_pending = (first..first + WHEEL_SLOTS).contains(&slot.step);
            fits &= !is_pending || slot.last_of(slot.step).is_none_or(|last| last < log.end());
            is_pending
        })?;
        Ok(fits)
    }

    /// Puts units from `from` on into their slots.
    fn replay(&self, files: &mut TimerFiles, from: u64) -> Result<(), DiskError> {
        let TimerFiles { log, wheel, settings, delivered, .. } = files;
        let first = delivered.before.0.div_euclid(settings.precision_ms);
        log.scan(from, |pos, unit| {
            let step = unit.out.0.div_euclid(settings.precision_ms);
            if (first..first + WHEEL_SLOTS).contains(&step) {
                let slot = wheel.slot(step)?;
                if slot.last_of(step).is_none_or(|known| known < pos) {
                    wheel.set(&slot, slot.with(step, pos, unit.kind));
                }
                if wheel.changes() > CHANGES_BATCH {
                    wheel.write_changes()?;
                }
            }
            Ok(true)
        })
    }

    /// The next message of the timer topic's queue that is not in the timer log.
    fn next_to_take(&self, files: &TimerFiles, fine: Option<Fine>, last: Option<TimerUnit>) -> QueueOffset {
        let checked = files.check.queue_offset;
        let after_last = last.and_then(|unit| {
            let record = self.record_at(unit.log_offset).ok().flatten()?;
            let record = Record::decode(&record).ok()?;
            (record.fields.topic == TIMER_TOPIC).then_some(record.fields.queue_offset.0 + 1)
        });
        QueueOffset(match fine {
            // All before both was taken.
            Some(fine) => after_last.unwrap_or(0).max(fine.queue_offset.0).max(checked),
            // A Java broker, or a power cut: what is taken twice is delivered once, because its slot knows it. What stands before
            // the last unit may have been due when it was taken, and its delivery lost.
            None => {
                after_last.map_or(checked, |after| after.min(files.check.master_queue_offset.max(checked)))
            }
        })
    }
}

impl TimerFiles {
    /// Writes both parts of `timercheck`, and brings them to the disk.
    fn write_check(&mut self) -> Result<(), DiskError> {
        let file = self.check_file()?;
        file.write_all_at(&self.whole_check(), 0).map_err(DiskError::at("write", &self.check_path))?;
        file.sync_data().map_err(DiskError::at("sync", &self.check_path))
    }

    /// What a killed process wrote and created may be known to the kernel only, and no flush would think of it: slots do not count
    /// as changed, names are not created again.
    fn sync_leftovers(&self) -> Result<(), DiskError> {
        if !self.has_files() {
            return Ok(());
        }
        self.wheel.sync()?;
        let dirs = [Some(self.log.dir()), self.log.dir().parent(), self.check_path.parent()];
        for dir in dirs.into_iter().flatten() {
            if self.disk.exists(dir).map_err(DiskError::at("look for", dir))? {
                self.disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
            }
        }
        Ok(())
    }

    /// A time that cannot be: no slot was ever delivered, or all that waits is older than the wheel reaches.
    fn clamp_delivered(&mut self, now: Timestamp) {
        let reach_ms = WHEEL_SLOTS.saturating_mul(self.settings.precision_ms);
        let delivered = self.delivered.before;
        if delivered.0 <= 0 || now.ms_since(delivered) >= reach_ms {
            let start = match self.log.is_empty() {
                true => now,
                // As in Java: half of what the wheel reaches.
                false => now.add_ms(-reach_ms / 2),
            };
            self.delivered = Delivered::before(self.slot_start(start));
        }
    }
}

/// The file and its first bytes; `None` where there is none, or none that says anything.
#[expect(clippy::type_complexity, reason = "a file and what it says")]
pub(super) fn read_check(
    disk: &dyn Disk,
    path: &std::path::Path,
) -> Result<Option<(Arc<dyn DiskFile>, [u8; WHOLE_LEN])>, DiskError> {
    if !disk.exists(path).map_err(DiskError::at("look for", path))? {
        return Ok(None);
    }
    let file = disk.open(path).map_err(DiskError::at("open", path))?;
    let len = file.len().map_err(DiskError::at("measure", path))?;
    if len < CHECK_LEN as u64 {
        return Ok(None);
    }
    let mut bytes = [0; WHOLE_LEN];
    let len = WHOLE_LEN.min(usize::try_from(len).unwrap_or(WHOLE_LEN));
    file.read_exact_at(bytes.get_mut(..len).unwrap_or_default(), 0).map_err(DiskError::at("read", path))?;
    Ok(Some((file, bytes)))
}

/// Whether a Java broker kept the wheel in snapshots (`timerWheelSnapshotFlush`): the plain file may be older then.
fn has_snapshot(disk: &dyn Disk, root: &std::path::Path) -> Result<bool, DiskError> {
    let entries = disk.list(root).map_err(DiskError::at("list", root))?;
    Ok(entries.iter().any(|entry| entry.name.starts_with("timerwheel.")))
}
