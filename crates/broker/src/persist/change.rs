//! One change of a table of named things, as the journals of topics and groups have it.

use eruca_protocol::body;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::TableFile;

const PUT: u8 = b'P';
const DELETE: u8 = b'D';
const FORBID: u8 = b'F';

/// A change: a kind of one byte, then the JSON of what was put, or the name of what was deleted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change<T> {
    /// This was created or replaced.
    Put(T),
    /// What had this name was deleted.
    Delete(String),
    /// What a group must not do with a topic: only groups have this.
    Forbid(Forbid),
}

/// What a group must not do with a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Forbid {
    pub(crate) group: String,
    pub(crate) topic: String,
    /// 0 for nothing.
    pub(crate) bits: i32,
}

impl<T: DeserializeOwned> Change<T> {
    /// Reads a change. One that is not understood, as a later version may have written it, is said in the log and left
    /// out: the table without it is better than none.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        match payload.split_first() {
            Some((&PUT, json)) => match body::from_json(json) {
                Ok(put) => return Some(Change::Put(put)),
                Err(error) => tracing::warn!(%error, "a change in a journal is not understood, left out"),
            },
            Some((&DELETE, name)) => {
                return Some(Change::Delete(String::from_utf8_lossy(name).into_owned()));
            }
            Some((&FORBID, json)) => match body::from_json(json) {
                Ok(forbid) => return Some(Change::Forbid(forbid)),
                Err(error) => tracing::warn!(%error, "a change in a journal is not understood, left out"),
            },
            other => {
                let kind = other.map(|(kind, _)| kind);
                tracing::warn!(?kind, "a change in a journal is of no known kind, left out");
            }
        }
        None
    }
}

/// Notes that `put` was created or replaced.
pub(crate) fn note_put<T: Serialize>(file: &TableFile, put: &T) {
    note(file, PUT, &body::to_json(put));
}

/// Notes that what has this name was deleted.
pub(crate) fn note_delete(file: &TableFile, name: &str) {
    note(file, DELETE, name.as_bytes());
}

/// Notes what a group must not do with a topic.
pub(crate) fn note_forbid(file: &TableFile, forbid: &Forbid) {
    note(file, FORBID, &body::to_json(forbid));
}

fn note(file: &TableFile, kind: u8, content: &[u8]) {
    let mut payload = Vec::with_capacity(content.len() + 1);
    payload.push(kind);
    payload.extend_from_slice(content);
    file.note(&payload);
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::TopicConfig;

    use super::*;

    #[test]
    fn what_is_not_understood_is_left_out() {
        let topic = TopicConfig { topic_name: "t".to_owned(), ..TopicConfig::default() };
        let put = [&[PUT][..], &body::to_json(&topic)].concat();
        assert_eq!(Change::read(&put), Some(Change::Put(topic)));
        assert_eq!(Change::<TopicConfig>::read(b"Dt"), Some(Change::Delete("t".to_owned())));
        let forbid = Forbid { group: "g".to_owned(), topic: "t".to_owned(), bits: 4 };
        let noted = [&[FORBID][..], &body::to_json(&forbid)].concat();
        assert_eq!(Change::<TopicConfig>::read(&noted), Some(Change::Forbid(forbid)));
        for bad in [&b""[..], b"P", b"P{", b"F{", b"Xt"] {
            assert_eq!(Change::<TopicConfig>::read(bad), None);
        }
    }
}
