//! A message of a lite topic, with what it is acknowledged by.

use eruca_message::{
    StoredMessage,
    properties::{INNER_MULTI_DISPATCH, INNER_MULTI_QUEUE_OFFSET},
};
use eruca_protocol::{
    pop::{PopTopic, ReceiptHandle},
    request::PopLiteMessageResponse,
};

/// A message of a lite topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiteMessage {
    /// The message; its topic is the parent, its `queue_offset` the place in the parent's queue.
    pub stored: StoredMessage,
    /// The lite topic.
    pub lite_topic: String,
    /// Its place in the lite topic.
    pub offset: i64,
    /// How often it was given out before.
    pub times_given: i32,
    pub(super) handle: ReceiptHandle,
}

impl LiteMessage {
    /// Reads what a pop brought from the broker `broker_name`; a message that does not say its lite topic and its place there is
    /// none that could be acknowledged.
    pub(super) fn of_pop(
        header: &PopLiteMessageResponse,
        broker_name: &str,
        messages: Vec<StoredMessage>,
    ) -> Vec<LiteMessage> {
        let counts: Vec<i32> =
            header.order_count_info.as_deref().unwrap_or_default().split(';').map(times_given).collect();
        let told = counts.len() == messages.len();
        let mut read = Vec::with_capacity(messages.len());
        for (index, mut stored) in messages.into_iter().enumerate() {
            broker_name.clone_into(&mut stored.broker_name);
            let properties = &stored.message.properties;
            let only = |name| properties.get(name).filter(|text| !text.contains(','));
            let offset = only(INNER_MULTI_QUEUE_OFFSET).and_then(|offset| offset.parse().ok());
            let (Some(lite_topic), Some(_), Some(offset)) =
                (stored.message.lite_topic().map(str::to_owned), only(INNER_MULTI_DISPATCH), offset)
            else {
                tracing::warn!(
                    id = stored.message_id(),
                    "a popped message does not say its lite topic, left out"
                );
                continue;
            };
            let handle = ReceiptHandle {
                start_offset: 0,
                pop_time: header.pop_time,
                invisible_time: header.invisible_time,
                revive_queue_id: header.revive_qid,
                topic: PopTopic::Normal,
                broker_name: broker_name.to_owned(),
                queue_id: 0,
                queue_offset: offset,
            };
            let times_given = if told { counts.get(index).copied().unwrap_or(0) } else { 0 };
            read.push(LiteMessage { stored, lite_topic, offset, times_given, handle });
        }
        read
    }
}

/// One entry of the counts: a number, or as Java's brokers write it `0 qo0%offset number`.
fn times_given(entry: &str) -> i32 {
    entry.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_in_both_forms() {
        assert_eq!(
            (times_given("3"), times_given("0 qo0%17 2"), times_given(""), times_given("x")),
            (3, 2, 0, 0)
        );
    }
}
