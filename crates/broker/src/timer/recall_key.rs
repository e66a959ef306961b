//! What a recall and the message that it means have in common.

use std::hash::{BuildHasher, RandomState};

use eruca_message::properties::{self, REAL_TOPIC, TIMER_DEL_UNIQUE_KEY, UNIQUE_KEY};

/// Hashes of topic and unique key: so a slot with very many recalls takes 16 bytes for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RecallKey(u64, u64);

/// Makes keys; those of another are not the same.
#[derive(Debug, Default)]
pub(super) struct RecallKeys([RandomState; 2]);

impl RecallKeys {
    fn key(&self, topic: &[u8], unique_key: &[u8]) -> RecallKey {
        let [one, two] = &self.0;
        RecallKey(one.hash_one((topic, unique_key)), two.hash_one((topic, unique_key)))
    }

    /// Which message one with these encoded properties recalls. The key may come with the topic before it
    /// (`appendTopicForTimerDeleteKey`).
    pub(super) fn recalled(&self, encoded: &[u8]) -> Option<RecallKey> {
        let target = properties::find(encoded, TIMER_DEL_UNIQUE_KEY)?;
        let topic = properties::find(encoded, REAL_TOPIC)?;
        let with_topic = target.strip_prefix(topic).and_then(|rest| rest.strip_prefix(b"+"));
        Some(self.key(topic, with_topic.unwrap_or(target)))
    }

    /// The key of a message with these encoded properties.
    pub(super) fn own(&self, encoded: &[u8]) -> Option<RecallKey> {
        let unique_key = properties::find(encoded, UNIQUE_KEY)?;
        Some(self.key(properties::find(encoded, REAL_TOPIC)?, unique_key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recall_means_the_message_of_its_topic_by_either_form_of_the_key() {
        let keys = RecallKeys::default();
        let message = keys.own(b"UNIQ_KEY\x01K\x02REAL_TOPIC\x01T\x02").unwrap();
        let recalled = |text: &[u8]| keys.recalled(text);
        assert_eq!(recalled(b"TIMER_DEL_UNIQKEY\x01K\x02REAL_TOPIC\x01T\x02"), Some(message));
        assert_eq!(recalled(b"TIMER_DEL_UNIQKEY\x01T+K\x02REAL_TOPIC\x01T\x02"), Some(message));
        assert_ne!(recalled(b"TIMER_DEL_UNIQKEY\x01K\x02REAL_TOPIC\x01U\x02"), Some(message));
        assert_eq!(recalled(b"UNIQ_KEY\x01K\x02REAL_TOPIC\x01T\x02"), None);
    }
}
