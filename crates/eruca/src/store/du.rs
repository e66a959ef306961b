//! `eruca store du`: which topics fill the log.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use eruca_admin::LocalTime;
use serde_json::json;

use super::{
    output::{Progress, Table, time_text},
    run::open,
};
use crate::{cli::StoreDuArgs, failure::bytes_text};

pub(super) fn run(args: &StoreDuArgs) -> anyhow::Result<ExitCode> {
    let store = open(&args.place)?;
    let mut progress = Progress::new("read", store.log_files_bytes());
    let usage = store.usage(|bytes| progress.at(bytes))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let zone = LocalTime::of_this_machine();
    let mut table = Table::new(&["bytes", "share", "messages", "oldest", "newest", "topic"]);
    for topic in &usage.topics {
        if args.json {
            let line = json!({"topic": topic.topic, "bytes": topic.bytes, "messages": topic.messages,
                "oldest": topic.oldest.0, "newest": topic.newest.0});
            writeln!(out, "{line}")?;
            continue;
        }
        let percent = topic.bytes as f64 * 100.0 / usage.records_bytes.max(1) as f64;
        table.row(vec![
            bytes_text(topic.bytes),
            format!("{percent:.1} %"),
            topic.messages.to_string(),
            time_text(&zone, Some(topic.oldest)),
            time_text(&zone, Some(topic.newest)),
            topic.topic.clone(),
        ]);
    }
    if !args.json {
        table.print(&mut out)?;
        let damaged = match usage.damaged_bytes {
            0 => String::new(),
            bytes => format!(", {} damaged", bytes_text(bytes)),
        };
        let (records, files) = (bytes_text(usage.records_bytes), bytes_text(usage.files_bytes));
        writeln!(out, "{records} of records in {files} of files{damaged}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
