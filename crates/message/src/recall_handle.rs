//! The handle by which a message with a time of delivery is recalled.

use crate::Timestamp;

/// What a send of such a message is answered, and a recall names (Java: `RecallMessageHandle.HandleV1`).
///
/// As text: `v1 topic brokerName deliverAt uniqueKey`, separated by one blank each, in the Base64 of URLs with padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallHandle {
    /// The topic that the message is for.
    pub topic: String,
    /// The broker that keeps it.
    pub broker_name: String,
    /// When it is delivered; a Java broker's is rounded down to its precision, plus one millisecond.
    pub deliver_at: Timestamp,
    /// The producer's id of the message.
    pub unique_key: String,
}

/// Why a text is no handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecallHandleError {
    /// Characters that are not Base64, or bytes that are not UTF-8.
    #[error(
        "recall handle is invalid: it is not Base64 (the URL alphabet) of a text; take the recallHandle of the send result"
    )]
    NotBase64,
    /// Something else than the five parts.
    #[error(
        "recall handle is invalid: it is not 'v1 topic brokerName timestamp messageId' in Base64; take the recallHandle of the send result"
    )]
    NotV1,
}

const VERSION: &str = "v1";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl RecallHandle {
    /// The handle as text.
    pub fn encode(&self) -> String {
        let RecallHandle { topic, broker_name, deliver_at, unique_key } = self;
        base64(format!("{VERSION} {topic} {broker_name} {deliver_at} {unique_key}").as_bytes())
    }

    /// Reads a handle.
    ///
    /// # Errors
    /// The text is none. A time that is no number is read as -1, as in Java, which has then passed.
    pub fn decode(text: &str) -> Result<RecallHandle, RecallHandleError> {
        let bytes = from_base64(text.as_bytes()).ok_or(RecallHandleError::NotBase64)?;
        let raw = String::from_utf8(bytes).map_err(|_| RecallHandleError::NotBase64)?;
        let mut parts = raw.split(' ');
        let (Some(VERSION), Some(topic), Some(broker_name), Some(time), Some(unique_key)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(RecallHandleError::NotV1);
        };
        Ok(RecallHandle {
            topic: topic.to_owned(),
            broker_name: broker_name.to_owned(),
            deliver_at: Timestamp(time.parse().unwrap_or(-1)),
            unique_key: unique_key.to_owned(),
        })
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit) & 63) as usize;
            let letter = ALPHABET.get(index).copied().filter(|_| digit <= group.len());
            text.push(char::from(letter.unwrap_or(b'=')));
        }
    }
    text
}

/// As Java's decoder: padding may be missing, and nothing may come after it.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let unpadded = text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text);
    if unpadded.len() != text.len() && !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(unpadded.len() * 3 / 4);
    for group in unpadded.chunks(4) {
        let mut bits = 0u32;
        for letter in group {
            bits = bits << 6 | u32::try_from(ALPHABET.iter().position(|known| known == letter)?).ok()?;
        }
        let count = match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bits <<= 6 * (4 - group.len());
        bytes.extend(bits.to_be_bytes().into_iter().skip(1).take(count));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_java_writes_it() {
        let handle = RecallHandle {
            topic: "TopicTest".to_owned(),
            broker_name: "broker-0".to_owned(),
            deliver_at: Timestamp(1_707_111_111_001),
            unique_key: "01020304".to_owned(),
        };
        // java.util.Base64.getUrlEncoder() of the same text.
        let text = "djEgVG9waWNUZXN0IGJyb2tlci0wIDE3MDcxMTExMTEwMDEgMDEwMjAzMDQ=";
        assert_eq!(handle.encode(), text);
        assert_eq!(RecallHandle::decode(text), Ok(handle.clone()));
        assert_eq!(RecallHandle::decode(text.trim_end_matches('=')), Ok(handle));
    }

    #[test]
    fn what_is_no_handle_is_told() {
        for (text, error) in [
            ("", RecallHandleError::NotV1),
            ("!", RecallHandleError::NotBase64),
            ("A", RecallHandleError::NotBase64),
            ("djE=djE=", RecallHandleError::NotBase64),
            ("_w==", RecallHandleError::NotBase64),
            (&base64(b"v2 T b 1 k"), RecallHandleError::NotV1),
            (&base64(b"v1 T b 1"), RecallHandleError::NotV1),
        ] {
            assert_eq!(RecallHandle::decode(text), Err(error), "{text}");
        }
        assert_eq!(RecallHandle::decode(&base64(b"v1 T b x k")).unwrap().deliver_at, Timestamp(-1));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = RecallHandle::decode(&text);
        }

        #[test]
        fn bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            prop_assert_eq!(from_base64(base64(&bytes).as_bytes()), Some(bytes));
        }
    }
}
