//! What producers send.

use eruca_message::Timestamp;
use eruca_store::{AppendMessage, MessageStore};

use super::{
    oracle::Sent,
    scenario::{QUEUES, TOPICS},
};
use crate::random::Random;

/// A message that has no place yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewMessage<'a> {
    /// Tells it from all others; its body begins with it.
    pub(super) id: u64,
    pub(super) topic: &'a str,
    pub(super) queue_id: i32,
    /// Length of the rest of the body.
    pub(super) len: usize,
}

impl NewMessage<'_> {
    pub(super) fn draw(id: u64, len_max: u64, random: &mut Random) -> NewMessage<'static> {
        let topic = *random.pick(&TOPICS);
        let queue_id = random.below(QUEUES) as i32;
        NewMessage { id, topic, queue_id, len: random.below(len_max) as usize }
    }

    /// Gives it its place, in this epoch; `None` where the store refuses.
    pub(super) fn append_to(&self, store: &MessageStore, epoch: i32) -> Option<Sent> {
        let mut body = self.id.to_be_bytes().to_vec();
        body.resize(8 + self.len, b'x');
        let host = std::net::SocketAddr::from(([10, 0, 0, 1], 10911));
        let appended = store.append(&AppendMessage {
            topic: self.topic,
            queue_id: self.queue_id,
            flag: 0,
            sys_flag: 0,
            born_timestamp: Timestamp(1000),
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &body,
            properties: b"KEYS\x01key\x02",
        });
        let appended = appended.ok()?;
        store.settle().ok()?;
        Some(Sent {
            id: self.id,
            epoch,
            topic: self.topic.to_owned(),
            queue_id: self.queue_id,
            queue_offset: appended.queue_offset.0,
            log_offset: appended.log_offset,
            log_end: appended.log_offset_end,
        })
    }
}
