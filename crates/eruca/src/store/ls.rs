//! `eruca store ls`: segments, queues, timers and index files.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use eruca_admin::LocalTime;
use eruca_message::{LogOffset, Timestamp};
use eruca_store::inspect::{InspectError, QueueFileKind, StoreDirectory};
use serde_json::json;

use super::{
    output::{Table, time_text},
    run::open,
};
use crate::{cli::StoreLsArgs, failure::bytes_text};

/// Rows gathered before they are printed: a store may have very many queues.
const ROWS_AT_ONCE: usize = 1000;

pub(super) fn run(args: &StoreLsArgs) -> anyhow::Result<ExitCode> {
    let store = open(&args.place)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.topic.is_none() {
        segments(&store, args.json, &mut out)?;
    }
    queues(&store, args, &mut out)?;
    if args.topic.is_none() {
        super::timers::list(&store, args.json, &mut out)?;
        index_files(store.root(), args.json, &mut out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn segments(store: &StoreDirectory, as_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let zone = LocalTime::of_this_machine();
    let mut table = Table::new(&["segment", "bytes", "from", "to", "first stored"]);
    for segment in store.segments()? {
        let name = segment.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (from, to) = (segment.start.0, segment.start.0 + segment.len_bytes);
        let stored = segment.first_stored;
        if as_json {
            let line = json!({"kind": "segment", "path": segment.path, "bytes": segment.len_bytes, "from": from,
                "to": to, "firstStored": stored.map(|at| at.0)});
            writeln!(out, "{line}")?;
        } else {
            let bytes = bytes_text(segment.len_bytes);
            table.row(vec![name, bytes, from.to_string(), to.to_string(), time_text(&zone, stored)]);
        }
    }
    if !as_json {
        table.print(out)?;
        writeln!(out)?;
    }
    Ok(())
}

fn queues(store: &StoreDirectory, args: &StoreLsArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let zone = LocalTime::of_this_machine();
    let head = ["queue", "offsets", "entries", "files", "first stored", "last stored"];
    let mut table = Table::new(&head);
    let mut rows = 0;
    let mut bytes = Vec::new();
    let mut stored = |at: LogOffset| -> Result<Option<Timestamp>, InspectError> {
        let record = store.record_at(at, &mut bytes)?;
        Ok(record.map(|record| record.fields.store_timestamp))
    };
    store.queues::<anyhow::Error>(|queue| {
        if args.topic.as_ref().is_some_and(|topic| *topic != queue.topic) {
            return Ok(());
        }
        let (first, last) = match queue.log_offsets {
            Some((first, last)) => (stored(first)?, stored(last)?),
            None => (None, None),
        };
        let (min, max) = (queue.offsets.0.0, queue.offsets.1.0);
        if args.json {
            let kind = if queue.kind == QueueFileKind::Batch { "batchQueue" } else { "queue" };
            let line = json!({"kind": kind, "topic": queue.topic, "queueId": queue.queue_id, "minOffset": min,
                "maxOffset": max, "entries": queue.entries, "files": queue.files, "fileSize": queue.file_size_bytes,
                "firstStored": first.map(|at| at.0), "lastStored": last.map(|at| at.0)});
            writeln!(out, "{line}")?;
            return Ok(());
        }
        let batch = if queue.kind == QueueFileKind::Batch { " (batches)" } else { "" };
        table.row(vec![
            format!("{}/{}{batch}", queue.topic, queue.queue_id),
            format!("{min}..{max}"),
            queue.entries.to_string(),
            queue.files.to_string(),
            time_text(&zone, first),
            time_text(&zone, last),
        ]);
        rows += 1;
        if rows == ROWS_AT_ONCE {
            table.print(out)?;
            table = Table::new(&head);
            rows = 0;
        }
        Ok(())
    })?;
    if !args.json && rows > 0 {
        table.print(out)?;
    }
    Ok(())
}

/// Bytes of an index file's header.
const INDEX_HEADER_LEN: usize = 40;

fn index_files(root: &Path, as_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let zone = LocalTime::of_this_machine();
    let mut table =
        Table::new(&["index file", "bytes", "entries", "log from", "log to", "first stored", "last stored"]);
    let mut rows = 0;
    let Ok(entries) = fs::read_dir(root.join("index")) else { return Ok(()) };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Some(header) = index_header(&path)? else { continue };
        let [begin, end, from, to] = header.longs;
        // The first number is never used.
        let entries = header.count.saturating_sub(1);
        if as_json {
            let line = json!({"kind": "index", "path": path, "bytes": header.file_len, "entries": entries, "from": from,
                "to": to, "firstStored": begin, "lastStored": end});
            writeln!(out, "{line}")?;
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let time = |ms: i64| time_text(&zone, (ms > 0).then_some(Timestamp(ms)));
        let bytes = bytes_text(header.file_len);
        table.row(vec![
            name,
            bytes,
            entries.to_string(),
            from.to_string(),
            to.to_string(),
            time(begin),
            time(end),
        ]);
        rows += 1;
    }
    if rows > 0 {
        writeln!(out)?;
        table.print(out)?;
    }
    Ok(())
}

struct IndexHeader {
    file_len: u64,
    /// Begin and end time, begin and end log offset.
    longs: [i64; 4],
    count: i32,
}

/// The header; `None` where the file is too short to have one.
fn index_header(path: &Path) -> io::Result<Option<IndexHeader>> {
    use std::os::unix::fs::FileExt;
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() < INDEX_HEADER_LEN as u64 {
        return Ok(None);
    }
    let mut bytes = [0; INDEX_HEADER_LEN];
    file.read_exact_at(&mut bytes, 0)?;
    let mut longs = [0; 4];
    for (long, chunk) in longs.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *long = i64::from_be_bytes(*chunk);
    }
    let count = bytes.last_chunk::<4>().map_or(0, |chunk| i32::from_be_bytes(*chunk));
    Ok(Some(IndexHeader { file_len: metadata.len(), longs, count }))
}
