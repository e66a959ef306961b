//! Attributes of topics and groups: requests say `+name=value` to set one and `-name` to take it away.

use std::collections::BTreeMap;

use crate::{HandlerError, idempotence::IDEMPOTENT_WINDOW_SECONDS};

/// Attributes of topics that this version knows, and what they may be.
pub(super) const TOPIC_ATTRIBUTES: &[(&str, &[&str])] = &[
    ("queue.type", &["SimpleCQ", "BatchCQ"]),
    ("cleanup.policy", &["DELETE"]),
    ("message.type", &["UNSPECIFIED", "NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY"]),
    ("reserve.time", &[]),
    // Eruca's own.
    (IDEMPOTENT_WINDOW_SECONDS, &[]),
];

/// Attributes of groups that this version knows, and what they may be.
pub(super) const GROUP_ATTRIBUTES: &[(&str, &[&str])] = &[("priority.factor", &[])];

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
    known: &[(&str, &[&str])],
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
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        if if allowed.is_empty() { !is_number } else { !allowed.contains(&value.as_str()) } {
            let allowed = if allowed.is_empty() { "a number".to_owned() } else { allowed.join(", ") };
            return Err(HandlerError::invalid_parameter(format!(
                "attribute {name}: '{value}' is not allowed here, allowed are: {allowed}"
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
        assert!(applied(&[], "+reserve.time=x").unwrap_err().contains("a number"));
    }
}
