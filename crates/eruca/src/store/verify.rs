//! `eruca store verify`: reads everything, reports what is damaged.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use eruca_store::inspect::Defect;
use serde_json::json;

use super::{
    output::Progress,
    run::{is_in_use, open},
};
use crate::{cli::StoreVerifyArgs, failure::bytes_text};

pub(super) fn run(args: &StoreVerifyArgs) -> anyhow::Result<ExitCode> {
    let store = open(&args.place)?;
    if is_in_use(store.root()) {
        eprintln!(
            "a broker works with the directory: messages of the last second may be reported without need"
        );
    }
    let mut progress = Progress::new("verified", store.log_files_bytes());
    let mut out = io::stdout().lock();
    let mut printed = Ok(());
    let verified = store.verify(
        |defect| {
            if printed.is_ok() {
                printed = print(&mut out, &defect, args.json);
            }
        },
        |bytes| progress.at(bytes),
    )?;
    printed?;
    if let Some(why) = &verified.torn_tail {
        let (file, at) = store.place_of(verified.log_end);
        let text = "the log ends here, what follows was not written completely and would be cut off";
        if args.json {
            writeln!(
                out,
                "{}",
                json!({"file": file, "at": at, "logOffset": verified.log_end.0, "tornTail": why})
            )?;
        } else {
            writeln!(out, "{} at {at} (log offset {}): {text}: {why}", file.display(), verified.log_end)?;
        }
    }
    let summary = format!(
        "{} records ({}), {} queues, {} entries, {} records of deleted topics: {}",
        verified.records,
        bytes_text(verified.bytes),
        verified.queues,
        verified.entries,
        verified.records_without_queue,
        match verified.defects {
            0 => "nothing is damaged".to_owned(),
            1 => "1 defect".to_owned(),
            count => format!("{count} defects"),
        }
    );
    if args.json {
        eprintln!("{summary}")
    } else {
        writeln!(out, "{summary}")?
    }
    Ok(if verified.defects == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(out: &mut impl Write, defect: &Defect, as_json: bool) -> io::Result<()> {
    let Defect { path, at_bytes, log_offset, message, why } = defect;
    if as_json {
        let (topic, queue_id, queue_offset) = match message {
            Some((topic, queue_id, offset)) => (Some(topic), Some(queue_id), Some(offset)),
            None => (None, None, None),
        };
        let line = json!({"file": path, "at": at_bytes, "logOffset": log_offset.map(|at| at.0), "topic": topic,
            "queueId": queue_id, "queueOffset": queue_offset, "why": why});
        return writeln!(out, "{line}");
    }
    let log = log_offset.map(|at| format!(" (log offset {at})")).unwrap_or_default();
    let message = match message {
        Some((topic, queue_id, offset)) => format!(" topic {topic} queue {queue_id} offset {offset}"),
        None => String::new(),
    };
    writeln!(out, "{} at {at_bytes}{log}{message}: {why}", path.display())
}
