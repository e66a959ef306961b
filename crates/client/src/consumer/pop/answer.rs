//! From the answer to a pop to messages with the handles by which they are acknowledged. Pure.

use eruca_message::{StoredMessage, properties::POP_CHECK_POINT};
use eruca_protocol::{
    pop::{OrderCounts, PopTextError, PopTopic, QueueOffsets, ReceiptHandle},
    request::PopMessageResponse,
};

use super::popped::PoppedMessage;
use crate::decode::decode_messages;

/// The messages of an answer of `broker` to a pop of `topic`, or what is wrong with it.
pub(super) fn read_answer(
    topic: &str,
    broker: &str,
    header: &PopMessageResponse,
    body: &[u8],
) -> Result<Vec<PoppedMessage>, String> {
    let text = |error: PopTextError| error.to_string();
    let queues = QueueOffsets::parse(
        header.start_offset_info.as_deref().unwrap_or_default(),
        header.msg_offset_info.as_deref().unwrap_or_default(),
    )
    .map_err(text)?;
    let counts = OrderCounts::parse(header.order_count_info.as_deref().unwrap_or_default()).map_err(text)?;
    let messages = decode_messages(body).map_err(|error| error.to_string())?;
    let with_handle = |mut stored: StoredMessage| {
        let handle = match stored.message.properties.get(POP_CHECK_POINT) {
            // Brokers write it themselves into what comes from a retry topic.
            Some(text) => ReceiptHandle::parse(text).map_err(|error| error.to_string())?,
            None => handle_of(&stored, broker, header, &queues)?,
        };
        stored.broker_name = broker.to_owned();
        if let Some(count) = counts.of(handle.topic, handle.queue_id, handle.queue_offset) {
            stored.reconsume_times = stored.reconsume_times.max(count);
        }
        stored.message.properties.set(POP_CHECK_POINT, handle.to_string());
        topic.clone_into(&mut stored.message.topic);
        Ok(PoppedMessage { stored, topic: topic.to_owned(), handle })
    };
    messages.into_iter().map(with_handle).collect()
}

fn handle_of(
    stored: &StoredMessage,
    broker: &str,
    header: &PopMessageResponse,
    queues: &[QueueOffsets],
) -> Result<ReceiptHandle, String> {
    let from = PopTopic::of(&stored.message.topic);
    let at = stored.queue_offset.to_i64();
    let queue = queues.iter().find(|queue| (queue.topic, queue.queue_id) == (from, stored.queue_id));
    // Of an inner batch the broker knows the first message only: it is acknowledged as a whole.
    let listed = |queue: &QueueOffsets| queue.offsets.iter().copied().filter(|offset| *offset <= at).max();
    let Some((queue, offset)) = queue.and_then(|queue| Some((queue, listed(queue)?))) else {
        return Err(format!(
            "message {at} of queue {} of {} is not among those that the answer lists",
            stored.queue_id, stored.message.topic
        ));
    };
    Ok(ReceiptHandle {
        start_offset: queue.start,
        pop_time: header.pop_time,
        invisible_time: header.invisible_time,
        revive_queue_id: header.revive_qid,
        topic: from,
        broker_name: broker.to_owned(),
        queue_id: queue.queue_id,
        queue_offset: offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::record;

    /// As a Java 5.5.0 broker answered a pop of 20 messages in two queues, shortened.
    fn header(start: &str, messages: &str, orders: Option<&str>) -> PopMessageResponse {
        PopMessageResponse {
            pop_time: 1_795_415_708_865,
            invisible_time: 10_000,
            revive_qid: 0,
            rest_num: 0,
            start_offset_info: Some(start.to_owned()),
            msg_offset_info: Some(messages.to_owned()),
            order_count_info: orders.map(str::to_owned),
        }
    }

    fn real_topic(message: &PoppedMessage) -> String {
        message.handle.topic.real_topic(&message.topic, "g")
    }

    #[test]
    fn handles_are_those_that_javas_client_makes() {
        let body = [record("GPop", 0, 0, b"a", b""), record("GPop", 1, 0, b"b", b"")].concat();
        let popped = read_answer("GPop", "broker-a", &header("0 1 0", "0 1 0,1", None), &body).unwrap();
        let handles: Vec<String> = popped.iter().map(PoppedMessage::receipt_handle).collect();
        let java = ["0 1795415708865 10000 0 0 broker-a 1 0", "0 1795415708865 10000 0 0 broker-a 1 1"];
        assert_eq!(handles, java);
        assert_eq!(popped[1].stored.message.properties.get(POP_CHECK_POINT), Some(java[1]));
        assert_eq!(popped[0].visible_at().0, 1_795_415_718_865);
        assert_eq!((popped[0].attempt(), real_topic(&popped[0])), (1, "GPop".to_owned()));
    }

    #[test]
    fn a_message_that_comes_again_brings_its_handle_or_its_retry_topic() {
        let own = "POP_CK\u{1}7 5 6 2 1 broker-a 1 9\u{2}";
        let body =
            [record("GPop", 9, 0, b"a", own.as_bytes()), record("%RETRY%g_GPop", 10, 0, b"b", b"")].concat();
        let popped = read_answer("GPop", "broker-a", &header("1 1 7", "1 1 9,10", None), &body).unwrap();
        assert_eq!(popped[0].receipt_handle(), "7 5 6 2 1 broker-a 1 9");
        assert_eq!(popped[1].receipt_handle(), "7 1795415708865 10000 0 1 broker-a 1 10");
        assert_eq!(popped[1].stored.message.topic, "GPop");
        assert_eq!(real_topic(&popped[0]), "%RETRY%g_GPop");
    }

    #[test]
    fn in_order_the_answer_says_how_often_a_message_was_given_before() {
        let body = [record("T", 4, 0, b"a", b""), record("T", 5, 0, b"b", b"")].concat();
        let header = header("0 1 4", "0 1 4,5", Some("0 qo1%4 2;0 1 0"));
        let popped = read_answer("T", "b", &header, &body).unwrap();
        assert_eq!((popped[0].attempt(), popped[1].attempt()), (3, 1));
    }

    #[test]
    fn what_does_not_fit_together_is_said() {
        let body = record("T", 4, 0, b"a", b"");
        for (start, messages, said) in [
            ("0 1 4", "0 1 x", "not understood at '0 1 x'"),
            ("0 0 4", "0 0 4", "message 4 of queue 1 of T is not among"),
            ("0 1 5", "0 1 5", "message 4 of queue 1 of T is not among"),
        ] {
            let error = read_answer("T", "b", &header(start, messages, None), &body).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(read_answer("T", "b", &header("", "", None), b"no record").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(
            start in "[0-9 ;,-]{0,30}", messages in "[0-9 ;,-]{0,30}", orders in "[0-9 ;,%qo-]{0,30}", at in 0u64..9,
        ) {
            let body = record("T", at, 0, b"a", b"POP_CK\x011 2 3\x02");
            let _ = read_answer("T", "b", &header(&start, &messages, Some(&orders)), &body);
            let body = record("T", at, 0, b"a", b"");
            let _ = read_answer("T", "b", &header(&start, &messages, Some(&orders)), &body);
        }
    }
}
