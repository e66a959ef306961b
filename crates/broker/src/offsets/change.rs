//! One change of an offset, as the journal keeps it.
//!
//! | field | bytes |
//! |---|---|
//! | kind | 1: `C` commit, `P` commit that stands on the log, `G` forget a group, `T` forget a topic, `F` forget a group's topic |
//! | queueId | 4 |
//! | offset | 8 |
//! | after | 8, of `P` only: where the log ended |
//! | group length + group | 2 + n |
//! | topic | the rest |

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// `after`: it counts only where the log reaches that far, as what was popped comes again by what is in there. 0: in any case.
    Commit {
        group: &'a str,
        topic: &'a str,
        queue_id: i32,
        offset: i64,
        after: u64,
    },
    ForgetGroup {
        group: &'a str,
    },
    ForgetTopic {
        topic: &'a str,
    },
    ForgetGroupTopic {
        group: &'a str,
        topic: &'a str,
    },
}

impl<'a> Change<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (kind, queue_id, offset, group, topic) = match *self {
            Change::Commit { group, topic, queue_id, offset, after: 0 } => {
                (b'C', queue_id, offset, group, topic)
            }
            Change::Commit { group, topic, queue_id, offset, .. } => (b'P', queue_id, offset, group, topic),
            Change::ForgetGroup { group } => (b'G', 0, 0, group, ""),
            Change::ForgetTopic { topic } => (b'T', 0, 0, "", topic),
            Change::ForgetGroupTopic { group, topic } => (b'F', 0, 0, group, topic),
        };
        out.push(kind);
        out.extend_from_slice(&queue_id.to_be_bytes());
        out.extend_from_slice(&offset.to_be_bytes());
        if let Change::Commit { after: after @ 1.., .. } = self {
            out.extend_from_slice(&after.to_be_bytes());
        }
        // Names are checked to have at most 255 bytes before they come here; a longer one would be cut, not confused.
        let group = group.as_bytes().get(..usize::from(u16::MAX)).unwrap_or(group.as_bytes());
        out.extend_from_slice(&(group.len() as u16).to_be_bytes());
        out.extend_from_slice(group);
        out.extend_from_slice(topic.as_bytes());
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Option<Change<'a>> {
        let (kind, rest) = bytes.split_first()?;
        let (queue_id, rest) = rest.split_first_chunk::<4>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (after, rest) = match kind {
            b'P' => rest.split_first_chunk::<8>().map(|(after, rest)| (u64::from_be_bytes(*after), rest))?,
            _ => (0, rest),
        };
        let (group_len, rest) = rest.split_first_chunk::<2>()?;
        let (group, topic) = rest.split_at_checked(usize::from(u16::from_be_bytes(*group_len)))?;
        let (group, topic) = (str::from_utf8(group).ok()?, str::from_utf8(topic).ok()?);
        Some(match kind {
            b'C' | b'P' => Change::Commit {
                group,
                topic,
                queue_id: i32::from_be_bytes(*queue_id),
                offset: i64::from_be_bytes(*offset),
                after,
            },
            b'G' => Change::ForgetGroup { group },
            b'T' => Change::ForgetTopic { topic },
            b'F' => Change::ForgetGroupTopic { group, topic },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let changes = [
            Change::Commit { group: "g", topic: "t", queue_id: 3, offset: i64::MAX, after: 0 },
            Change::Commit { group: "g", topic: "t", queue_id: 3, offset: 7, after: 4711 },
            Change::ForgetGroup { group: "g" },
            Change::ForgetTopic { topic: "t" },
            Change::ForgetGroupTopic { group: "g", topic: "%RETRY%g" },
        ];
        for change in changes {
            let mut bytes = Vec::new();
            change.encode(&mut bytes);
            assert_eq!(Change::decode(&bytes), Some(change));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Change::decode(&bytes);
        }
    }
}
