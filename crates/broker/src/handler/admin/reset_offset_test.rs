use eruca_config::Properties;
use eruca_protocol::{
    RequestCode,
    body::{ConsumerData, SubscriptionData, SubscriptionGroupConfig},
};

use super::*;
use crate::{
    clients::{ClientInfo, Heartbeat},
    handler::test_parts::{TestParts, answer},
};

/// Group `g` has consumed two of the three messages of queue 0 of `T`, stored a second apart, and none of queue 1.
fn parts() -> TestParts {
    let parts = TestParts::new();
    parts.topic("T", 2);
    parts.groups.put(SubscriptionGroupConfig::new("g")).unwrap();
    for time in [1_001_000, 1_002_000, 1_003_000] {
        parts.clock.set(Timestamp(time));
        parts.store("T", 0, "x", b"");
    }
    parts.offsets.commit("g", "T", 0, 2);
    parts.offsets.commit("g", "T", 1, 0);
    parts
}

fn handler(parts: &TestParts) -> ResetOffsetHandler {
    ResetOffsetHandler::new(
        parts.store.clone(),
        parts.topics.clone(),
        parts.groups.clone(),
        parts.offsets.clone(),
        parts.consumers.clone(),
        parts.settings.clone(),
    )
}

fn header(timestamp: i64) -> ResetRequest {
    let (group, topic) = ("g".into(), "T".into());
    ResetRequest { group, topic, queue_id: -1, offset: Some(-1), timestamp, is_force: true }
}

fn reset(parts: &TestParts, header: &ResetRequest) -> RemotingCommand {
    let (caller, _outbox) = parts.connect();
    let request = RemotingCommand::request(header);
    answer(&request, handler(parts).reset(&caller, &request))
}

fn text(reply: &RemotingCommand) -> &str {
    str::from_utf8(&reply.body).unwrap()
}

fn committed(parts: &TestParts) -> [Option<i64>; 2] {
    [0, 1].map(|queue_id| parts.offsets.committed("g", "T", queue_id))
}

/// The body is as a Java 5.5.0 broker's.
#[test]
fn a_reset_to_a_time_is_committed_and_told_to_the_next_pull() {
    let parts = parts();
    let reply = reset(&parts, &header(1_001_500));
    assert_eq!(
        text(&reply),
        r#"{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:1,{"brokerName":"b","queueId":1,"topic":"T"}:0}}"#
    );
    assert_eq!(committed(&parts), [Some(1), Some(0)]);
    assert_eq!(parts.offsets.take_reset("g", "T", 0), Some(1));
    reset(&parts, &header(-1));
    assert_eq!(committed(&parts), [Some(3), Some(0)]);
    reset(&parts, &header(0));
    assert_eq!(committed(&parts), [Some(0), Some(0)]);
}

#[test]
fn one_queue_is_reset_to_an_offset_that_it_has() {
    let parts = parts();
    let at = |queue_id, offset| {
        let header = ResetRequest { queue_id, offset: Some(offset), ..header(0) };
        reset(&parts, &header).response_code()
    };
    assert_eq!(at(0, 3), ResponseCode::SUCCESS);
    assert_eq!(committed(&parts), [Some(3), Some(0)]);
    for (queue_id, offset) in [(0, 4), (0, -2), (1, 1)] {
        assert_eq!(at(queue_id, offset), ResponseCode::SYSTEM_ERROR, "{queue_id} {offset}");
    }
    assert_eq!(at(2, 0), ResponseCode::INVALID_PARAMETER);
    assert_eq!(at(0, -1), ResponseCode::SUCCESS);
    assert_eq!(committed(&parts), [Some(0), Some(0)], "-1 means: by time");
}

#[test]
fn topic_and_group_must_be_there() {
    let parts = parts();
    let no_topic = reset(&parts, &ResetRequest { topic: "gone".into(), ..header(0) });
    assert_eq!(no_topic.response_code(), ResponseCode::TOPIC_NOT_EXIST);
    let no_group = reset(&parts, &ResetRequest { group: "gone".into(), ..header(0) });
    assert_eq!(no_group.response_code(), ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST);
}

