//! The wheel: which step of time has units, and the last of them.
//!
//! The file is not held in memory: only which slots are in use, and those that changed since the last flush.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use super::{
    WHEEL_SLOTS,
    slot::{SLOT_LEN, Slot, index_of},
};
use crate::{
    disk::{Disk, DiskError, DiskFile},
    error::OpenError,
};

const WHEEL_LEN: u64 = WHEEL_SLOTS as u64 * SLOT_LEN as u64;
const WORDS: usize = (WHEEL_SLOTS as usize).div_ceil(64);
/// Slots read at once when the file is looked through.
const CHUNK_SLOTS: usize = 32 << 10;
/// A page without a slot.
const ZEROS: [u8; 4096] = [0; 4096];

/// Slots by their place in the file.
pub(super) type Changes = Arc<HashMap<u32, Slot>>;

/// The wheel of one directory. It has no file before the first message that waits.
#[derive(Debug)]
pub(super) struct TimerWheel {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Option<Arc<dyn DiskFile>>,
    /// A bit for each slot: whether it has units that were not delivered.
    used: Vec<u64>,
    /// Messages in them, as Java counts.
    count: i64,
    changed: HashMap<u32, Slot>,
    /// Changes that are on their way to the file.
    flushing: Changes,
}

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WheelFile {
    Missing,
    Found,
}

impl TimerWheel {
    pub(super) fn open(disk: Arc<dyn Disk>, path: PathBuf) -> Result<(TimerWheel, WheelFile), OpenError> {
        let mut wheel = TimerWheel {
            disk,
            path,
            file: None,
            used: vec![0; WORDS],
            count: 0,
            changed: HashMap::new(),
            flushing: Arc::default(),
        };
        if !wheel.disk.exists(&wheel.path).map_err(DiskError::at("look for", &wheel.path))? {
            return Ok((wheel, WheelFile::Missing));
        }
        let file = wheel.disk.open(&wheel.path).map_err(DiskError::at("open", &wheel.path))?;
        let len_bytes = file.len().map_err(DiskError::at("measure", &wheel.path))?;
        if len_bytes != WHEEL_LEN {
            // Made in vain, or cut short: the log has all that it said.
            wheel.disk.remove_file(&wheel.path).map_err(DiskError::at("remove", &wheel.path))?;
            return Ok((wheel, WheelFile::Missing));
        }
        wheel.file = Some(file);
        Ok((wheel, WheelFile::Found))
    }

    /// Makes the file where it is missing.
    pub(super) fn create_file(&mut self) -> Result<(), DiskError> {
        if self.file.is_none() {
            let path = &self.path;
            let dir = path.parent().unwrap_or(path);
            self.disk.create_dir_all(dir).map_err(DiskError::at("create directory", dir))?;
            let file = self.disk.create(path, WHEEL_LEN).map_err(DiskError::at("create", path))?;
            self.disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
            self.file = Some(file);
        }
        Ok(())
    }

    /// Empties every slot, in the file as well.
    pub(super) fn clear(&mut self) -> Result<(), DiskError> {
        self.used = vec![0; WORDS];
        self.count = 0;
        self.changed.clear();
        match &self.file {
            Some(file) => file.zero_from(0).map_err(DiskError::at("clear", &self.path)),
            None => self.create_file(),
        }
    }

