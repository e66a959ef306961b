//! Messages that wait for a time, for `check`, `ls` and `dump`.

use std::io::{self, Write};

use eruca_admin::LocalTime;
use eruca_store::{
    TimerUnit, UnitKind,
    inspect::{StoreDirectory, TimerSurvey},
};
use serde_json::json;

use super::output::{Table, time_text};
use crate::failure::bytes_text;

/// What waits, in words.
pub(super) fn timers_text(zone: &LocalTime, timers: &TimerSurvey) -> String {
    let times = match timers.times {
        Some((first, last)) if first == last => format!(", due {}", time_text(zone, Some(first))),
        Some((first, last)) => {
            format!(", due {} to {}", time_text(zone, Some(first)), time_text(zone, Some(last)))
        }
        None => String::new(),
    };
    let (from, to) = timers.log;
    format!(
        "{} messages wait{times}; {} files of the timer log, units from {from} to {to}; next to take: {}",
        timers.waiting, timers.files, timers.queue_offset
    )
}

/// The timer files as `ls` shows them; nothing where no message ever waited.
pub(super) fn list(store: &StoreDirectory, as_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let Some(timers) = store.timers(|_, _, _| true)? else { return Ok(()) };
    let (from, to) = timers.log;
    let (first, last) = timers.times.unzip();
    let bytes = timers.file_bytes.saturating_mul(timers.files as u64);
    if as_json {
        let line = json!({"kind": "timers", "files": timers.files, "fileSize": timers.file_bytes, "from": from, "to": to,
            "waiting": timers.waiting, "firstDue": first.map(|at| at.0), "lastDue": last.map(|at| at.0),
            "deliveredBefore": timers.delivered_before.0, "nextToTake": timers.queue_offset.0});
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let zone = LocalTime::of_this_machine();
    let mut table =
        Table::new(&["timer log", "bytes", "units from", "to", "waiting", "first due", "last due"]);
    table.row(vec![
        format!("{} files", timers.files),
        bytes_text(bytes),
        from.to_string(),
        to.to_string(),
        timers.waiting.to_string(),
        time_text(&zone, first),
        time_text(&zone, last),
    ]);
    writeln!(out)?;
    table.print(out)?;
    Ok(())
}

/// Prints the units of all that waits, in the order in which it was taken in, `most` at most.
pub(super) fn dump(
    store: &StoreDirectory,
    most: Option<u64>,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let zone = LocalTime::of_this_machine();
    let mut left = most.unwrap_or(u64::MAX);
    let mut written = Ok(());
    store.timers(|pos, unit, waits| {
        if left > 0 && waits {
            left -= 1;
            written = line(pos, unit, &zone, as_json, out);
        }
        left > 0 && written.is_ok()
    })?;
    Ok(written?)
}

fn line(pos: u64, unit: &TimerUnit, zone: &LocalTime, as_json: bool, out: &mut impl Write) -> io::Result<()> {
    let kind = match unit.kind {
        UnitKind::Deliver => "deliver",
        UnitKind::Roll => "roll",
        UnitKind::Recall => "recall",
        UnitKind::RollRecall => "rollRecall",
    };
    if as_json {
        let line = json!({"pos": pos, "prev": unit.prev, "kind": kind, "time": unit.out.0, "written": unit.written.0,
            "logOffset": unit.log_offset.0, "size": unit.size_bytes, "topicHash": unit.topic_hash});
        return writeln!(out, "{line}");
    }
    let (time, written) = (zone.to_millis(unit.out), zone.to_millis(unit.written));
    writeln!(
        out,
        "{pos} {kind} at {time} message {} of {} bytes, taken in {written}",
        unit.log_offset, unit.size_bytes
    )
}