#[test]
fn with_the_broker_not_doing_it_the_members_are_told() {
    let parts = parts();
    let properties = Properties::parse("useServerSideResetOffset=false").unwrap();
    parts.settings.update(&properties).unwrap();
    assert_eq!(reset(&parts, &header(0)).response_code(), ResponseCode::CONSUMER_NOT_ONLINE);

    let consumer = ConsumerData { group_name: "g".into(), ..ConsumerData::default() };
    let ((java, to_java), (cpp, to_cpp)) = (parts.connect(), parts.connect());
    parts.consume(&java, "a", &consumer);
    let client = ClientInfo { client_id: "c".into(), language: Language::Cpp, version: 317 };
    let heartbeat = Heartbeat { consumer: &consumer, fingerprint: 0, is_without_sub: false };
    parts.consumers.heartbeat(&cpp, &client, &heartbeat, Timestamp(0)).unwrap();

    let reply = reset(&parts, &header(1_001_500));
    assert_eq!(committed(&parts), [Some(2), Some(0)], "the members commit it");
    let [notice] = &to_java.take()[..] else { panic!("one notice") };
    assert_eq!(notice.request_code(), RequestCode::RESET_CONSUMER_CLIENT_OFFSET);
    assert!(notice.is_oneway());
    let told: ResetConsumerClientOffsetRequest = notice.header().unwrap();
    assert_eq!((told.group.as_str(), told.topic.as_str(), told.timestamp), ("g", "T", 1_001_500));
    assert_eq!(notice.body, reply.body);
    let [notice] = &to_cpp.take()[..] else { panic!("one notice") };
    assert_eq!(
        text(notice),
        r#"{"offsetTable":[{"brokerName":"b","offset":1,"queueId":0,"topic":"T"},{"brokerName":"b","offset":0,"queueId":1,"topic":"T"}]}"#
    );

    reset(&parts, &ResetRequest { is_force: false, ..header(-1) });
    let kept: ResetOffsetBody = body::from_json(&to_java.take()[0].body).unwrap();
    assert_eq!(kept.offset_table[&MessageQueue::new("T", "b", 0)], 2, "not forward without force");
}

#[test]
fn cloned_offsets_are_those_of_topics_that_the_group_still_consumes() {
    let parts = parts();
    parts.topic("U", 1);
    parts.offsets.commit("g", "U", 0, 9);
    parts.offsets.commit("g", "gone", 0, 9);
    let clone = |dest: &str, topic: Option<&str>, offline: bool| {
        let (caller, _outbox) = parts.connect();
        let header = CloneGroupOffsetRequest {
            src_group: "g".into(),
            dest_group: dest.into(),
            topic: topic.map(str::to_owned),
            offline,
        };
        let request = RemotingCommand::request(&header);
        let reply = answer(&request, handler(&parts).clone_offsets(&caller, &request));
        assert_eq!((reply.response_code(), reply.body.len()), (ResponseCode::SUCCESS, 0));
        let mut topics = parts.offsets.topics_of(dest);
        topics.sort_unstable();
        topics
    };
    parts.offsets.commit("one", "T", 7, 7);
    parts.offsets.commit("one", "U", 7, 7);
    assert_eq!(clone("one", Some("T"), false), ["T", "U"]);
    assert_eq!(parts.offsets.of("one", "U"), [(7, 7)].into(), "that topic was not cloned");
    assert_eq!(parts.offsets.of("one", "T"), [(0, 2), (1, 0)].into());
    assert_eq!(clone("all", None, false), ["T", "U"]);
    let subscription = SubscriptionData { topic: "U".into(), sub_version: 1, ..Default::default() };
    let consumer = ConsumerData {
        group_name: "g".into(),
        subscription_data_set: vec![subscription],
        ..ConsumerData::default()
    };
    let (caller, _outbox) = parts.connect();
    parts.consume(&caller, "a", &consumer);
    assert_eq!(clone("subscribed", None, false), ["U"]);
    assert_eq!(clone("offline", None, true), ["T", "U"]);
}