    /// Looks through the file. `take` says of each slot with units whether it is in use.
    pub(super) fn look_through(&mut self, mut take: impl FnMut(&Slot) -> bool) -> Result<(), DiskError> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        let mut bytes = Vec::new();
        let slots = WHEEL_SLOTS as usize;
        for from in (0..slots).step_by(CHUNK_SLOTS) {
            let len = CHUNK_SLOTS.min(slots - from) * SLOT_LEN;
            bytes.clear();
            file.read_append(&mut bytes, len, (from * SLOT_LEN) as u64)
                .map_err(DiskError::at("read", &self.path))?;
            for (page, slots) in bytes.chunks(ZEROS.len()).enumerate() {
                // Most of it was never written.
                if ZEROS.starts_with(slots) {
                    continue;
                }
                let first = from + page * (ZEROS.len() / SLOT_LEN);
                for (place, slot) in slots.as_chunks::<SLOT_LEN>().0.iter().enumerate() {
                    let (slot, index) = (Slot::decode(slot), (first + place) as u32);
                    if slot.last_of(slot.step).is_some() && index_of(slot.step) == index && take(&slot) {
                        self.use_slot(index, true);
                        self.count += i64::from(slot.num);
                    }
                }
            }
        }
        Ok(())
    }

    fn use_slot(&mut self, index: u32, is_used: bool) {
        if let Some(word) = self.used.get_mut(index as usize / 64) {
            let bit = 1u64 << (index % 64);
            *word = if is_used { *word | bit } else { *word & !bit };
        }
    }

    fn is_used(&self, index: u32) -> bool {
        self.used.get(index as usize / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// Messages that wait, as Java counts.
    pub(super) fn count(&self) -> i64 {
        self.count
    }

    /// Slots that are not in the file yet.
    pub(super) fn changes(&self) -> usize {
        self.changed.len()
    }

    /// The slot of a step; an empty one where the step has no units that wait.
    pub(super) fn slot(&self, step: i64) -> Result<Slot, DiskError> {
        let index = index_of(step);
        if !self.is_used(index) {
            return Ok(Slot::default());
        }
        let slot = self.raw_slot(index)?;
        Ok(if slot.step == step { slot } else { Slot::default() })
    }

    fn raw_slot(&self, index: u32) -> Result<Slot, DiskError> {
        if let Some(slot) = self.changed.get(&index).or_else(|| self.flushing.get(&index)) {
            return Ok(*slot);
        }
        let Some(file) = &self.file else { return Ok(Slot::default()) };
        let mut bytes = [0; SLOT_LEN];
        file.read_exact_at(&mut bytes, u64::from(index) * SLOT_LEN as u64)
            .map_err(DiskError::at("read", &self.path))?;
        Ok(Slot::decode(&bytes))
    }

    /// Sets a slot that has units, where `before` stood.
    pub(super) fn set(&mut self, before: &Slot, slot: Slot) {
        let index = index_of(slot.step);
        let had = if before.step == slot.step { before.num } else { 0 };
        self.count += i64::from(slot.num) - i64::from(had);
        self.use_slot(index, true);
        self.changed.insert(index, slot);
    }

    /// Empties the slot of a step.
    pub(super) fn empty(&mut self, step: i64) -> Result<(), DiskError> {
        let slot = self.slot(step)?;
        let index = index_of(step);
        self.count -= i64::from(slot.num);
        self.use_slot(index, false);
        self.changed.insert(index, Slot::default());
        Ok(())
    }

    /// The first step from `from` on that has units, of those that the wheel reaches.
    pub(super) fn next_used(&self, from: i64) -> Option<i64> {
        let start = index_of(from) as usize;
        // The word where it starts comes twice: first its high bits, at the end its low ones.
        for turn in 0..=WORDS {
            let place = (start / 64 + turn) % WORDS;
            let mut word = self.used.get(place).copied().unwrap_or(0);
            if turn == 0 {
                word &= u64::MAX << (start % 64);
            } else if turn == WORDS {
                word &= !(u64::MAX << (start % 64));
            }
            if word != 0 {
                let index = (place * 64) as i64 + i64::from(word.trailing_zeros());
                return Some(from + (index - start as i64).rem_euclid(WHEEL_SLOTS));
            }
        }
        None
    }

    /// The changes since the last time, and where they go.
    pub(super) fn begin_flush(&mut self) -> (Changes, Option<Arc<dyn DiskFile>>) {
        let mut changed = std::mem::take(&mut self.changed);
        if !self.flushing.is_empty() {
            // The last flush failed: what it had goes with this one, unless it changed again.
            for (index, slot) in self.flushing.iter() {
                changed.entry(*index).or_insert(*slot);
            }
        }
        self.flushing = Arc::new(changed);
        (Arc::clone(&self.flushing), self.file.clone())
    }

    /// The changes are in the file.
    pub(super) fn end_flush(&mut self) {
        self.flushing = Arc::default();
    }

    /// Writes the changes at once: while a directory is put in order.
    pub(super) fn write_changes(&mut self) -> Result<(), DiskError> {
        self.create_file()?;
        let (changes, file) = self.begin_flush();
        if let Some(file) = file {
            write_slots(&changes, &*file).map_err(DiskError::at("write", &self.path))?;
        }
        self.end_flush();
        Ok(())
    }

    /// Brings to the disk what is in the file.
    pub(super) fn sync(&self) -> Result<(), DiskError> {
        let sync = |file: &Arc<dyn DiskFile>| file.sync_data();
        self.file.as_ref().map_or(Ok(()), sync).map_err(DiskError::at("sync", &self.path))
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }
}

/// Writes slots, neighbours with one call.
pub(super) fn write_slots(slots: &HashMap<u32, Slot>, file: &dyn DiskFile) -> std::io::Result<()> {
    let mut indexes: Vec<u32> = slots.keys().copied().collect();
    indexes.sort_unstable();
    let mut run: Vec<u8> = Vec::new();
    let mut start = 0u32;
    for index in indexes {
        let is_next = start + (run.len() / SLOT_LEN) as u32 == index;
        if !is_next {
            file.write_all_at(&run, u64::from(start) * SLOT_LEN as u64)?;
            run.clear();
        }
        if run.is_empty() {
            start = index;
        }
        let slot = slots.get(&index).copied().unwrap_or_default();
        run.extend_from_slice(&slot.encode());
    }
    if run.is_empty() { Ok(()) } else { file.write_all_at(&run, u64::from(start) * SLOT_LEN as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{disk::SimDisk, timer::unit::UnitKind};

    fn open(disk: &SimDisk) -> TimerWheel {
        TimerWheel::open(Arc::new(disk.clone()), "/s/timerwheel".into()).unwrap().0
    }

    fn put(wheel: &mut TimerWheel, step: i64, pos: u64) {
        let before = wheel.slot(step).unwrap();
        wheel.set(&before, before.with(step, pos, UnitKind::Deliver));
    }

    #[test]
    fn slots_in_use_are_found_in_the_order_of_time_around_the_ring() {
        let disk = SimDisk::new(1);
        let mut wheel = open(&disk);
        let now = WHEEL_SLOTS * 1_000 - 3;
        assert_eq!(wheel.next_used(now), None);
        for (step, pos) in [(now + 90, 0), (now + 2, 52), (now + 5, 104), (now + 2, 156)] {
            put(&mut wheel, step, pos);
        }
        assert_eq!(wheel.count(), 4);
        let order = |wheel: &TimerWheel| {
            let mut from = now;
            std::iter::from_fn(move || {
                let step = wheel.next_used(from).filter(|step| *step >= from && *step < now + WHEEL_SLOTS)?;
                from = step + 1;
                Some(step - now)
            })
            .take(5)
            .collect::<Vec<_>>()
        };
        assert_eq!(order(&wheel)[..3], [2, 5, 90]);
        wheel.write_changes().unwrap();
        let mut again = open(&disk);
        again.look_through(|slot| slot.step > now + 2).unwrap();
        assert_eq!((order(&again)[..2].to_vec(), again.count()), (vec![5, 90], 2));
        assert_eq!(again.slot(now + 2).unwrap(), Slot::default(), "it was delivered");
        again.empty(now + 5).unwrap();
        assert_eq!(again.slot(now + 5).unwrap(), Slot::default());
        put(&mut again, now + 5, 208);
        assert_eq!((again.slot(now + 5).unwrap().first, again.count()), (208, 2));
    }

    #[test]
    fn what_is_on_its_way_to_the_file_is_known() {
        let disk = SimDisk::new(1);
        let mut wheel = open(&disk);
        put(&mut wheel, 100, 0);
        let (changes, file) = wheel.begin_flush();
        assert!(file.is_none() && changes.len() == 1);
        assert_eq!(wheel.slot(100).unwrap().last, 0);
        put(&mut wheel, 100, 52);
        // It failed; the next one has both.
        put(&mut wheel, 101, 104);
        let (changes, _) = wheel.begin_flush();
        assert_eq!((changes.len(), changes[&100].last), (2, 52));
        wheel.end_flush();
    }
}
