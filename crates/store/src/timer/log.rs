//! The files of the timer log: `timerlog/START`, each of one size, zero filled behind the last unit.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::unit::{BLANK_LEN, Found, TimerUnit, UNIT_LEN, blank};
use crate::{
    disk::{Disk, DiskError, DiskFile},
    error::OpenError,
    segment::{file_path, list_files},
};

/// So much is read at once while a list of units is followed backwards.
const WINDOW_BYTES: u64 = 64 << 10;
/// And while the log is read forwards.
const SCAN_BYTES: usize = 1 << 20;

/// One file.
#[derive(Debug, Clone)]
pub(super) struct LogFile {
    pub(super) start: u64,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl LogFile {
    pub(super) fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(DiskError::at("sync", &self.path))
    }
}

/// The log. Positions count over all files.
#[derive(Debug)]
pub(super) struct TimerLog {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    file_bytes: u64,
    files: VecDeque<LogFile>,
    end: u64,
}

/// What the last reads of a list of units brought.
#[derive(Debug, Default)]
pub(super) struct Window {
    from: u64,
    bytes: Vec<u8>,
}

impl TimerLog {
    /// Opens the files in `dir`; where the log ends is found by [`TimerLog::scan`].
    pub(super) fn open(disk: Arc<dyn Disk>, dir: PathBuf, file_bytes: u64) -> Result<TimerLog, OpenError> {
        let mut files = VecDeque::new();
        let found = list_files(&*disk, &dir)?;
        for (place, found_file) in found.iter().enumerate() {
            let path = file_path(&dir, found_file.start);
            let is_last = place + 1 == found.len();
            if is_last && found_file.len_bytes == 0 {
                // The trace of an interrupted creation.
                disk.remove_file(&path).map_err(DiskError::at("remove", &path))?;
                continue;
            }
            if found_file.len_bytes != file_bytes {
                let (len_bytes, key) = (found_file.len_bytes, "mappedFileSizeTimerLog");
                return Err(OpenError::WrongFileSize { path, len_bytes, expected_bytes: file_bytes, key });
            }
            if let Some(before) = files.back().map(|before: &LogFile| before.start + file_bytes)
                && before != found_file.start
            {
                return Err(OpenError::MissingFile { path: file_path(&dir, before) });
            }
            let file = disk.open(&path).map_err(DiskError::at("open", &path))?;
            files.push_back(LogFile { start: found_file.start, path, file });
        }
        let end = files.front().map_or(0, |file| file.start);
        Ok(TimerLog { disk, dir, file_bytes, files, end })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The files of a directory as they are found, as far as they follow each other with one length; nothing is changed.
    pub(super) fn look(disk: Arc<dyn Disk>, dir: PathBuf) -> Result<TimerLog, DiskError> {
        let found = list_files(&*disk, &dir)?;
        let file_bytes = found.first().map_or(0, |first| first.len_bytes);
        let mut files: VecDeque<LogFile> = VecDeque::new();
        for file in found {
            let next = files.back().map_or(file.start, |before| before.start + file_bytes);
            if file.len_bytes == 0 || file.len_bytes != file_bytes || file.start != next {
                break;
            }
            let path = file_path(&dir, file.start);
            let opened = disk.open(&path).map_err(DiskError::at("open", &path))?;
            files.push_back(LogFile { start: file.start, path, file: opened });
        }
        let end = files.front().map_or(0, |file| file.start);
        Ok(TimerLog { disk, dir, file_bytes, files, end })
    }

    /// Length of a file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// How many files there are.
    pub(super) fn file_count(&self) -> usize {
        self.files.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn min(&self) -> u64 {
        self.files.front().map_or(0, |file| file.start)
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Whether a unit may start at `pos`.
    pub(super) fn is_unit_start(&self, pos: u64) -> bool {
        let last = self.files.back().map_or(0, |file| file.start + self.file_bytes);
        (self.min()..=last).contains(&pos)
            && (pos - self.min()).rem_euclid(self.file_bytes).is_multiple_of(UNIT_LEN as u64)
    }

    fn place_of(&self, pos: u64) -> Option<usize> {
        let since = pos.checked_sub(self.files.front()?.start)?;
        usize::try_from(since / self.file_bytes).ok().filter(|place| *place < self.files.len())
    }

    /// The files that hold bytes from `from` on.
    pub(super) fn files_from(&self, from: u64) -> Vec<LogFile> {
        self.files.iter().filter(|file| file.start + self.file_bytes > from).cloned().collect()
    }

    /// Where the next `count` units will stand.
    pub(super) fn positions(&self, count: usize) -> Vec<u64> {
        let mut at = self.end;
        let mut positions = Vec::with_capacity(count);
        for _ in 0..count {
            at = self.with_room(at);
            positions.push(at);
            at += UNIT_LEN as u64;
        }
        positions
    }

    /// `at`, or the start of the next file where the rest of this one is too short.
    fn with_room(&self, at: u64) -> u64 {
        let file_end = at - at % self.file_bytes + self.file_bytes;
        if file_end - at < (UNIT_LEN + BLANK_LEN) as u64 { file_end } else { at }
    }

    /// Writes units to the places that [`TimerLog::positions`] gave. After an error the log ends where it did.
    pub(super) fn append(&mut self, units: &[(u64, TimerUnit)]) -> Result<(), DiskError> {
        let mut bytes = Vec::with_capacity(units.len().min(20_000) * UNIT_LEN);
        let (mut from, mut at) = (self.end, self.end);
        for (pos, unit) in units {
            if *pos != at {
                let rest = (at - at % self.file_bytes + self.file_bytes) - at;
                // Nothing is written at the very end of a file that units fill.
                if !at.is_multiple_of(self.file_bytes) {
                    bytes.extend_from_slice(&blank(rest));
                }
                self.write(from, &bytes)?;
                bytes.clear();
                (from, at) = (*pos, *pos);
            }
            bytes.extend_from_slice(&unit.encode());
            at += UNIT_LEN as u64;
        }
        self.write(from, &bytes)?;
        self.end = at;
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), DiskError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.place_of(at).is_none() {
            self.create(at - at % self.file_bytes)?;
        }
        let Some(file) = self.place_of(at).and_then(|place| self.files.get(place)) else { return Ok(()) };
        file.file.write_all_at(bytes, at - file.start).map_err(DiskError::at("write", &file.path))
    }

    fn create(&mut self, start: u64) -> Result<(), DiskError> {
        let dir = &self.dir;
        self.disk.create_dir_all(dir).map_err(DiskError::at("create directory", dir))?;
        let path = file_path(dir, start);
        let file = self.disk.create(&path, self.file_bytes).map_err(DiskError::at("create", &path))?;
        for dir in [Some(dir.as_path()), dir.parent()].into_iter().flatten() {
            if let Err(error) = self.disk.sync_dir(dir).map_err(DiskError::at("sync", dir)) {
                // The next try begins anew.
                let _ = self.disk.remove_file(&path);
                return Err(error);
            }
        }
        self.files.push_back(LogFile { start, path, file });
        Ok(())
    }

    /// The unit at `pos`, with the ones before it read along; `None` where none is (any more).
    pub(super) fn unit_at(&self, pos: u64, window: &mut Window) -> Result<Option<TimerUnit>, DiskError> {
        let Some(place) = self.place_of(pos).filter(|_| pos < self.end) else { return Ok(None) };
        let Some(file) = self.files.get(place) else { return Ok(None) };
        let is_inside =
            pos >= window.from && pos + UNIT_LEN as u64 <= window.from + window.bytes.len() as u64;
        if !is_inside {
            let until = (pos + UNIT_LEN as u64).min(file.start + self.file_bytes);
            let from = until.saturating_sub(WINDOW_BYTES).max(file.start);
            window.bytes.clear();
            // What is left in it must not be taken for what was asked for.
            window.from = from;
            let len = usize::try_from(until - from).unwrap_or(0);
            let read = file.file.read_append(&mut window.bytes, len, from - file.start);
            if let Err(error) = read {
                window.bytes.clear();
                return Err(DiskError::at("read", &file.path)(error));
            }
        }
        let at = usize::try_from(pos - window.from).unwrap_or(usize::MAX);
        Ok(match TimerUnit::decode(window.bytes.get(at..).unwrap_or_default()) {
            Found::Unit(unit) => Some(unit),
            Found::Blank | Found::Nothing => None,
        })
    }

    /// Reads units forwards from `from`, until one is not there or `take` does not want it: there the log ends, and what is
    /// behind it is cleared.
    pub(super) fn scan(
        &mut self,
        from: u64,
        take: impl FnMut(u64, TimerUnit) -> Result<bool, DiskError>,
    ) -> Result<(), DiskError> {
        let end = self.each(from, take)?;
        self.cut(end)
    }

    /// Hands units to `take`, forwards from `from`, until one is not there or `take` does not want it: the position of that.
    pub(super) fn each(
        &self,
        from: u64,
        mut take: impl FnMut(u64, TimerUnit) -> Result<bool, DiskError>,
    ) -> Result<u64, DiskError> {
        let mut at = from;
        let mut bytes = Vec::new();
        'files: while let Some(file) = self.place_of(at).and_then(|place| self.files.get(place)) {
            let file_end = file.start + self.file_bytes;
            loop {
                let whole = SCAN_BYTES - SCAN_BYTES % UNIT_LEN;
                let len = whole.min(usize::try_from(file_end - at).unwrap_or(0));
                bytes.clear();
                file.file
                    .read_append(&mut bytes, len, at - file.start)
                    .map_err(DiskError::at("read", &file.path))?;
                let before = at;
                let mut rest = bytes.as_slice();
                loop {
                    let found = TimerUnit::decode(rest);
                    // A rest that is too short for a unit may be one of the chunk or of the file.
                    let is_cut = rest.len() < UNIT_LEN;
                    match found {
                        Found::Unit(unit) if take(at, unit)? => {
                            at += UNIT_LEN as u64;
                            rest = rest.get(UNIT_LEN..).unwrap_or_default();
                        }
                        Found::Blank => {
                            at = file_end;
                            continue 'files;
                        }
                        Found::Nothing if is_cut && at > before && file_end - at >= UNIT_LEN as u64 => break,
                        Found::Unit(_) | Found::Nothing => break 'files,
                    }
                }
            }
        }
        Ok(at)
    }

    /// Ends the log at `end`: what is behind it is no unit any more.
    fn cut(&mut self, end: u64) -> Result<(), DiskError> {
        self.end = end;
        while let Some(last) = self.files.back()
            && last.start > end
        {
            self.disk.remove_file(&last.path).map_err(DiskError::at("remove", &last.path))?;
            self.files.pop_back();
        }
        let Some(file) = self.place_of(end).and_then(|place| self.files.get(place)) else { return Ok(()) };
        // All of the rest: a power cut may leave a hole, and units behind it that would be taken for ones of the log once it has grown
        // up to them. And on the disk before it grows, for the same reason.
        let clear = || -> std::io::Result<()> {
            let mut bytes = Vec::new();
            let mut at = end - file.start;
            while at < self.file_bytes {
                let len = SCAN_BYTES.min(usize::try_from(self.file_bytes - at).unwrap_or(0));
                bytes.clear();
                file.file.read_append(&mut bytes, len, at)?;
                if bytes.iter().any(|byte| *byte != 0) {
                    file.file.zero_from(end - file.start)?;
                    return file.file.sync_data();
                }
                at += len as u64;
            }
            Ok(())
        };
        clear().map_err(DiskError::at("clear the end of", &file.path))
    }

    /// Removes the first files as long as the last unit in each is of a message before `log_min`.
    pub(super) fn expire(&mut self, log_min: u64) -> Result<(), DiskError> {
        while self.files.len() > 1
            && let Some(first) = self.files.front()
        {
            let units = (self.file_bytes - BLANK_LEN as u64) / UNIT_LEN as u64;
            let last_pos = first.start + units.saturating_sub(1) * UNIT_LEN as u64;
            let last = self.unit_at(last_pos, &mut Window::default())?;
            if last.is_none_or(|last| last.log_offset.0 >= log_min) {
                return Ok(());
            }
            self.disk.remove_file(&first.path).map_err(DiskError::at("remove", &first.path))?;
            self.files.pop_front();
            self.disk.sync_dir(&self.dir).map_err(DiskError::at("sync", &self.dir))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use eruca_message::{LogOffset, Timestamp};

    use super::*;
    use crate::{disk::SimDisk, timer::unit::UnitKind};

    /// Room for three units.
    const FILE_BYTES: u64 = 180;

    fn unit(number: u64) -> TimerUnit {
        TimerUnit {
            prev: number.checked_sub(1),
            kind: UnitKind::Deliver,
            written: Timestamp(1),
            out: Timestamp(5),
            log_offset: LogOffset(number),
            size_bytes: 9,
            topic_hash: 7,
        }
    }

    fn open(disk: &SimDisk) -> TimerLog {
        TimerLog::open(Arc::new(disk.clone()), "/s/timerlog".into(), FILE_BYTES).unwrap()
    }

    fn put(log: &mut TimerLog, numbers: std::ops::Range<u64>) -> Vec<u64> {
        let positions = log.positions(numbers.clone().count());
        let units: Vec<_> = positions.iter().copied().zip(numbers.map(unit)).collect();
        log.append(&units).unwrap();
        positions
    }

    fn all(log: &mut TimerLog) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        log.scan(log.min(), |pos, unit| {
            found.push((pos, unit.log_offset.0));
            Ok(true)
        })
        .unwrap();
        found
    }

    #[test]
    fn units_go_on_in_the_next_file_and_are_found_again() {
        let disk = SimDisk::new(1);
        let mut log = open(&disk);
        assert!(log.is_empty());
        assert_eq!(put(&mut log, 0..2), [0, 52]);
        assert_eq!(put(&mut log, 2..8), [104, 180, 232, 284, 360, 412]);
        let mut again = open(&disk);
        let expected = [(0, 0), (52, 1), (104, 2), (180, 3), (232, 4), (284, 5), (360, 6), (412, 7)];
        assert_eq!(all(&mut again), expected);
        assert_eq!(again.end(), 464);
        let mut window = Window::default();
        for (pos, number) in expected.into_iter().rev() {
            assert_eq!(again.unit_at(pos, &mut window).unwrap(), Some(unit(number)));
        }
        assert_eq!(again.unit_at(464, &mut window).unwrap(), None);
        assert!(again.is_unit_start(232) && !again.is_unit_start(233) && !again.is_unit_start(1000));
    }

    #[test]
    fn where_a_scan_stops_the_log_ends_and_nothing_behind_comes_back() {
        let disk = SimDisk::new(1);
        let mut log = open(&disk);
        put(&mut log, 0..8);
        log.scan(0, |_, unit| Ok(unit.log_offset.0 < 4)).unwrap();
        assert_eq!(log.end(), 232);
        let mut again = open(&disk);
        assert_eq!(all(&mut again).len(), 4);
        assert_eq!(put(&mut again, 9..10), [232]);
        let mut again = open(&disk);
        assert_eq!(all(&mut again).last(), Some(&(232, 9)));
    }

    #[test]
    fn files_go_with_the_messages() {
        let disk = SimDisk::new(1);
        let mut log = open(&disk);
        put(&mut log, 0..8);
        log.expire(2).unwrap();
        assert_eq!(log.min(), 0);
        log.expire(6).unwrap();
        assert_eq!(log.min(), 360);
        log.expire(100).unwrap();
        assert_eq!(log.min(), 360, "the last one stays");
    }

    #[test]
    fn a_file_of_another_size_and_a_gap_are_refused() {
        let disk = SimDisk::new(1);
        put(&mut open(&disk), 0..8);
        disk.remove_file(std::path::Path::new("/s/timerlog/00000000000000000180")).unwrap();
        let open = |bytes| TimerLog::open(Arc::new(disk.clone()), "/s/timerlog".into(), bytes);
        assert!(matches!(open(FILE_BYTES), Err(OpenError::MissingFile { .. })));
        let error = open(1 << 20).unwrap_err().to_string();
        assert!(error.contains("mappedFileSizeTimerLog"), "{error}");
    }
}
