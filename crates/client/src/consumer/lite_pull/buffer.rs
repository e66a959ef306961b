//! What was fetched and not asked for yet. Pure.

use std::collections::{HashMap, VecDeque};

use eruca_message::{MessageQueue, StoredMessage};

/// How much may wait to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BufferLimits {
    /// Most messages of one queue.
    pub(crate) queue_messages: usize,
    /// Most bytes of their bodies.
    pub(crate) queue_bytes: usize,
    /// Most messages of all queues.
    pub(crate) messages: usize,
}

/// Messages of one fetch.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) queue: MessageQueue,
    pub(crate) generation: u64,
    pub(crate) messages: VecDeque<StoredMessage>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Usage {
    messages: usize,
    bytes: usize,
}

/// Messages by the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    fetched: VecDeque<Fetched>,
    usage: HashMap<MessageQueue, Usage>,
    messages: usize,
}

impl Buffer {
    /// Adds messages at the end.
    pub(crate) fn push(&mut self, fetched: Fetched) {
        let usage = self.usage.entry(fetched.queue.clone()).or_default();
        usage.messages += fetched.messages.len();
        usage.bytes += bytes(&fetched.messages);
        self.messages += fetched.messages.len();
        self.fetched.push_back(fetched);
    }

    /// Takes at most `max` messages of one queue, the oldest that `may_take` allows.
    pub(crate) fn take(
        &mut self,
        max: usize,
        mut may_take: impl FnMut(&MessageQueue) -> bool,
    ) -> Option<Fetched> {
        let index = self.fetched.iter().position(|fetched| may_take(&fetched.queue))?;
        let front = self.fetched.get_mut(index)?;
        let taken = Fetched {
            queue: front.queue.clone(),
            generation: front.generation,
            messages: front.messages.drain(..max.min(front.messages.len())).collect(),
        };
        if front.messages.is_empty() {
            self.fetched.remove(index);
        }
        self.release(&taken);
        Some(taken)
    }

    /// Forgets what was fetched of `queue`.
    pub(crate) fn forget(&mut self, queue: &MessageQueue) {
        let (gone, kept): (VecDeque<Fetched>, _) =
            std::mem::take(&mut self.fetched).into_iter().partition(|f| f.queue == *queue);
        self.fetched = kept;
        self.messages -= gone.iter().map(|fetched| fetched.messages.len()).sum::<usize>();
        self.usage.remove(queue);
    }

    fn release(&mut self, taken: &Fetched) {
        self.messages -= taken.messages.len();
        if let Some(usage) = self.usage.get_mut(&taken.queue) {
            usage.messages -= taken.messages.len();
            usage.bytes -= bytes(&taken.messages);
            if usage.messages == 0 {
                self.usage.remove(&taken.queue);
            }
        }
    }

    /// Whether more of `queue` may be fetched.
    pub(crate) fn has_room(&self, queue: &MessageQueue, limits: &BufferLimits) -> bool {
        let usage = self.usage.get(queue).copied().unwrap_or_default();
        self.messages < limits.messages
            && usage.messages < limits.queue_messages
            && usage.bytes < limits.queue_bytes
    }

    /// Whether nothing of `queue` waits.
    pub(crate) fn is_empty_of(&self, queue: &MessageQueue) -> bool {
        !self.usage.contains_key(queue)
    }
}

fn bytes(messages: &VecDeque<StoredMessage>) -> usize {
    messages.iter().map(|message| message.message.body.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{decode_messages, tests::record};

    const LIMITS: BufferLimits = BufferLimits { queue_messages: 4, queue_bytes: 1_000, messages: 6 };

    fn fetched(queue_id: i32, offsets: std::ops::Range<u64>) -> Fetched {
        let messages =
            offsets.flat_map(|offset| decode_messages(&record("t", offset, 0, b"12345", b"")).unwrap());
        Fetched { queue: queue(queue_id), generation: 0, messages: messages.collect() }
    }

    fn queue(id: i32) -> MessageQueue {
        MessageQueue::new("t", "b", id)
    }

    #[test]
    fn limits_hold_for_a_queue_and_for_all() {
        let mut buffer = Buffer::default();
        buffer.push(fetched(0, 0..4));
        assert!(!buffer.has_room(&queue(0), &LIMITS));
        assert!(buffer.has_room(&queue(1), &LIMITS));
        buffer.push(fetched(1, 0..2));
        assert!(!buffer.has_room(&queue(2), &LIMITS), "six in all");
        assert!(!buffer.has_room(&queue(1), &BufferLimits { queue_bytes: 10, messages: 100, ..LIMITS }));
    }

    #[test]
    fn messages_come_in_order_and_make_room() {
        let mut buffer = Buffer::default();
        buffer.push(fetched(0, 0..3));
        buffer.push(fetched(1, 0..3));
        let taken = buffer.take(2, |_| true).unwrap();
        assert_eq!(taken.messages.iter().map(|m| m.queue_offset.0).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(buffer.take(9, |_| true).unwrap().messages.len(), 1);
        assert!(buffer.is_empty_of(&queue(0)));
        assert!(buffer.take(9, |queue| queue.queue_id == 0).is_none());
        assert_eq!(buffer.take(9, |_| true).unwrap().messages.len(), 3);
        assert!(buffer.has_room(&queue(1), &LIMITS));
        assert!(buffer.take(9, |_| true).is_none());
    }

    #[test]
    fn a_forgotten_queue_leaves_the_others() {
        let mut buffer = Buffer::default();
        buffer.push(fetched(0, 0..3));
        buffer.push(fetched(1, 0..3));
        buffer.forget(&queue(0));
        assert!(buffer.is_empty_of(&queue(0)) && buffer.has_room(&queue(0), &LIMITS));
        assert_eq!(buffer.take(9, |_| true).unwrap().queue, queue(1));
    }
}
