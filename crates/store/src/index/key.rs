//! Keys of a message, and their hashes.
//!
//! | key | of each |
//! |---|---|
//! | `TOPIC#ID` | property `UNIQ_KEY` |
//! | `TOPIC#KEY` | word of the property `KEYS` |
//! | `TOPIC#T#TAG` | property `TAGS` (5.4 and later) |
//!
//! in this order; rolled-back messages have none. The hash is Java's `String.hashCode` without its sign (the one
//! number that has no positive counterpart counts as 0). Other keys may have the same: whoever finds an entry looks
//! at the message.

use eruca_message::{properties, sys_flag};

/// Which keys a query means (Java: `indexType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// Unique ids and the words of `KEYS` (Java: `K` and `U`, which have the same form).
    #[default]
    Key,
    /// Tags (Java: `T`).
    Tag,
}

/// A Java string hash that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct KeyHash(u32);

impl KeyHash {
    /// Goes on with more text; bytes that are not UTF-8 count as the replacement character, as in Java.
    pub(super) fn text(self, bytes: &[u8]) -> KeyHash {
        if bytes.is_ascii() {
            return self.ascii(bytes);
        }
        let text = String::from_utf8_lossy(bytes);
        KeyHash(text.encode_utf16().fold(self.0, |hash, unit| step(hash, u32::from(unit))))
    }

    fn ascii(self, bytes: &[u8]) -> KeyHash {
        const POWERS: [u32; 8] = powers();
        // Eight characters at once: the multiplications of one do not wait for those of the other.
        let (eights, rest) = bytes.as_chunks::<8>();
        let hash = eights.iter().fold(self.0, |hash, eight| {
            let sum = eight.iter().zip(POWERS).map(|(byte, power)| u32::from(*byte).wrapping_mul(power));
            hash.wrapping_mul(POWERS[0].wrapping_mul(31)).wrapping_add(sum.fold(0, u32::wrapping_add))
        });
        KeyHash(rest.iter().fold(hash, |hash, byte| step(hash, u32::from(*byte))))
    }

    /// The hash as index files keep it.
    pub(super) fn finish(self) -> u32 {
        let positive = self.0.cast_signed().unsigned_abs();
        if positive > i32::MAX as u32 { 0 } else { positive }
    }
}

fn step(hash: u32, unit: u32) -> u32 {
    hash.wrapping_mul(31).wrapping_add(unit)
}

/// 31⁷ down to 31⁰.
const fn powers() -> [u32; 8] {
    let mut powers = [1u32; 8];
    let mut at = 7;
    while at > 0 {
        powers[at - 1] = powers[at].wrapping_mul(31);
        at -= 1;
    }
    powers
}

/// The hash by which a key is looked up.
pub(super) fn query_hash(topic: &str, key: &str, kind: KeyKind) -> u32 {
    let of_topic = KeyHash::default().text(topic.as_bytes()).text(b"#");
    match kind {
        KeyKind::Key => of_topic.text(key.as_bytes()).finish(),
        KeyKind::Tag => of_topic.text(b"T#").text(key.as_bytes()).finish(),
    }
}

/// The properties that are keys, raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct KeyProperties<'a> {
    unique_key: Option<&'a [u8]>,
    keys: Option<&'a [u8]>,
    tag: Option<&'a [u8]>,
}

impl<'a> KeyProperties<'a> {
    /// In one pass over the encoded properties; the last one of a name counts.
    fn find(encoded: &'a [u8]) -> KeyProperties<'a> {
        let mut found = KeyProperties::default();
        let mut start = 0;
        let ends = memchr::memchr_iter(properties::PROPERTY_SEPARATOR, encoded).chain([encoded.len()]);
        for end in ends {
            let entry = encoded.get(start..end).unwrap_or_default();
            start = end + 1;
            let place = match entry.first() {
                Some(b'U') => (&mut found.unique_key, properties::UNIQUE_KEY),
                Some(b'K') => (&mut found.keys, properties::KEYS),
                Some(b'T') => (&mut found.tag, properties::TAGS),
                _ => continue,
            };
            let (place, name) = place;
            if let Some(value) = entry.strip_prefix(name.as_bytes())
                && let Some(value) = value.strip_prefix(&[properties::NAME_VALUE_SEPARATOR])
                && !value.is_empty()
            {
                *place = Some(value);
            }
        }
        found
    }

    /// The words of `KEYS`.
    fn words(&self) -> impl Iterator<Item = &'a [u8]> {
        self.keys.unwrap_or_default().split(|byte| *byte == b' ').filter(|word| !word.is_empty())
    }
}

