//! Messages for lite topics, on their way into the store.

use eruca_config::Properties as ConfigProperties;
use eruca_protocol::{ResponseCode, body::TopicConfig};

use super::send_message_test::{Sender, message};
use crate::{handler::test_parts::TestParts, topics::MESSAGE_TYPE};

fn over(parts: TestParts) -> Sender {
    let attributes = [(MESSAGE_TYPE.to_owned(), "LITE".to_owned())].into();
    parts.topics.put(TopicConfig { attributes, ..TopicConfig::new("P", 4) }).unwrap();
    Sender::over(parts)
}

fn sent(sender: &Sender, topic: &str, properties: &str) -> (ResponseCode, String) {
    let reply = sender.send(&message(topic, 1, properties));
    (reply.response_code(), reply.remark.unwrap_or_default())
}

#[test]
fn a_message_is_in_its_lite_topic_too() {
    let sender = over(TestParts::with_lite());
    for _ in 0..2 {
        assert_eq!(sent(&sender, "P", "__LITE_TOPIC=a WAIT=true ").0, ResponseCode::SUCCESS);
    }
    let in_lite = sender.parts.read("%LMQ%$P$a", 0);
    assert_eq!((in_lite.len(), sender.parts.read("P", 1).len()), (2, 2));
    let properties = &in_lite[1].message.properties;
    assert_eq!(properties.get("INNER_MULTI_DISPATCH"), Some("%LMQ%$P$a"));
    assert_eq!(properties.get("INNER_MULTI_QUEUE_OFFSET"), Some("1"));
    assert_eq!(in_lite[1].message.topic, "P");
    // As in Java whatever kind of topic it is.
    assert_eq!(sent(&sender, "T", "__LITE_TOPIC=a WAIT=true ").0, ResponseCode::SUCCESS);
    assert_eq!(sender.parts.read("%LMQ%$T$a", 0).len(), 1);
    assert_eq!(sent(&sender, "P", "__LITE_TOPIC= WAIT=true ").0, ResponseCode::SUCCESS, "none is named");
}

#[test]
fn what_nobody_could_consume_is_refused_by_name() {
    let sender = over(TestParts::with_lite());
    for bad in ["../a", "a$b", "a/b"] {
        let (code, remark) = sent(&sender, "P", &format!("__LITE_TOPIC={bad} "));
        assert_eq!(code, ResponseCode::INVALID_PARAMETER, "{bad}: {remark}");
        assert!(remark.contains("lite topic"), "{remark}");
    }
    let long = "x".repeat(121);
    assert_eq!(sent(&sender, "P", &format!("__LITE_TOPIC={long} ")).0, ResponseCode::INVALID_PARAMETER);
    let without = over(TestParts::new());
    let (code, remark) = sent(&without, "P", "__LITE_TOPIC=a ");
    assert!(code == ResponseCode::SYSTEM_ERROR && remark.contains("enableLmq=true"), "{remark}");
}

#[test]
fn light_message_queues_may_be_limited() {
    let sender = over(TestParts::with_lite());
    let limits = ConfigProperties::from_iter([("enableLmqQuota", "true"), ("maxLmqConsumeQueueNum", "1")]);
    sender.parts.settings.update(&limits).unwrap();
    assert_eq!(sent(&sender, "P", "__LITE_TOPIC=a ").0, ResponseCode::SUCCESS);
    let (code, remark) = sent(&sender, "P", "__LITE_TOPIC=b ");
    assert!(code == ResponseCode::LMQ_QUOTA_EXCEEDED && remark.contains("maxLmqConsumeQueueNum"), "{remark}");
    assert_eq!(sent(&sender, "P", "__LITE_TOPIC=a ").0, ResponseCode::SUCCESS, "it is there");
}
