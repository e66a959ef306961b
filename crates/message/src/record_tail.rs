//! The end of a record, where its properties are, without its body: for whoever looks at many and wants few.

use crate::{RecordError, RecordHeader, record::MAGIC_V2, sys_flag};

const SYS_FLAG_AT: usize = 36;
/// Where the body's length stands when both hosts are IPv4; each IPv6 host moves it by 12 bytes.
const BODY_LEN_AT: usize = 84;

/// Most bytes that stand behind the body of a record: its topic and its properties, with their lengths.
pub const TAIL_MAX_LEN_BYTES: usize = 2 + 255 + 2 + 32_767;
/// So many bytes of a record tell where its body ends.
pub const HEAD_LEN_BYTES: usize = BODY_LEN_AT + 24 + 4;

/// Where in a record its body ends, by the [`HEAD_LEN_BYTES`] (or all) that it begins with.
///
/// # Errors
/// The record ends before its body's length, or that is negative.
pub fn tail_start(head: &[u8]) -> Result<usize, RecordError> {
    let field = |at: usize| head.get(at..).and_then(|rest| rest.first_chunk::<4>());
    let truncated = RecordError::Truncated { needed: HEAD_LEN_BYTES, available: head.len() };
    let flags = i32::from_be_bytes(*field(SYS_FLAG_AT).ok_or(truncated.clone())?);
    let hosts = [sys_flag::BORN_HOST_V6, sys_flag::STORE_HOST_V6];
    let longer = 12 * hosts.into_iter().filter(|flag| flags & flag != 0).count();
    let at = BODY_LEN_AT + longer;
    let len = i32::from_be_bytes(*field(at).ok_or(truncated)?);
    let body_len = usize::try_from(len).map_err(|_| RecordError::BadLength {
        field: "body",
        len: i64::from(len),
        total: head.len(),
    })?;
    Ok(at + 4 + body_len)
}

/// The properties of a record, by its first bytes and all that stands behind its body.
///
/// # Errors
/// The lengths in the tail do not fit its own.
pub fn tail_properties<'a>(head: &[u8], tail: &'a [u8]) -> Result<&'a [u8], RecordError> {
    let bad = |field: &'static str, len: usize| RecordError::BadLength {
        field,
        len: i64::try_from(len).unwrap_or(i64::MAX),
        total: tail.len(),
    };
    let is_v2 = RecordHeader::peek(head).is_some_and(|header| header.magic == MAGIC_V2);
    let (topic_len, rest) = match (is_v2, tail) {
        (true, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        (false, [len, rest @ ..]) => (usize::from(*len), rest),
        _ => return Err(bad("topicLength", tail.len())),
    };
    let rest = rest.get(topic_len..).ok_or_else(|| bad("topic", topic_len))?;
    let (len, properties) =
        rest.split_first_chunk::<2>().ok_or_else(|| bad("propertiesLength", rest.len()))?;
    let len = usize::from(u16::from_be_bytes(*len));
    if properties.len() == len { Ok(properties) } else { Err(bad("properties", len)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{LogOffset, QueueOffset, Record, RecordFields, Timestamp, encode_record};

    fn record(topic: &str, body: &[u8], properties: &[u8], born_v6: bool, store_v6: bool) -> Vec<u8> {
        let host = |v6: bool| if v6 { "[::1]:9" } else { "10.0.0.1:9" }.parse().unwrap();
        let fields = RecordFields {
            topic,
            queue_id: 1,
            flag: 0,
            sys_flag: 0,
            queue_offset: QueueOffset(3),
            log_offset: LogOffset(4),
            born_timestamp: Timestamp(5),
            born_host: host(born_v6),
            store_timestamp: Timestamp(6),
            store_host: host(store_v6),
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body,
            properties,
        };
        let mut bytes = Vec::new();
        encode_record(&fields, &mut bytes).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn the_tail_has_the_properties_that_the_whole_has(
            topic in "[a-z]{1,200}",
            body in prop::collection::vec(any::<u8>(), 0..300),
            properties in prop::collection::vec(any::<u8>(), 0..100),
            (born_v6, store_v6) in any::<(bool, bool)>(),
        ) {
            let bytes = record(&topic, &body, &properties, born_v6, store_v6);
            let head = &bytes[..HEAD_LEN_BYTES.min(bytes.len())];
            let start = tail_start(head).unwrap();
            prop_assert!(bytes.len() - start <= TAIL_MAX_LEN_BYTES);
            let found = tail_properties(head, &bytes[start..]).unwrap();
            prop_assert_eq!(found, Record::decode(&bytes).unwrap().fields.properties);
        }

        #[test]
        fn no_bytes_do_harm(head in prop::collection::vec(any::<u8>(), 0..130), tail in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = tail_start(&head);
            let _ = tail_properties(&head, &tail);
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let bytes = record("topic", b"body", b"a\x01b\x02", false, false);
        let start = tail_start(&bytes).unwrap();
        assert!(tail_properties(&bytes, &bytes[start..bytes.len() - 1]).is_err());
        assert!(tail_properties(&bytes, b"").is_err() && tail_properties(&bytes, &[200, 1]).is_err());
        assert!(tail_start(&bytes[..80]).is_err());
        let mut negative = bytes.clone();
        negative[84] = 0xff;
        assert!(tail_start(&negative).is_err());
    }
}
