//! From the bytes of a pull to messages as the program gets them: decompressed, inner batches split.

use eruca_message::{
    BatchError, Message, Properties, QueueOffset, RecordError, StoredMessage, decode_batch, properties,
    sys_flag,
};

use crate::compression::{DecompressError, decompress};

const SPLIT_FLAGS: i32 = sys_flag::INNER_BATCH | sys_flag::NEED_UNWRAP;

/// Why bytes are no messages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("message {id}: {source}")]
    Compression { id: String, source: DecompressError },
    #[error("inner batch {id}: {source}")]
    Batch { id: String, source: BatchError },
}

/// All messages in `bytes`. Their bodies are plain, although `sys_flag` still says how they were stored.
pub(crate) fn decode_messages(bytes: &[u8]) -> Result<Vec<StoredMessage>, DecodeError> {
    let mut messages = Vec::new();
    for mut stored in StoredMessage::decode_all(bytes)? {
        match decompress(&stored.message.body, stored.sys_flag) {
            Ok(Some(plain)) => stored.message.body = plain,
            Ok(None) => {}
            Err(source) => return Err(DecodeError::Compression { id: stored.offset_message_id(), source }),
        }
        if stored.sys_flag & SPLIT_FLAGS == SPLIT_FLAGS {
            split_inner_batch(&stored, &mut messages)?;
        } else {
            messages.push(stored);
        }
    }
    Ok(messages)
}

/// The messages of a record that holds many; each has its own queue offset.
fn split_inner_batch(batch: &StoredMessage, messages: &mut Vec<StoredMessage>) -> Result<(), DecodeError> {
    let entries = decode_batch(&batch.message.body)
        .map_err(|source| DecodeError::Batch { id: batch.offset_message_id(), source })?;
    let base = batch
        .message
        .properties
        .get(properties::INNER_BASE)
        .and_then(|base| base.parse().ok())
        .map_or(batch.queue_offset, QueueOffset);
    for (index, entry) in entries.iter().enumerate() {
        messages.push(StoredMessage {
            message: Message {
                topic: batch.message.topic.clone(),
                flag: entry.flag,
                properties: Properties::decode(entry.properties),
                body: entry.body.to_vec(),
            },
            queue_offset: base.add_messages(index as u64),
            sys_flag: batch.sys_flag & !SPLIT_FLAGS,
            ..batch.clone()
        });
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use eruca_message::{BatchEntry, LogOffset, RecordFields, Timestamp, encode_batch_entry, encode_record};

    use super::*;
    use crate::Compression;

    /// A record as a broker would send it.
    pub(crate) fn record(
        topic: &str,
        queue_offset: u64,
        flags: i32,
        body: &[u8],
        properties: &[u8],
    ) -> Vec<u8> {
        let fields = RecordFields {
            topic,
            queue_id: 1,
            flag: 0,
            sys_flag: flags,
            queue_offset: QueueOffset(queue_offset),
            log_offset: LogOffset(queue_offset * 100),
            born_timestamp: Timestamp(1),
            born_host: "127.0.0.1:1".parse().unwrap(),
            store_timestamp: Timestamp(2),
            store_host: "127.0.0.1:2".parse().unwrap(),
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body,
            properties,
        };
        let mut out = Vec::new();
        encode_record(&fields, &mut out).unwrap();
        out
    }

    #[test]
    fn compressed_bodies_come_out_plain() {
        let packed = Compression::Lz4.compress(b"hello", 5).unwrap();
        let mut bytes = record("t", 0, Compression::Lz4.sys_flag(), &packed, b"");
        bytes.extend(record("t", 1, 0, b"plain", b""));
        let messages = decode_messages(&bytes).unwrap();
        assert_eq!(messages[0].message.body, b"hello");
        assert_eq!(messages[1].message.body, b"plain");
    }

    #[test]
    fn inner_batches_are_split_with_their_offsets() {
        let mut body = Vec::new();
        for (text, properties) in [(b"a", b"TAGS\x01x\x02"), (b"b", b"TAGS\x01y\x02")] {
            encode_batch_entry(&BatchEntry { flag: 0, body: text, properties }, &mut body).unwrap();
        }
        let bytes = record("t", 7, SPLIT_FLAGS, &body, b"INNER_NUM\x012\x02INNER_BASE\x017\x02");
        let messages = decode_messages(&bytes).unwrap();
        let seen: Vec<_> = messages
            .iter()
            .map(|m| (m.queue_offset.0, m.message.tag().unwrap(), m.message.body[0]))
            .collect();
        assert_eq!(seen, [(7, "x", b'a'), (8, "y", b'b')]);
        assert!(messages.iter().all(|m| m.sys_flag == 0));
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        let bytes = record("t", 0, 0, b"x", b"");
        assert!(decode_messages(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode_messages(&record("t", 0, Compression::Zlib.sys_flag(), b"x", b"")).is_err());
    }
}
