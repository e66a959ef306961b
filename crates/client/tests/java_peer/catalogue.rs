//! One message of each kind, the same for both senders, and what a receiver must see of them.

use std::{collections::BTreeSet, time::Duration};

use eruca_client::{Message, StoredMessage};

/// The sender's own properties, which receivers list, begin so.
const OWN: &str = "x_";

/// A message and how it is sent.
pub(crate) struct Item {
    /// `plain`, `batch` (the following ones go along, up to a `batch-end`), `zlib`, `lz4`, `zstd`, `level:N`,
    /// `delay:MILLISECONDS`, `shard:KEY`, `transaction:commit|rollback|later`.
    pub(crate) how: &'static str,
    tag: &'static str,
    keys: &'static str,
    properties: &'static [(&'static str, &'static str)],
    text: &'static str,
    times: usize,
}

const fn item(how: &'static str, tag: &'static str, text: &'static str) -> Item {
    Item { how, tag, keys: "", properties: &[], text, times: 1 }
}

pub(crate) fn items() -> Vec<Item> {
    vec![
        Item {
            keys: "k1 k2",
            properties: &[("x_a", "7"), ("x_b", "x")],
            ..item("plain", "t1", "grüße, 世界 🚀")
        },
        item("plain", "", "no tag"),
        Item { properties: &[("x_a", "5"), ("x_b", "y")], ..item("plain", "t2", "five is not above five") },
        Item { properties: &[("x_a", "9"), ("x_b", "y")], ..item("batch", "t2", "first of a batch") },
        Item { keys: "k3", ..item("batch", "t3", "second of a batch") },
        item("batch-end", "t1", "third of a batch"),
        Item { times: 3_000, ..item("zlib", "t1", "packed by zlib ") },
        Item {
            times: 3_000,
            properties: &[("x_a", "6"), ("x_b", "x")],
            ..item("lz4", "t1", "packed by lz4 ")
        },
        Item { times: 3_000, ..item("zstd", "t1", "packed by zstd ") },
        Item { properties: &[("x_a", "100"), ("x_b", "x")], ..item("level:1", "late", "after a second") },
        Item {
            properties: &[("x_a", "101"), ("x_b", "y")],
            ..item("delay:1500", "late", "after 1.5 seconds")
        },
        item("shard:customer 5", "t4", "of one customer"),
        Item { properties: &[("x_a", "8"), ("x_b", "x")], ..item("transaction:commit", "tx", "committed") },
        item("transaction:rollback", "tx", "rolled back"),
        item("transaction:later", "tx", "committed when it is asked for"),
    ]
}

/// The expression of the receiver that does not want all.
pub(crate) fn sql() -> &'static str {
    "x_a > 5 AND x_b IN ('x', 'y')"
}

/// What a receiver of all prints.
pub(crate) fn delivered(items: &[Item]) -> BTreeSet<String> {
    items.iter().filter(|item| item.how != "transaction:rollback").map(Item::line).collect()
}

/// What the receiver with [`sql`] prints.
pub(crate) fn delivered_by_sql(items: &[Item]) -> BTreeSet<String> {
    let matches = |item: &&Item| item.number("x_a").is_some_and(|a| a > 5.0);
    items.iter().filter(matches).map(Item::line).collect()
}

impl Item {
    /// The order to the Java peer to send it.
    pub(crate) fn order(&self, topic: &str) -> String {
        let properties: Vec<String> =
            self.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let properties = properties.join(";");
        [self.how, topic, self.tag, self.keys, &properties, self.text, &self.times.to_string()].join("\t")
    }

    pub(crate) fn message(&self, topic: &str) -> Message {
        let mut message = Message::new(topic, self.text.repeat(self.times));
        if !self.tag.is_empty() {
            message = message.with_tag(self.tag);
        }
        if !self.keys.is_empty() {
            message = message.with_keys(self.keys);
        }
        for (name, value) in self.properties {
            message = message.with_property(*name, *value);
        }
        match self.how.split_once(':') {
            Some(("level", level)) => message.with_property("DELAY", level),
            Some(("delay", ms)) => message.with_delay(Duration::from_millis(ms.parse().unwrap())),
            _ => message,
        }
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.properties.iter().find(|(known, _)| *known == name).map(|(_, value)| value.parse().unwrap())
    }

    fn line(&self) -> String {
        let own: Vec<String> =
            self.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let body = self.text.repeat(self.times);
        line(self.tag, self.keys, &own.join(";"), &body)
    }
}

/// A received message as the Java peer prints it.
pub(crate) fn line_of(message: &StoredMessage) -> String {
    let properties = message.message.properties.iter();
    let mut own: Vec<String> = properties
        .filter(|(name, _)| name.starts_with(OWN))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    own.sort();
    let body = String::from_utf8_lossy(&message.message.body);
    let (tag, keys) = (message.message.tag().unwrap_or_default(), message.message.keys().unwrap_or_default());
    line(tag, keys, &own.join(";"), &body)
}

/// Tag, keys, the sender's own properties, size of the body in bytes, the body's last 60 UTF-16 units.
fn line(tag: &str, keys: &str, own: &str, body: &str) -> String {
    let units: Vec<u16> = body.encode_utf16().collect();
    let end = String::from_utf16_lossy(&units[units.len().saturating_sub(60)..]);
    format!("message\t{tag}\t{keys}\t{own}\t{}\t{end}", body.len())
}
