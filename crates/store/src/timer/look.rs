//! Timer files as they lie in a directory, looked at without changing anything.

use std::{path::Path, sync::Arc};

use eruca_message::{QueueOffset, Timestamp};

use super::{TimerUnit, check::TimerCheck, log::TimerLog, recover::read_check};
use crate::disk::{Disk, DiskError};

/// What the timer files of a directory say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimerSurvey {
    /// Files of the timer log.
    pub files: usize,
    /// Length of each of them.
    pub file_bytes: u64,
    /// Positions of its first unit and behind its last one.
    pub log: (u64, u64),
    /// Length of a slot in ms, where a broker noted it (Java does not).
    pub precision_ms: Option<u32>,
    /// All slots before this time were delivered.
    pub delivered_before: Timestamp,
    /// Next message of the timer topic's queue to take.
    pub queue_offset: QueueOffset,
    /// Units of slots that were not delivered, less those that recall another.
    pub waiting: i64,
    /// The earliest and the latest time among them.
    pub times: Option<(Timestamp, Timestamp)>,
}

/// Reads the timer files below `root`: hands each unit to `take`, with its position and whether its slot is still to come, until
/// `take` has enough. `None` where no message ever waited.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn look(
    disk: &Arc<dyn Disk>,
    root: &Path,
    mut take: impl FnMut(u64, &TimerUnit, bool) -> bool,
) -> Result<Option<TimerSurvey>, DiskError> {
    let check_path = root.join("config").join("timercheck");
    let bytes = read_check(&**disk, &check_path)?.map(|(_, bytes)| bytes.to_vec());
    let log = TimerLog::look(Arc::clone(disk), root.join("timerlog"))?;
    if bytes.is_none() && log.is_empty() {
        return Ok(None);
    }
    let check = TimerCheck::decode(&bytes.unwrap_or_default());
    let mut survey = TimerSurvey {
        files: log.file_count(),
        file_bytes: log.file_bytes(),
        log: (log.min(), log.min()),
        precision_ms: check.precision_ms,
        delivered_before: check.delivered.before,
        queue_offset: check.queue_offset,
        ..TimerSurvey::default()
    };
    let end = log.each(log.min(), |pos, unit| {
        let waits = unit.out >= survey.delivered_before;
        if waits {
            survey.waiting += i64::from(unit.kind.count());
            let (first, last) = survey.times.unwrap_or((unit.out, unit.out));
            survey.times = Some((first.min(unit.out), last.max(unit.out)));
        }
        Ok(take(pos, &unit, waits))
    })?;
    survey.log.1 = end;
    Ok(Some(survey))
}
