//! Many acknowledgements in few requests. Pure.

use std::collections::BTreeMap;

use eruca_protocol::body::{BatchAck, BatchAckMessageRequestBody, BitSet};

use super::popped::PoppedMessage;

/// Most pops in one request; brokers refuse more than some thousands.
const ACKS_MAX: usize = 1024;
/// A message so far behind the start of its pop is not put into a set of bits.
const BITS_MAX: i64 = 4096;

/// The requests that acknowledge `messages` for `group`, and those of them that take a request of their own.
pub(super) fn batches<'m>(
    messages: impl IntoIterator<Item = &'m PoppedMessage>,
    group: &str,
) -> (Vec<BatchAckMessageRequestBody>, Vec<&'m PoppedMessage>) {
    let (mut pops, mut alone) = (BTreeMap::new(), Vec::new());
    for message in messages {
        let handle = &message.handle;
        let bit =
            handle.queue_offset.checked_sub(handle.start_offset).filter(|bit| (0..BITS_MAX).contains(bit));
        let Some(bit) = bit.and_then(|bit| usize::try_from(bit).ok()) else {
            alone.push(message);
            continue;
        };
        let of_pop = (
            handle.broker_name.as_str(),
            message.topic.as_str(),
            (handle.topic, handle.queue_id, handle.revive_queue_id),
            (handle.start_offset, handle.pop_time, handle.invisible_time),
        );
        pops.entry(of_pop).or_insert_with(Vec::new).push(bit);
    }
    let mut requests: Vec<BatchAckMessageRequestBody> = Vec::new();
    for (
        (broker_name, topic, (from, queue_id, revive_queue_id), (start_offset, pop_time, invisible_time)),
        bits,
    ) in pops
    {
        let ack = BatchAck {
            consumer_group: group.to_owned(),
            topic: topic.to_owned(),
            retry: from.to_string(),
            start_offset,
            queue_id,
            revive_queue_id,
            pop_time,
            invisible_time,
            bits: BitSet::of(bits),
        };
        match requests.last_mut() {
            Some(last) if last.broker_name == broker_name && last.acks.len() < ACKS_MAX => {
                last.acks.push(ack)
            }
            _ => requests
                .push(BatchAckMessageRequestBody { broker_name: broker_name.to_owned(), acks: vec![ack] }),
        }
    }
    (requests, alone)
}

#[cfg(test)]
mod tests {
    use eruca_protocol::pop::ReceiptHandle;

    use super::*;
    use crate::decode::{decode_messages, tests::record};

    fn popped(handle: &str) -> PoppedMessage {
        let stored = decode_messages(&record("T", 0, 0, b"x", b"")).unwrap().remove(0);
        PoppedMessage { stored, topic: "T".into(), handle: ReceiptHandle::parse(handle).unwrap() }
    }

    #[test]
    fn messages_of_one_pop_share_an_ack_and_those_of_a_broker_a_request() {
        let handles = [
            "5 1 2 3 0 b 0 5",
            "5 1 2 3 0 b 0 7",
            "5 1 2 3 1 b 0 5",
            "6 1 2 3 0 a 0 6",
            "0 1 2 3 0 b 0 9000",
        ];
        let messages: Vec<PoppedMessage> = handles.iter().map(|handle| popped(handle)).collect();
        let (requests, alone) = batches(&messages, "g");
        assert_eq!(alone, [&messages[4]]);
        let brokers: Vec<&str> = requests.iter().map(|request| request.broker_name.as_str()).collect();
        assert_eq!(brokers, ["a", "b"]);
        let of_b: Vec<(&str, Vec<usize>)> =
            requests[1].acks.iter().map(|ack| (ack.retry.as_str(), ack.bits.iter().collect())).collect();
        assert_eq!(of_b, [("0", vec![0, 2]), ("1", vec![0])]);
        let first = &requests[1].acks[0];
        assert_eq!(
            (first.start_offset, first.pop_time, first.invisible_time, first.revive_queue_id),
            (5, 1, 2, 3)
        );
        assert_eq!((first.consumer_group.as_str(), first.topic.as_str()), ("g", "T"));
    }

    #[test]
    fn requests_have_a_limit() {
        let messages: Vec<PoppedMessage> =
            (0..1025).map(|pop| popped(&format!("{pop} 1 2 3 0 b 0 {pop}"))).collect();
        let (requests, _) = batches(&messages, "g");
        assert_eq!(requests.iter().map(|request| request.acks.len()).collect::<Vec<_>>(), [1024, 1]);
    }
}
