//! Which kind of queues and messages a topic has (Java: the attributes `queue.type` and `message.type`).

use std::path::Path;

use eruca_protocol::body::{self, TopicConfig, TopicConfigSerializeWrapper};

use crate::persist::read_with_backup;

/// The attribute.
pub(crate) const QUEUE_TYPE: &str = "queue.type";
/// Its value for topics with batch queues.
pub(crate) const BATCH: &str = "BatchCQ";

/// The attribute that says which kind of messages a topic is for.
pub(crate) const MESSAGE_TYPE: &str = "message.type";
/// Its value for topics whose queues stand for priorities.
const PRIORITY: &str = "PRIORITY";
/// Its value for topics that are divided into lite topics.
const LITE: &str = "LITE";

/// The attribute that says after how many minutes without a message a lite topic is deleted; -1: never.
pub(crate) const LITE_TOPIC_EXPIRATION: &str = "lite.topic.expiration";

/// Whether the topic's queues stand for priorities.
pub(crate) fn has_priorities(topic: &TopicConfig) -> bool {
    topic.attributes.get(MESSAGE_TYPE).is_some_and(|kind| kind == PRIORITY)
}

/// Whether the topic is divided into lite topics.
pub(crate) fn is_lite_parent(topic: &TopicConfig) -> bool {
    topic.attributes.get(MESSAGE_TYPE).is_some_and(|kind| kind == LITE)
}

/// After how many minutes without a message a lite topic of this parent is deleted, where it says so.
pub(crate) fn lite_expiration_minutes(topic: &TopicConfig) -> Option<i64> {
    topic.attributes.get(LITE_TOPIC_EXPIRATION)?.parse().ok()
}

/// Whether the topic has batch queues.
pub(crate) fn has_batch_queues(topic: &TopicConfig) -> bool {
    topic.attributes.get(QUEUE_TYPE).is_some_and(|kind| kind == BATCH)
}

/// The topics with batch queues by `topics.json` in `directory`, for the store, which is opened before the tables.
///
/// A file that cannot be read says nothing here: it is refused when the table is opened.
pub(crate) fn batch_topics(directory: &Path) -> Vec<String> {
    let read = read_with_backup(&directory.join("topics.json"), |bytes| {
        body::from_json::<TopicConfigSerializeWrapper>(bytes).map_err(|error| error.to_string())
    });
    let Ok(Some((table, _))) = read else { return Vec::new() };
    let topics = table.topic_config_table.into_iter().filter(|(_, config)| has_batch_queues(config));
    topics.map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_file_says_which_topics_have_batch_queues() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(batch_topics(dir.path()), Vec::<String>::new());
        let json = r#"{"dataVersion":{"counter":1},"topicConfigTable":{
            "A":{"attributes":{"queue.type":"BatchCQ"},"topicName":"A"},
            "B":{"attributes":{"queue.type":"SimpleCQ"},"topicName":"B"},"C":{"topicName":"C"}}}"#;
        std::fs::write(dir.path().join("topics.json"), json).unwrap();
        assert_eq!(batch_topics(dir.path()), ["A"]);
        std::fs::write(dir.path().join("topics.json"), "{").unwrap();
        assert_eq!(batch_topics(dir.path()), Vec::<String>::new());
    }
}
