//! Attributes of topics and groups: requests say `+name=value` to set one and `-name` to take it away.

use std::collections::BTreeMap;

use eruca_message::names::MAX_TOPIC_LEN_BYTES;

use crate::{
    HandlerError,
    idempotence::IDEMPOTENT_WINDOW_SECONDS,
    topics::{LITE_TOPIC_EXPIRATION, MESSAGE_TYPE},
};

/// What an attribute may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Allowed {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number of this range.
    Numbers(i64, i64),
    /// Any text that is not empty, up to so many bytes.
    Text(usize),
}

/// An attribute's name, and what it may be.
pub(super) type Known = (&'static str, Allowed);

const FLAG: Allowed = Allowed::Words(&["true", "false"]);

/// Attributes of topics that this version knows.
pub(super) const TOPIC_ATTRIBUTES: &[Known] = &[
    ("queue.type", Allowed::Words(&["SimpleCQ", "BatchCQ"])),
    ("cleanup.policy", Allowed::Words(&["DELETE"])),
    (
        MESSAGE_TYPE,
        Allowed::Words(&["UNSPECIFIED", "NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY", "LITE"]),
    ),
    ("reserve.time", Allowed::Numbers(-1, i64::MAX)),
    // Minutes; 30 days at most.
    (LITE_TOPIC_EXPIRATION, Allowed::Numbers(-1, 43_200)),
    // Eruca's own.
    (IDEMPOTENT_WINDOW_SECONDS, Allowed::Numbers(0, i64::MAX)),
];

/// Attributes of groups that this version knows.
pub(super) const GROUP_ATTRIBUTES: &[Known] = &[
    ("priority.factor", Allowed::Numbers(0, 100)),
    ("lite.bind.topic", Allowed::Text(MAX_TOPIC_LEN_BYTES)),
    ("lite.sub.model", Allowed::Words(&["Shared", "Exclusive"])),
    ("lite.sub.reset.offset.exclusive", FLAG),
    ("lite.sub.reset.offset.unsubscribe", FLAG),
    ("lite.sub.client.quota", Allowed::Numbers(-1, i32::MAX as i64)),
    ("lite.sub.client.max.event.cnt", Allowed::Numbers(10, 1_000_000)),
    ("lite.sub.wildcard", Allowed::Text(8)),
];

impl Allowed {
    fn has(self, value: &str) -> bool {
        match self {
            Allowed::Words(words) => words.contains(&value),
            Allowed::Numbers(min, max) => value.parse().is_ok_and(|number| (min..=max).contains(&number)),
            Allowed::Text(len_bytes) => !value.is_empty() && value.len() <= len_bytes,
        }
    }

    fn text(self) -> String {
        match self {
            Allowed::Words(words) => words.join(", "),
            Allowed::Numbers(min, i64::MAX) => format!("a number from {min} up"),
            Allowed::Numbers(min, max) => format!("a number from {min} to {max}"),
            Allowed::Text(len_bytes) => format!("a text of 1 to {len_bytes} bytes"),
        }
    }
}

/// Reads `+a=1,-b` as Java's header field has it.
pub(super) fn parse_changes(text: &str) -> Result<BTreeMap<String, String>, HandlerError> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name.starts_with(['+', '-']) {
                true => Ok((name.trim().to_owned(), value.trim().to_owned())),
                false => Err(HandlerError::invalid_parameter(format!(
                    "attributes: '{part}' must start with '+' to set or '-' to remove an attribute"
                ))),
            }
        })
        .collect()
}

/// The attributes after changes. Names without sign are taken for additions: files and older tools have them so.
pub(super) fn apply_changes(
    current: &BTreeMap<String, String>,
    changes: &BTreeMap<String, String>,
    known: &[Known],
) -> Result<BTreeMap<String, String>, HandlerError> {
    let mut result = current.clone();
    for (signed, value) in changes {
        if let Some(name) = signed.strip_prefix('-') {
            result.remove(name);
            continue;
        }
        let name = signed.strip_prefix('+').unwrap_or(signed);
        let Some((_, allowed)) = known.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            return Err(HandlerError::invalid_parameter(format!(
                "unsupported attribute '{name}', there are: {}",
                names.join(", ")
            )));
        };
        if !allowed.has(value) {
            return Err(HandlerError::invalid_parameter(format!(
                "attribute {name}: '{value}' is not allowed here, allowed are: {}",
                allowed.text()
            )));
        }
        result.insert(name.to_owned(), value.clone());
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(current: &[(&str, &str)], text: &str) -> Result<Vec<(String, String)>, String> {
        let current =
            current.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
        parse_changes(text)
            .and_then(|changes| apply_changes(&current, &changes, TOPIC_ATTRIBUTES))
            .map(|attributes| attributes.into_iter().collect())
            .map_err(|error| error.remark)
    }

    #[test]
    fn attributes_are_set_and_removed() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(applied(&[], "+message.type=FIFO"), Ok(vec![pair("message.type", "FIFO")]));
        assert_eq!(
            applied(&[("message.type", "FIFO")], "-message.type, +reserve.time=9"),
            Ok(vec![pair("reserve.time", "9")])
        );
        assert_eq!(applied(&[("message.type", "FIFO")], ""), Ok(vec![pair("message.type", "FIFO")]));
    }

    #[test]
    fn what_cannot_be_is_named() {
        assert!(applied(&[], "message.type=FIFO").unwrap_err().contains("must start with '+'"));
        assert!(applied(&[], "+colour=red").unwrap_err().contains("unsupported attribute 'colour'"));
        assert!(applied(&[], "+message.type=MIXED").unwrap_err().contains("'MIXED' is not allowed"));
        assert!(
            applied(&[], "+queue.type=RocksDBCQ").unwrap_err().contains("allowed are: SimpleCQ, BatchCQ")
        );
        assert!(applied(&[], "+reserve.time=x").unwrap_err().contains("a number from -1 up"));
        assert!(applied(&[], "+lite.topic.expiration=43200").is_ok());
        let long = applied(&[], "+lite.topic.expiration=43201").unwrap_err();
        assert!(long.contains("a number from -1 to 43200"), "{long}");
        let group = |text: &str| {
            let changes = parse_changes(text).unwrap();
            apply_changes(&BTreeMap::new(), &changes, GROUP_ATTRIBUTES).map_err(|error| error.remark)
        };
        assert!(group("+priority.factor=101").unwrap_err().contains("0 to 100"));
        assert!(group("+lite.bind.topic=").unwrap_err().contains("1 to 127 bytes"));
        assert!(group("+lite.sub.model=Both").unwrap_err().contains("Shared, Exclusive"));
        assert!(group("+lite.bind.topic=P,+lite.sub.model=Exclusive,+priority.factor=0").is_ok());
    }
}
