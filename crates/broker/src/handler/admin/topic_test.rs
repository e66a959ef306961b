use eruca_message::QueueOffset;
use eruca_protocol::RequestCode;

use super::*;
use crate::handler::test_parts::{TestParts, answer};

fn admin(parts: &TestParts) -> TopicAdmin {
    TopicAdmin {
        store: Arc::clone(&parts.store),
        topics: Arc::clone(&parts.topics),
        offsets: Arc::clone(&parts.offsets),
        settings: Arc::clone(&parts.settings),
        stats: Arc::clone(&parts.stats),
        lite_queues: parts.lite_queues(),
    }
}

fn update(
    parts: &TestParts,
    change: impl FnOnce(&mut UpdateAndCreateTopicRequest),
) -> (ResponseCode, String) {
    let mut header = UpdateAndCreateTopicRequest {
        topic: "T".into(),
        default_topic: "TBW102".into(),
        read_queue_nums: 4,
        write_queue_nums: 4,
        perm: 6,
        topic_filter_type: "SINGLE_TAG".into(),
        ..Default::default()
    };
    change(&mut header);
    let request = RemotingCommand::request(&header);
    let reply = answer(&request, admin(parts).update(&request));
    (reply.response_code(), reply.remark.unwrap_or_default())
}

const OK: (ResponseCode, String) = (ResponseCode::SUCCESS, String::new());

#[test]
fn a_topic_is_made_and_changed() {
    let parts = TestParts::new();
    assert_eq!(update(&parts, |header| header.attributes = Some("+message.type=FIFO".into())), OK);
    assert_eq!(update(&parts, |header| header.write_queue_nums = 8), OK);
    let topic = parts.topics.get("T").unwrap();
    assert_eq!((topic.read_queue_nums, topic.write_queue_nums), (4, 8));
    assert_eq!(topic.attributes["message.type"], "FIFO", "other attributes stay");
    let version = parts.topics.data_version();
    assert_eq!(update(&parts, |header| header.write_queue_nums = 8), OK);
    assert_eq!(parts.topics.data_version(), version, "the same again changes nothing");
}

#[test]
fn bad_topics_are_refused_in_javas_words() {
    let parts = TestParts::new();
    let refused = |change: fn(&mut UpdateAndCreateTopicRequest)| {
        let (code, remark) = update(&parts, change);
        assert_eq!(code, ResponseCode::INVALID_PARAMETER, "{remark}");
        remark
    };
    assert_eq!(
        refused(|header| header.topic = "'bad".into()),
        "The specified topic: 'bad, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
    );
    assert_eq!(
        refused(|header| header.topic = "TBW102".into()),
        "The topic[TBW102] is conflict with system topic."
    );
    assert_eq!(refused(|header| header.topic = " ".into()), "The specified topic is blank.");
    assert!(refused(|header| header.write_queue_nums = -1).contains("writeQueueNums is -1"));
    assert!(refused(|header| header.read_queue_nums = 70_000).contains("from 0 to 65536"));
    assert!(refused(|header| header.perm = 8).contains("perm is 8"));
    assert!(refused(|header| header.topic_filter_type = "X".into()).contains("SINGLE_TAG"));
}

#[test]
fn a_list_is_taken_whole_or_not_at_all() {
    let parts = TestParts::new();
    let send = |names: &[&str]| {
        let content = CreateTopicListRequestBody {
            topic_config_list: names.iter().map(|name| TopicConfig::new(*name, 2)).collect(),
        };
        let request = RemotingCommand::request_without_header(RequestCode::UPDATE_AND_CREATE_TOPIC_LIST)
            .with_body(body::to_json(&content));
        answer(&request, admin(&parts).update_list(&request)).response_code()
    };
    assert_eq!(send(&["A", "bad name"]), ResponseCode::INVALID_PARAMETER);
    assert!(parts.topics.get("A").is_none());
    assert_eq!(send(&["A", "B"]), ResponseCode::SUCCESS);
    assert!(parts.topics.contains("A") && parts.topics.contains("B"));
}

