//! What the queue log says at start: the state of every queue after the last step that holds.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    QueueLog, QueueRecord,
    format::{BLOCK_HEAD_LEN, BlockHead, Commit, FLAG_COMMIT, QueueLogRecord, records},
    log::{LogFile, Place},
};
use crate::{
    consume_queue::ConsumeQueueEntry,
    disk::{Disk, DiskError},
    segment::{file_path, list_files},
};

/// Something the log says about a queue.
#[derive(Debug)]
pub(crate) enum QueueNews<'a> {
    /// It was there.
    Queue(QueueRecord<'a>),
    /// It got entries in this log.
    Chunk {
        /// Which queue.
        number: u64,
        /// Index of the first entry.
        first: u64,
        /// How many.
        count: u64,
        /// Where they stand.
        position: u64,
    },
    /// Its entries before `stored` are in its own files.
    Stored {
        /// Which queue.
        number: u64,
        /// End of them.
        stored: u64,
    },
    /// It is no more.
    Deleted {
        /// Which queue.
        number: u64,
    },
}

/// What restoring came to.
#[derive(Debug)]
pub(crate) enum Restored {
    /// There is no queue log.
    Nothing,
    /// Every queue was reported as it was when this step ended.
    UpTo(Commit),
    /// There is one that cannot be used, and why; what was reported does not hold.
    Unusable(String),
}

/// Where a file's last step that holds ends, and what that step said.
struct Whole {
    end: Place,
    state_end: u64,
    commit: Commit,
    old_files: Vec<(u64, u64)>,
}

