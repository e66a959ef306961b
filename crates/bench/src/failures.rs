//! What went wrong, counted by kind.

use std::collections::BTreeMap;

use eruca_protocol::ResponseCode;
use serde::Serialize;

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The broker answered with another code than success.
    Code(i32),
    /// A connection ended, with the requests that it had under way.
    ConnectionLost,
    /// No answer came in time.
    NoAnswer,
    /// An answer came that nobody waits for.
    Stray,
    /// An answer cannot be read.
    Unreadable,
    /// The client library gave a send up.
    Client,
    /// A message that was sent did not arrive.
    NotDelivered,
}

impl Kind {
    fn name(self) -> String {
        match self {
            Kind::Code(code) => ResponseCode(code).to_string(),
            Kind::ConnectionLost => "connection lost".to_owned(),
            Kind::NoAnswer => "no answer".to_owned(),
            Kind::Stray => "answer that nobody asked for".to_owned(),
            Kind::Unreadable => "answer that cannot be read".to_owned(),
            Kind::Client => "given up by the client".to_owned(),
            Kind::NotDelivered => "not delivered".to_owned(),
        }
    }
}

/// How often a kind of failure occurred, and the first one's explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<i32>,
    /// Requests, or messages that were not delivered.
    pub(crate) count: u64,
    pub(crate) first: String,
}

/// All failures of a load.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failures {
    by_kind: BTreeMap<Kind, (u64, String)>,
}

impl Failures {
    /// Counts `count` failures; `explanation` is asked for the first of its kind only.
    pub(crate) fn add(&mut self, kind: Kind, count: u64, explanation: impl FnOnce() -> String) {
        if count > 0 {
            self.by_kind.entry(kind).or_insert_with(|| (0, explanation())).0 += count;
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.by_kind.values().map(|(count, _)| count).sum()
    }

    pub(crate) fn list(&self) -> Vec<Failure> {
        let failure = |(kind, (count, first)): (&Kind, &(u64, String))| Failure {
            name: kind.name(),
            code: if let Kind::Code(code) = kind { Some(*code) } else { None },
            count: *count,
            first: first.clone(),
        };
        self.by_kind.iter().map(failure).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_explanation_of_a_kind_is_kept() {
        let mut failures = Failures::default();
        failures.add(Kind::Code(2), 1, || "busy".to_owned());
        failures.add(Kind::Code(2), 2, || "still busy".to_owned());
        failures.add(Kind::NoAnswer, 0, || unreachable!("nothing is counted"));
        assert_eq!(failures.total(), 3);
        let [failure] = &failures.list()[..] else { panic!("{failures:?}") };
        assert_eq!((failure.code, failure.count, failure.first.as_str()), (Some(2), 3, "busy"));
        assert!(failure.name.contains("SYSTEM_BUSY"), "{}", failure.name);
    }
}