#[test]
fn a_deleted_topic_takes_queues_and_offsets_along() {
    let parts = TestParts::new();
    update(&parts, |_| ());
    parts.store("T", 0, "x", b"");
    parts.offsets.commit("g", "T", 0, 1);
    let delete = |topic: &str| {
        let request = RemotingCommand::request(&DeleteTopicInBrokerRequest { topic: topic.into() });
        answer(&request, admin(&parts).delete(&request)).response_code()
    };
    assert_eq!(delete("T"), ResponseCode::SUCCESS);
    assert!(!parts.topics.contains("T") && parts.offsets.committed("g", "T", 0).is_none());
    assert_eq!(parts.store.queue_range("T", 0).max, QueueOffset(0));
    assert_eq!(delete("T"), ResponseCode::SUCCESS);
    assert_eq!(delete("SCHEDULE_TOPIC_XXXX"), ResponseCode::INVALID_PARAMETER);
    assert_eq!(delete(""), ResponseCode::INVALID_PARAMETER);
}

#[test]
fn queues_without_topic_are_cleaned() {
    let parts = TestParts::new();
    update(&parts, |_| ());
    for topic in ["T", "orphan", "SCHEDULE_TOPIC_XXXX", "%LMQ%light"] {
        parts.store(topic, 0, "x", b"");
    }
    let request = RemotingCommand::request_without_header(RequestCode::CLEAN_UNUSED_TOPIC);
    assert_eq!(answer(&request, admin(&parts).clean_unused(&request)).response_code(), ResponseCode::SUCCESS);
    let topics: Vec<String> = parts.store.topics_with_queues().into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(topics, ["%LMQ%light", "SCHEDULE_TOPIC_XXXX", "T"]);
}

/// As a Java 5.5.0 broker answers.
#[test]
fn a_configuration_has_javas_shape() {
    let parts = TestParts::new();
    update(&parts, |header| header.read_queue_nums = 1);
    update(&parts, |header| (header.read_queue_nums, header.write_queue_nums) = (1, 2));
    let request = RemotingCommand::request(&GetTopicConfigRequest { topic: "T".into() });
    let reply = answer(&request, admin(&parts).config(&request));
    assert_eq!(
        std::str::from_utf8(&reply.body).unwrap(),
        r#"{"attributes":{},"order":false,"perm":6,"readQueueNums":1,"topicFilterType":"SINGLE_TAG","topicName":"T","topicSysFlag":0,"writeQueueNums":2}"#
    );
}

#[test]
fn topics_are_listed_whole_or_by_page() {
    let parts = TestParts::new();
    for topic in ["A", "B", "C"] {
        parts.topic(topic, 1);
    }
    let list = |fields: &[(&str, &str)]| {
        let mut request = RemotingCommand::request_without_header(RequestCode::GET_ALL_TOPIC_CONFIG);
        request.ext_fields = fields.iter().copied().collect();
        let reply = answer(&request, admin(&parts).all(&request));
        assert_eq!(reply.ext_fields.get("totalTopicNum"), Some("3"));
        let content: TopicConfigAndMappingSerializeWrapper = body::from_json(&reply.body).unwrap();
        content.topic_config_table.into_keys().collect::<Vec<_>>().join("")
    };
    assert_eq!(list(&[]), "ABC");
    let version = String::from_utf8(body::to_json(&parts.topics.data_version())).unwrap();
    let first = [("topicSeq", "0"), ("maxTopicNum", "2"), ("dataVersion", "")];
    assert_eq!(list(&first), "AB");
    assert_eq!(list(&[("topicSeq", "2"), ("maxTopicNum", "2"), ("dataVersion", &version)]), "C");
    assert_eq!(list(&[("topicSeq", "2"), ("maxTopicNum", "2"), ("dataVersion", "{}")]), "AB", "it changed");
}

#[test]
fn the_brokers_own_topics_are_listed() {
    let parts = TestParts::new();
    for topic in ["T", "b", "DefaultCluster", "SCHEDULE_TOPIC_XXXX"] {
        parts.topic(topic, 1);
    }
    let request = RemotingCommand::request_without_header(RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER);
    let reply = answer(&request, admin(&parts).system_topics(&request));
    let list: TopicList = body::from_json(&reply.body).unwrap();
    assert_eq!(list.topic_list, ["DefaultCluster", "SCHEDULE_TOPIC_XXXX", "b"]);
}
