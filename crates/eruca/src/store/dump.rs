//! `eruca store dump`: messages as they lie in the log.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    process::ExitCode,
};

use anyhow::bail;
use eruca_admin::LocalTime;
use eruca_message::{LogOffset, OffsetMessageId, Record, properties, sys_flag};
use eruca_store::{
    Found, Walk,
    inspect::{QueueFileKind, StoreDirectory},
};
use serde_json::{Value, json};

use super::run::open;
use crate::cli::StoreDumpArgs;

/// Bytes of a body that a line shows.
const BODY_SHOWN: usize = 60;

pub(super) fn run(args: &StoreDumpArgs) -> anyhow::Result<ExitCode> {
    let store = open(&args.place)?;
    if args.timers {
        let mut out = io::BufWriter::new(io::stdout().lock());
        super::timers::dump(&store, args.count, args.json, &mut out)?;
        return Ok(out.flush().map(|()| ExitCode::SUCCESS)?);
    }
    let mut printer =
        Printer { out: io::BufWriter::new(io::stdout().lock()), left: args.count, as_json: args.json };
    match &args.topic {
        Some(topic) => by_queue(&store, topic, args, &mut printer)?,
        None => by_log(&store, args, &mut printer)?,
    }
    printer.out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn by_log(
    store: &StoreDirectory,
    args: &StoreDumpArgs,
    printer: &mut Printer<impl Write>,
) -> anyhow::Result<()> {
    let from = LogOffset(args.from.unwrap_or(0).max(store.log_start().0));
    let to = args.to.unwrap_or(u64::MAX);
    if printer.left == Some(0) {
        return Ok(());
    }
    store.walk::<anyhow::Error>(from, |found| {
        let at = match &found {
            Found::Record(record) => record.fields.log_offset.0,
            Found::Damaged { at, .. } | Found::Unreadable { at, .. } => *at,
        };
        if at >= to {
            return Ok(Walk::Stop);
        }
        let flow = match &found {
            Found::Record(record) => printer.record(record, None)?,
            Found::Damaged { record: Some(record), error, .. } => {
                printer.record(record, Some(&error.to_string()))?
            }
            Found::Damaged { at, len_bytes, error, .. } => {
                printer.damage(*at, at + len_bytes, &error.to_string())?
            }
            Found::Unreadable { at, end } => printer.damage(*at, *end, "no record starts here")?,
        };
        Ok(if flow.is_break() { Walk::Stop } else { Walk::On })
    })?;
    Ok(())
}

fn by_queue(
    store: &StoreDirectory,
    topic: &str,
    args: &StoreDumpArgs,
    printer: &mut Printer<impl Write>,
) -> anyhow::Result<()> {
    let mut queues = Vec::new();
    for kind in [QueueFileKind::Simple, QueueFileKind::Batch] {
        for queue_id in store.queue_ids(kind, topic)? {
            if args.queue.is_none_or(|wanted| wanted == queue_id) {
                queues.push((kind, queue_id));
            }
        }
    }
    if queues.is_empty() {
        return by_topic(store, topic, args, printer);
    }
    let mut bytes = Vec::new();
    for (kind, queue_id) in queues {
        let mut flow = ControlFlow::Continue(());
        let from = args.offset.unwrap_or(0);
        store.each_message::<anyhow::Error>(kind, topic, queue_id, from, |offset, at| {
            if printer.left == Some(0) {
                flow = ControlFlow::Break(());
                return Ok(flow);
            }
            flow = match store.record_at(at, &mut bytes)? {
                Some(record) => {
                    let why = record.verify_crc().err().map(|error| error.to_string());
                    printer.record(&record, why.as_deref())?
                }
                // Expired, but its entry is still there.
                None if at < store.log_start() => ControlFlow::Continue(()),
                None => printer.damage(
                    at.0,
                    at.0,
                    &format!("the entry of queue offset {offset} leads to no record"),
                )?,
            };
            Ok(flow)
        })?;
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// The messages of a topic without queues in files: a broker that was killed writes them when it starts again.
fn by_topic(
    store: &StoreDirectory,
    topic: &str,
    args: &StoreDumpArgs,
    printer: &mut Printer<impl Write>,
) -> anyhow::Result<()> {
    let mut found_any = false;
    store.walk::<anyhow::Error>(store.log_start(), |found| {
        let Found::Record(record) = &found else { return Ok(Walk::On) };
        let fields = &record.fields;
        let is_wanted = fields.topic == topic
            && args.queue.is_none_or(|queue_id| queue_id == fields.queue_id)
            && args.offset.is_none_or(|offset| offset <= fields.queue_offset.0);
        if !is_wanted {
            return Ok(Walk::On);
        }
        found_any = true;
        Ok(if printer.record(record, None)?.is_break() { Walk::Stop } else { Walk::On })
    })?;
    if !found_any {
        let queue = args.queue.map(|id| format!(" queue {id}")).unwrap_or_default();
        let root = store.root().display();
        bail!("topic {topic}{queue} has no messages in {root}: `eruca store ls` lists what there is");
    }
    Ok(())
}

struct Printer<W> {
    out: W,
    /// How many more.
    left: Option<u64>,
    as_json: bool,
}

impl<W: Write> Printer<W> {
    fn record(&mut self, record: &Record<'_>, damage: Option<&str>) -> io::Result<ControlFlow<()>> {
        if self.as_json {
            writeln!(self.out, "{}", record_json(record, damage))?;
        } else {
            writeln!(self.out, "{}", record_line(record, damage))?;
        }
        Ok(self.count())
    }

    fn damage(&mut self, from: u64, to: u64, why: &str) -> io::Result<ControlFlow<()>> {
        if self.as_json {
            writeln!(self.out, "{}", json!({"logOffset": from, "to": to, "damage": why}))?;
        } else {
            writeln!(self.out, "{from} DAMAGED to {to}: {why}")?;
        }
        Ok(self.count())
    }

    fn count(&mut self) -> ControlFlow<()> {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

fn record_line(record: &Record<'_>, damage: Option<&str>) -> String {
    let fields = &record.fields;
    let zone = LocalTime::of_this_machine();
    let property = |label: &str, name| {
        properties::find_str(fields.properties, name)
            .map(|value| format!(" {label}={value}"))
            .unwrap_or_default()
    };
    let flags = if fields.sys_flag == 0 { String::new() } else { format!(" sysFlag={:#x}", fields.sys_flag) };
    let retries = if fields.reconsume_times == 0 {
        String::new()
    } else {
        format!(" reconsumed={}", fields.reconsume_times)
    };
    let damage = damage.map(|why| format!(" DAMAGED: {why}")).unwrap_or_default();
    format!(
        "{} {} bytes {}/{}@{} stored {} from {}{flags}{retries}{}{}{} body {} bytes {}{damage}",
        fields.log_offset,
        record.total_len,
        fields.topic,
        fields.queue_id,
        fields.queue_offset,
        zone.to_millis(fields.store_timestamp),
        fields.born_host,
        property("tag", properties::TAGS),
        property("keys", properties::KEYS),
        property("id", properties::UNIQUE_KEY),
        fields.body.len(),
        body_text(fields.body, fields.sys_flag),
    )
}

/// The start of a body that is text; nothing of one that is not.
fn body_text(body: &[u8], flags: i32) -> String {
    if flags & (sys_flag::COMPRESSED | sys_flag::INNER_BATCH) != 0 {
        return String::new();
    }
    let Ok(text) = std::str::from_utf8(body) else { return String::new() };
    if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return String::new();
    }
    let shown: String =
        text.chars().take(BODY_SHOWN).map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let more = if shown.chars().count() < text.chars().count() { "…" } else { "" };
    format!("\"{shown}{more}\"")
}

fn record_json(record: &Record<'_>, damage: Option<&str>) -> Value {
    let fields = &record.fields;
    let properties: serde_json::Map<String, Value> = properties::iter(fields.properties)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    let id = OffsetMessageId { store_host: fields.store_host, log_offset: fields.log_offset };
    let mut value = json!({
        "logOffset": fields.log_offset.0,
        "size": record.total_len,
        "topic": fields.topic,
        "queueId": fields.queue_id,
        "queueOffset": fields.queue_offset.0,
        "storeTimestamp": fields.store_timestamp.0,
        "bornTimestamp": fields.born_timestamp.0,
        "bornHost": fields.born_host.to_string(),
        "storeHost": fields.store_host.to_string(),
        "offsetMsgId": id.to_string(),
        "flag": fields.flag,
        "sysFlag": fields.sys_flag,
        "reconsumeTimes": fields.reconsume_times,
        "preparedTransactionOffset": fields.prepared_transaction_offset,
        "bodyCrc": record.body_crc,
        "properties": properties,
        "body": base64(fields.body),
    });
    if let (Some(why), Some(object)) = (damage, value.as_object_mut()) {
        object.insert("damage".to_owned(), Value::String(why.to_owned()));
    }
    value
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 0x3F;
            let is_padding = digit > chunk.len();
            text.push(if is_padding {
                '='
            } else {
                char::from(DIGITS.get(index as usize).copied().unwrap_or(b'='))
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_usual_one() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn only_text_is_shown() {
        assert_eq!(body_text(b"hello\nyou", 0), "\"hello you\"");
        assert_eq!(body_text(&[0xFF, 1], 0), "");
        assert_eq!(body_text(b"x", sys_flag::COMPRESSED), "");
        assert_eq!(body_text("ä".repeat(61).as_bytes(), 0), format!("\"{}…\"", "ä".repeat(60)));
    }
}
