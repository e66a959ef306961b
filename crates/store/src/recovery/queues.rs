//! Where the queues' states come from: the queue log, or their directories.

use std::sync::Arc;

use super::start::is_start;
use crate::{
    checkpoint::Checkpoint,
    commit_log::Segments,
    config::StoreConfig,
    consume_queue::{QueueFiles, QueueTable},
    disk::{Disk, DiskError},
    error::OpenError,
    queue_log::{Commit, QueueLog, QueueLogSettings, Restored},
};

/// The queues, and where what is known of them comes from.
pub(super) struct QueueSource {
    pub(super) queues: QueueTable,
    /// What the queue log says; `None` where the queues' own files were looked at.
    pub(super) known: Option<Commit>,
}

/// What became of the queue log.
pub(crate) enum QueueLogFound {
    /// There is none.
    Nothing,
    /// There is one, which is of no use: why.
    Unusable(String),
    /// It says how every queue was when this step ended.
    Fits(Commit),
}

/// Takes the queues from the queue log where there is one that fits, else from their directories.
pub(super) fn load_queues(
    config: &StoreConfig,
    disk: &Arc<dyn Disk>,
    segments: &Segments,
    visible: Option<Checkpoint>,
    was_closed: bool,
) -> Result<QueueSource, OpenError> {
    let (queues, found) = look_at_queue_log(config, disk, segments, visible)?;
    match found {
        QueueLogFound::Fits(commit) => {
            queues.files().queue_log().take_over()?;
            Ok(QueueSource { queues, known: Some(commit) })
        }
        QueueLogFound::Unusable(why) => load_anew(queues, was_closed, why),
        QueueLogFound::Nothing => {
            let queues = QueueTable::load(queues.into_files(), was_closed)?;
            Ok(QueueSource { queues, known: None })
        }
    }
}

/// The queues as the queue log says they are, and whether that holds: it must fit the `checkpoint` file and the log of
/// messages. Writes nothing.
pub(crate) fn look_at_queue_log(
    config: &StoreConfig,
    disk: &Arc<dyn Disk>,
    segments: &Segments,
    visible: Option<Checkpoint>,
) -> Result<(QueueTable, QueueLogFound), OpenError> {
    let roll_bytes = config.queue_log.roll_bytes;
    let queue_log =
        QueueLog::new(Arc::clone(disk), QueueLogSettings { dir: config.queue_log_dir(), roll_bytes });
    let files = QueueFiles::new(
        Arc::clone(disk),
        config.consume_queue_dir(),
        config.queue_file_size_bytes,
        config.queue_files_open_max,
        queue_log,
    );
    let (queues, restored) = QueueTable::restore(files, segments.min())?;
    let commit = match restored {
        Restored::Nothing => return Ok((queues, QueueLogFound::Nothing)),
        Restored::Unusable(why) => return Ok((queues, QueueLogFound::Unusable(why))),
        Restored::UpTo(commit) => commit,
    };
    let says = |one: Checkpoint| {
        let visible = visible.unwrap_or_default();
        (visible.log_timestamp, visible.queue_timestamp, visible.queue_log_offset)
            == (one.log_timestamp, one.queue_timestamp, one.queue_log_offset)
    };
    if !says(commit.visible) && !says(commit.visible_before) {
        let why = "another broker has written to the store since".to_owned();
        return Ok((queues, QueueLogFound::Unusable(why)));
    }
    let (place, log_end) = (commit.checkpoint.queue_log_offset.0, commit.log_end);
    let whole = segments.min()..=segments.end();
    let has_place = place >= segments.min() && place < log_end;
    if !whole.contains(&log_end) || (has_place && !is_start(segments, place)?) {
        let why = format!(
            "it goes up to log offset {log_end}, and the last message before should start at {place}"
        );
        return Ok((queues, QueueLogFound::Unusable(why)));
    }
    let dir = config.consume_queue_dir();
    if queues.have_files() && disk.list(&dir).map_err(DiskError::at("list", &dir))?.is_empty() {
        let why = format!("{} is empty", dir.display());
        return Ok((queues, QueueLogFound::Unusable(why)));
    }
    Ok((queues, QueueLogFound::Fits(commit)))
}

/// Does without the queue log: what the queues' own files lack is made anew from the log of messages. The checkpoint file
/// says no more than the own files have.
pub(super) fn load_anew(queues: QueueTable, was_closed: bool, why: String) -> Result<QueueSource, OpenError> {
    let files = queues.into_files();
    tracing::warn!(
        dir = %files.queue_log().dir().display(),
        why,
        "the queue log is not used, what the files of consume queues lack is made anew from the messages"
    );
    files.queue_log().remove()?;
    let queues = QueueTable::load(files, was_closed)?;
    Ok(QueueSource { queues, known: None })
}
