//! What a new allocation changes for a member.

use std::collections::BTreeSet;

use eruca_message::MessageQueue;

/// Queues to take up and to give away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Change {
    pub(crate) added: Vec<MessageQueue>,
    pub(crate) removed: Vec<MessageQueue>,
}

impl Change {
    /// From the queues that a member has to those that it should have.
    pub(crate) fn between<'a>(
        held: impl IntoIterator<Item = &'a MessageQueue>,
        allocated: &BTreeSet<MessageQueue>,
    ) -> Change {
        let held: BTreeSet<&MessageQueue> = held.into_iter().collect();
        Change {
            added: allocated.iter().filter(|queue| !held.contains(queue)).cloned().collect(),
            removed: held.into_iter().filter(|queue| !allocated.contains(*queue)).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_differences_change() {
        let queue = |id| MessageQueue::new("t", "b", id);
        let change = Change::between(&[queue(0), queue(1)], &BTreeSet::from([queue(1), queue(2)]));
        assert_eq!(change, Change { added: vec![queue(2)], removed: vec![queue(0)] });
    }
}