/// Takes the hashes of a message's keys out of its encoded properties.
pub(super) fn key_hashes(topic: &[u8], sys_flags: i32, encoded: &[u8], mut hash: impl FnMut(u32)) {
    if sys_flag::transaction(sys_flags) == sys_flag::TRANSACTION_ROLLBACK {
        return;
    }
    let found = KeyProperties::find(encoded);
    let of_topic = KeyHash::default().text(topic).text(b"#");
    if let Some(id) = found.unique_key {
        hash(of_topic.text(id).finish());
    }
    found.words().for_each(|word| hash(of_topic.text(word).finish()));
    if let Some(tag) = found.tag {
        hash(of_topic.text(b"T#").text(tag).finish());
    }
}

/// Whether a message with these properties has the key.
pub(super) fn has_key(encoded: &[u8], key: &str, kind: KeyKind) -> bool {
    let found = KeyProperties::find(encoded);
    let key = key.as_bytes();
    match kind {
        KeyKind::Key => found.unique_key == Some(key) || found.words().any(|word| word == key),
        KeyKind::Tag => found.tag == Some(key),
    }
}

#[cfg(test)]
mod tests {
    use eruca_message::java_hash_code;
    use proptest::prelude::*;

    use super::*;

    fn hashes(sys_flags: i32, encoded: &[u8]) -> Vec<u32> {
        let mut all = Vec::new();
        key_hashes(b"GNormal", sys_flags, encoded, |hash| all.push(hash));
        all
    }

    #[test]
    fn the_keys_of_a_message_are_javas() {
        // The first three entries in the index file of a 5.5.0 broker.
        let encoded =
            b"UNIQ_KEY\x01FD00000000000000000000000000000213AC30946E0972AFCD940000\x02TAGS\x01TagA\x02\
            KEYS\x01sync-0\x02WAIT\x01true\x02";
        assert_eq!(hashes(0, encoded), [627_664_293, 15_508_589, 983_209_749]);
        assert_eq!(hashes(sys_flag::TRANSACTION_PREPARED, encoded).len(), 3);
        assert_eq!(hashes(sys_flag::TRANSACTION_ROLLBACK, encoded), []);
        assert_eq!(query_hash("GNormal", "sync-0", KeyKind::Key), 15_508_589);
        assert_eq!(query_hash("GNormal", "TagA", KeyKind::Tag), 983_209_749);
    }

    #[test]
    fn words_are_keys_and_the_last_of_a_name_counts() {
        let encoded = b"KEYS\x01old\x02KEYS\x01 a  b \x02TAGS\x01\x02KEYSx\x01c\x02";
        assert_eq!(hashes(0, encoded).len(), 2);
        for (key, expected) in [("a", true), ("b", true), ("old", false), ("", false), ("a  b", false)] {
            assert_eq!(has_key(encoded, key, KeyKind::Key), expected, "{key}");
        }
        assert!(has_key(b"UNIQ_KEY\x01id\x02", "id", KeyKind::Key));
        assert!(
            has_key(b"TAGS\x01t\x02", "t", KeyKind::Tag) && !has_key(b"TAGS\x01t\x02", "t", KeyKind::Key)
        );
    }

    #[test]
    fn the_number_without_a_positive_counterpart_is_0() {
        assert_eq!(java_hash_code("polygenelubricants"), i32::MIN);
        assert_eq!(KeyHash::default().text(b"polygenelubricants").finish(), 0);
    }

    proptest! {
        #[test]
        fn the_hash_is_javas(text in "\\PC{0,40}", cut in 0usize..40) {
            let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let (first, second) = text.split_at(cut);
            let hash = KeyHash::default().text(first.as_bytes()).text(second.as_bytes());
            prop_assert_eq!(hash.0.cast_signed(), java_hash_code(&text));
        }

        #[test]
        fn any_bytes_never_panic(topic in proptest::collection::vec(any::<u8>(), 0..20),
                                 encoded in proptest::collection::vec(any::<u8>(), 0..200)) {
            key_hashes(&topic, 0, &encoded, |hash| assert!(hash <= i32::MAX as u32));
        }
    }
}
