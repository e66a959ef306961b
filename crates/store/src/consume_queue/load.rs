//! What the files of a ConsumeQueue hold at start.

use std::path::Path;

use super::{ConsumeQueueEntry, ENTRY_LEN_BYTES, QueueFiles, files::remove_dir, queue::QueueState};
use crate::{
    disk::{DiskError, DiskFile},
    error::OpenError,
    segment::{FoundFile, file_path, list_files},
};

/// Entries looked at first: most queues are short.
const FIRST_LOOK: u64 = 200;

/// Reads the range of the queue in `dir` from its files; `None` where it has none because it was deleted.
/// `was_closed`: whether the last run ended in order.
pub(crate) fn load_queue(
    files: &QueueFiles,
    dir: &Path,
    was_closed: bool,
) -> Result<Option<QueueState>, OpenError> {
    let mut found = list_files(files.disk(), dir)?;
    if !was_closed && found.first().is_none_or(|first| first.start > 0) {
        // The process may have died before it synced a removal, of which a power cut would make a queue again.
        files.disk().sync_dir(dir).map_err(DiskError::at("sync", dir))?;
    }
    if !was_closed && found.is_empty() {
        // A deletion that did not end: for the next start there is no such queue, instead of one that lost its files.
        remove_dir(files.disk(), dir)?;
        return Ok(None);
    }
    let size = files.file_size_bytes();
    let whole = if was_closed {
        // An empty last one is the trace of a creation that a full disk interrupted.
        found.len() - usize::from(found.last().is_some_and(|last| last.len_bytes == 0))
    } else {
        durable_files(&found, size)
    };
    // From the last on, so that whenever this ends no file is missing between others.
    for file in found.split_off(whole).iter().rev() {
        let path = file_path(dir, file.start);
        files.disk().remove_file(&path).map_err(DiskError::at("remove", &path))?;
        files.disk().sync_dir(dir).map_err(DiskError::at("sync", dir))?;
    }
    let mut expected = found.first().map_or(0, |file| file.start);
    for file in &found {
        if file.len_bytes != size || !file.start.is_multiple_of(size) {
            let path = file_path(dir, file.start);
            let (len_bytes, expected_bytes) = (file.len_bytes, size);
            return Err(OpenError::WrongFileSize {
                path,
                len_bytes,
                expected_bytes,
                key: "mappedFileSizeConsumeQueue",
            });
        }
        if file.start != expected {
            return Err(OpenError::MissingFile { path: file_path(dir, expected) });
        }
        expected += size;
    }
    let files_from = found.first().map_or(0, |file| file.start / ENTRY_LEN_BYTES);
    let mut max = files_from;
    // From the end: files behind the last entry may have been prepared and never used.
    for file in found.iter().rev() {
        let path = file_path(dir, file.start);
        let open = files.disk().open(&path).map_err(DiskError::at("open", &path))?;
        let count =
            written_entries(&*open, files.entries_per_file()).map_err(DiskError::at("read", &path))?;
        if count > 0 {
            max = file.start / ENTRY_LEN_BYTES + count;
            break;
        }
    }
    Ok(Some(QueueState::stored(files_from, max)))
}

/// How many files there are before the first that is empty or missing. New files become durable together and in any
/// order; a power cut before that may leave any of them. Their records are behind the checkpoint, so that recovery makes
/// what is lost here anew.
fn durable_files(found: &[FoundFile], size: u64) -> usize {
    let starts = found.first().map_or(0, |first| first.start)..;
    let whole = |(file, start): &(&FoundFile, u64)| file.len_bytes > 0 && file.start == *start;
    found.iter().zip(starts.step_by(usize::try_from(size).unwrap_or(usize::MAX))).take_while(whole).count()
}

/// How many entries stand at the start of a file before the first that was not written.
fn written_entries(file: &dyn DiskFile, capacity: u64) -> std::io::Result<u64> {
    let look = FIRST_LOOK.min(capacity);
    let mut bytes = vec![0; (look * ENTRY_LEN_BYTES) as usize];
    file.read_exact_at(&mut bytes, 0)?;
    let count = ConsumeQueueEntry::decode_all(&bytes).count() as u64;
    if count < look {
        return Ok(count);
    }
    // Entries are written in order: a binary search finds the end.
    let (mut low, mut high) = (count, capacity);
    while low < high {
        let middle = low + (high - low) / 2;
        let mut entry = [0; ENTRY_LEN_BYTES as usize];
        file.read_exact_at(&mut entry, middle * ENTRY_LEN_BYTES)?;
        if ConsumeQueueEntry::decode(&entry).is_some() {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
