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
        let log_end = self.log_range().1;
        // Of a Java broker that came after us, or of a time of which a power cut left no message, it says nothing.
        let fine = found.filter(|fine| fine.counter == check.counter && fine.log_end <= log_end.0);
        let log =
            TimerLog::open(Arc::clone(&disk), self.config.root.join("timerlog"), settings.log_file_bytes)?;
        let (wheel, wheel_file) = TimerWheel::open(Arc::clone(&disk), self.config.root.join("timerwheel"))?;
        let mut files = TimerFiles {
            disk,
            settings,
            log,
            wheel,
            check_path,
            check_file: read.map(|(file, _)| file),
            check,
            delivered: fine.map_or(Delivered::before(Timestamp(check.read_ms)), |fine| fine.delivered),
            queue_offset: QueueOffset(check.queue_offset),
            delivered_end: log_end,
        };
        files.clamp_delivered(now);
        let last = self.restore_wheel(&mut files, wheel_file)?;
        files.queue_offset = self.next_to_take(&files, fine, last);
        Ok(files)
    }

    /// Reads the units that the wheel may not know; the last one of the log, if one was read.
    fn restore_wheel(
        &self,
        files: &mut TimerFiles,
        wheel_file: WheelFile,
    ) -> Result<Option<TimerUnit>, OpenError> {
        let from = files.check.log_pos.max(files.log.min());
        let has_snapshot = has_snapshot(&*self.disk, &self.config.root)?;
        let is_trusted = wheel_file == WheelFile::Found && files.log.is_unit_start(from) && !has_snapshot;
        if files.log.is_empty() {
            if wheel_file == WheelFile::Found {
                files.wheel.clear()?;
            }
            return Ok(None);
        }
        let (last, dangling) = match is_trusted {
            true => {
                self.look_through(files)?;
                let last = self.replay(files, from)?;
                (last, self.dangling(files)?)
            }
            false => (None, true),
        };
        if !dangling {
            return Ok(last);
        }
        tracing::warn!(
            units_from = files.log.min(),
            "the timer wheel does not fit the timer log: it is made anew from the log"
        );
        // A start that does not come to its end begins anew.
        files.check.log_pos = files.log.min();
        let file = files.check_file()?;
        file.write_all_at(&files.whole_check(), 0).map_err(DiskError::at("write", &files.check_path))?;
        file.sync_data().map_err(DiskError::at("sync", &files.check_path))?;
        files.wheel.clear()?;
        Ok(self.replay(files, files.log.min())?)
    }

    fn look_through(&self, files: &mut TimerFiles) -> Result<(), DiskError> {
        let first = files.delivered.before.0.div_euclid(files.settings.precision_ms);
        files.wheel.look_through(|slot| (first..first + WHEEL_SLOTS).contains(&slot.step))
    }

    /// Puts units from `from` on into their slots, until one means a message that the log does not hold.
    fn replay(&self, files: &mut TimerFiles, from: u64) -> Result<Option<TimerUnit>, DiskError> {
        let log_end = self.log_range().1.0;
        let TimerFiles { log, wheel, settings, delivered, .. } = files;
        let first = delivered.before.0.div_euclid(settings.precision_ms);
        let mut last = None;
        log.scan(from, |pos, unit| {
            if unit.log_offset.0.saturating_add(u64::from(unit.size_bytes)) > log_end {
                return Ok(false);
            }
            last = Some(unit);
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
        })?;
        Ok(last)
    }

    /// Whether a slot means a unit behind the end of the timer log, as a power cut may leave it of a Java broker.
    fn dangling(&self, files: &mut TimerFiles) -> Result<bool, DiskError> {
        let end = files.log.end();
        let first = files.delivered.before.0.div_euclid(files.settings.precision_ms);
        let mut is_dangling = false;
        files.wheel.look_through(|slot| {
            let is_pending = (first..first + WHEEL_SLOTS).contains(&slot.step);
            is_dangling |= is_pending && slot.last_of(slot.step).is_some_and(|last| last >= end);
            // Looked at, not taken in.
            false
        })?;
        Ok(is_dangling)
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
            // A Java broker, or a power cut: what is taken twice is delivered once, because its slot knows it.
            None => {
                after_last.map_or(checked, |after| after.min(files.check.master_queue_offset.max(checked)))
            }
        })
    }
}

impl TimerFiles {
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
fn read_check(
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