/// Reads the log and reports every queue. `tell` answers `false` for news that cannot be. `log_min`: where the log of
/// messages starts; files with nothing behind that may be gone.
pub(crate) fn restore(
    log: &QueueLog,
    log_min: u64,
    mut tell: impl FnMut(QueueNews<'_>) -> bool,
) -> Result<Restored, DiskError> {
    let (disk, dir) = (log.disk(), log.dir());
    let found = list_files(&**disk, dir)?;
    if found.is_empty() {
        return Ok(Restored::Nothing);
    }
    for (place, newest) in found.iter().enumerate().rev() {
        let file = open(&**disk, dir, newest.start, newest.len_bytes)?;
        let Some(whole) = read_whole(&file, newest.len_bytes)? else { continue };
        let mut files = Vec::new();
        for (start, live_until) in &whole.old_files {
            let Some(old) = found.iter().take(place).find(|old| old.start == *start) else {
                if *live_until <= log_min {
                    continue;
                }
                return Ok(Restored::Unusable(format!("{} is missing", file_path(dir, *start).display())));
            };
            let old = open(&**disk, dir, old.start, old.len_bytes)?;
            old.live_until.store(*live_until, Ordering::Relaxed);
            files.push(Arc::new(old));
        }
        if !report(&file, &whole, &mut tell)? {
            return Ok(Restored::Unusable(format!("{} contradicts itself", file.path.display())));
        }
        file.end.store(whole.end.at, Ordering::Relaxed);
        files.push(Arc::new(file));
        let commit = whole.commit;
        log.resume(files, whole.end, whole.state_end);
        return Ok(Restored::UpTo(commit));
    }
    Ok(Restored::Unusable(format!("no file in {} is whole", dir.display())))
}

/// Removes the log's files and its directory.
pub(super) fn remove_files(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    let found = list_files(disk, dir)?;
    for file in &found {
        let path = file_path(dir, file.start);
        disk.remove_file(&path).map_err(DiskError::at("remove", &path))?;
    }
    if !found.is_empty() {
        disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
    }
    Ok(())
}

fn open(disk: &dyn Disk, dir: &Path, start: u64, len_bytes: u64) -> Result<LogFile, DiskError> {
    let path = file_path(dir, start);
    let file = disk.open(&path).map_err(DiskError::at("open", &path))?;
    let end = AtomicU64::new(start.saturating_add(len_bytes));
    Ok(LogFile { start, path, file, end, live_until: AtomicU64::new(0) })
}

/// Visits the blocks of a file up to `end` (a position of the log) or the first that is not whole.
fn blocks(
    file: &LogFile,
    end: u64,
    mut visit: impl FnMut(Place, u32, &[u8]) -> Option<()>,
) -> Result<(), DiskError> {
    let mut place = Place { at: file.start, crc: 0 };
    let mut payload = Vec::new();
    let read = |into: &mut Vec<u8>, len: usize, at: u64| {
        into.clear();
        let read = file.file.read_append(into, len, at - file.start);
        read.map_err(DiskError::at("read", &file.path))
    };
    while place.at + BLOCK_HEAD_LEN as u64 <= end {
        read(&mut payload, BLOCK_HEAD_LEN, place.at)?;
        let Some(head) = BlockHead::decode(&payload) else { break };
        let payload_at = place.at + BLOCK_HEAD_LEN as u64;
        if payload_at + u64::from(head.payload_len) > end {
            break;
        }
        read(&mut payload, head.payload_len as usize, payload_at)?;
        if !head.fits(&payload, place.crc) || visit(place, head.flags, &payload).is_none() {
            break;
        }
        place = Place { at: payload_at + u64::from(head.payload_len), crc: head.crc };
    }
    Ok(())
}

/// Looks for the last step that holds.
fn read_whole(file: &LogFile, len_bytes: u64) -> Result<Option<Whole>, DiskError> {
    let mut whole: Option<Whole> = None;
    let mut old_files = Vec::new();
    blocks(file, file.start.saturating_add(len_bytes), |place, flags, payload| {
        let mut commit = None;
        for (_, record) in records(payload) {
            match record? {
                QueueLogRecord::OldFile { start, live_until } => old_files.push((start, live_until)),
                QueueLogRecord::Commit(found) => commit = Some(found),
                _ => {}
            }
        }
        if flags & FLAG_COMMIT != 0 {
            let commit = commit?;
            let end_at = place.at + (BLOCK_HEAD_LEN + payload.len()) as u64;
            let crc = BlockHead::of(payload, flags, place.crc).crc;
            let state_end = whole.as_ref().map_or(end_at, |whole| whole.state_end);
            let end = Place { at: end_at, crc };
            whole = Some(Whole { end, state_end, commit, old_files: Vec::new() });
        }
        Some(())
    })?;
    Ok(whole.map(|whole| Whole { old_files, ..whole }))
}

/// Reports what the steps that hold say; false for what cannot be.
fn report(
    file: &LogFile,
    whole: &Whole,
    tell: &mut impl FnMut(QueueNews<'_>) -> bool,
) -> Result<bool, DiskError> {
    let mut fits = true;
    let mut live_until = 0;
    blocks(file, whole.end.at, |place, _, payload| {
        for (at, record) in records(payload) {
            let news = match record? {
                QueueLogRecord::Queue(queue) => QueueNews::Queue(queue),
                QueueLogRecord::Chunk(head, entries) => {
                    let until = ConsumeQueueEntry::decode_all(entries)
                        .filter(|entry| !entry.is_blank())
                        .map(|entry| entry.log_offset_end().0);
                    live_until = until.max().unwrap_or(0).max(live_until);
                    QueueNews::Chunk {
                        number: head.number,
                        first: head.first,
                        count: u64::from(head.count),
                        position: place.at + (BLOCK_HEAD_LEN + at) as u64,
                    }
                }
                QueueLogRecord::Stored { number, stored } => QueueNews::Stored { number, stored },
                QueueLogRecord::Deleted { number } => QueueNews::Deleted { number },
                QueueLogRecord::OldFile { .. } | QueueLogRecord::Commit(_) => continue,
            };
            fits &= tell(news);
        }
        fits.then_some(())
    })?;
    file.live_until.store(live_until, Ordering::Relaxed);
    Ok(fits)
}
