use std::time::Duration;

use eruca_protocol::body::{ConsumerData, SubscriptionData, SubscriptionGroupConfig};

use super::*;
use crate::handler::test_parts::{BROKER, TestParts, answer};

/// For replies that come from another thread; they take well below a millisecond.
const PATIENCE: Duration = Duration::from_secs(20);

fn handler(parts: &TestParts) -> ConsumeStatsHandler {
    let progress = Progress {
        store: parts.store.clone(),
        topics: parts.topics.clone(),
        offsets: parts.offsets.clone(),
        consumers: parts.consumers.clone(),
        stats: Arc::new(BrokerStats::new(parts.clock.clone())),
        settings: parts.settings.clone(),
    };
    let control = Arc::new(Control::start().unwrap());
    ConsumeStatsHandler::new(progress, parts.groups.clone(), BROKER.into(), control, parts.clock.clone())
}

/// Group `g` has consumed one of two messages of `T`, pulled both, and none of the one in its retry topic.
fn parts() -> TestParts {
    let parts = TestParts::new();
    parts.topic("T", 1);
    parts.topic("%RETRY%g", 1);
    parts.groups.put(SubscriptionGroupConfig::new("g")).unwrap();
    for topic in ["T", "T", "%RETRY%g"] {
        parts.store(topic, 0, "x", b"");
    }
    parts.offsets.commit("g", "T", 0, 1);
    parts.offsets.note_pulled("g", "T", 0, 2, ([10, 0, 0, 1], 4000).into(), Timestamp(1));
    parts.offsets.commit("g", "%RETRY%g", 0, 0);
    parts
}

fn subscribe(parts: &TestParts, topics: &[&str]) -> eruca_remoting::Outbox {
    let subscription =
        |topic: &&str| SubscriptionData { topic: (*topic).into(), sub_version: 1, ..Default::default() };
    let consumer = ConsumerData {
        group_name: "g".into(),
        subscription_data_set: topics.iter().map(subscription).collect(),
        ..ConsumerData::default()
    };
    let (caller, outbox) = parts.connect();
    parts.consume(&caller, "a", &consumer);
    outbox
}

fn ask(handler: &ConsumeStatsHandler, topic: Option<&str>, list: Option<&str>) -> String {
    let header = GetConsumeStatsRequest { consumer_group: "g".into(), topic: topic.map(str::to_owned) };
    let mut request = RemotingCommand::request(&header);
    if let Some(list) = list {
        request.ext_fields.push("topicList", list);
    }
    let reply = answer(&request, handler.of_group(&request));
    String::from_utf8(reply.body.to_vec()).unwrap()
}

const OF_T: &str = r#"{"brokerName":"b","queueId":0,"topic":"T"}:{"brokerOffset":2,"consumerOffset":1,"lastTimestamp":1000000,"pullOffset":2}"#;
const OF_RETRY: &str = r#"{"brokerName":"b","queueId":0,"topic":"%RETRY%g"}:{"brokerOffset":1,"consumerOffset":0,"lastTimestamp":0,"pullOffset":0}"#;

/// The bodies have the keys of a Java 5.5.0 broker's, in its order.
#[test]
fn a_group_is_asked_for_all_its_topics_or_for_some() {
    let parts = parts();
    let handler = handler(&parts);
    let body = |entries: &str| format!(r#"{{"consumeTps":0.0,"offsetTable":{{{entries}}}}}"#);
    assert_eq!(ask(&handler, None, None), body(&format!("{OF_RETRY},{OF_T}")));
    assert_eq!(ask(&handler, Some(" "), None), body(&format!("{OF_RETRY},{OF_T}")));
    assert_eq!(ask(&handler, Some("T"), None), body(OF_T));
    assert_eq!(ask(&handler, Some("gone"), None), body(""));
    let _online = subscribe(&parts, &["%RETRY%g", "other"]);
    assert_eq!(ask(&handler, None, None), body(OF_RETRY), "it has left T");
    assert_eq!(ask(&handler, Some("T"), None), body(""));
    assert_eq!(ask(&handler, None, Some("T;")), body(OF_T), "a list is taken as it is");
}

#[test]
fn all_groups_are_listed_with_what_they_lag_behind() {
    let parts = parts();
    let handler = handler(&parts);
    let ask = |is_order: bool| {
        let (caller, outbox) = parts.connect();
        let request = RemotingCommand::request(&GetBrokerConsumeStatsRequest { is_order });
        assert!(matches!(handler.of_broker(&caller, &request), Ok(Reply::Later)));
        let reply = outbox.take_within(1, PATIENCE).remove(0);
        assert_eq!(reply.response_code(), ResponseCode::SUCCESS);
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        (body::from_json::<ConsumeStatsList>(&reply.body).unwrap(), text)
    };
    let (all, text) = ask(false);
    assert!(text.starts_with(r#"{"brokerAddr":"127.0.0.1:10911","consumeStatsList":[{"CID_"#), "{text}");
    let of_g = format!(
        r#"{{"g":[{{"consumeTps":0.0,"offsetTable":{{{OF_RETRY}}}}},{{"consumeTps":0.0,"offsetTable":{{{OF_T}}}}}]}}"#
    );
    assert!(text.contains(&of_g), "{text}");
    assert!(text.ends_with(r#"],"totalDiff":2,"totalInflightDiff":1}"#), "{text}");
    assert_eq!(all.consume_stats_list.len(), parts.groups.all().len());
    assert_eq!(ask(true).0.total_diff, 0, "no topic is an ordered one");
}

#[test]
fn a_time_span_says_since_when_the_group_waits() {
    let parts = TestParts::new();
    parts.topic("T", 2);
    for time in [1_000, 2_000, 3_000] {
        parts.clock.set(Timestamp(1_000_000 + time));
        parts.store("T", 0, "x", b"");
    }
    parts.offsets.commit("g", "T", 0, 1);
    parts.clock.set(Timestamp(1_005_000));
    let handler = handler(&parts);
    let ask = |topic: &str, group: &str| {
        let header = QueryConsumeTimeSpanRequest { topic: topic.into(), group: group.into() };
        let request = RemotingCommand::request(&header);
        answer(&request, handler.time_span(&request))
    };
    let reply = ask("T", "g");
    assert_eq!(
        str::from_utf8(&reply.body).unwrap(),
        concat!(
            r#"{"consumeTimeSpanSet":[{"consumeTimeStamp":1001000,"delayTime":3000,"maxTimeStamp":1003000,"#,
            r#""messageQueue":{"brokerName":"b","queueId":0,"topic":"T"},"minTimeStamp":1001000},"#,
            r#"{"consumeTimeStamp":-1,"delayTime":0,"maxTimeStamp":-1,"#,
            r#""messageQueue":{"brokerName":"b","queueId":1,"topic":"T"},"minTimeStamp":-1}]}"#
        )
    );
    let never: QueryConsumeTimeSpanBody = body::from_json(&ask("T", "new").body).unwrap();
    assert_eq!(never.consume_time_span_set[0].delay_time, 4_000);
    parts.offsets.commit("g", "T", 0, 3);
    let done: QueryConsumeTimeSpanBody = body::from_json(&ask("T", "g").body).unwrap();
    assert_eq!(done.consume_time_span_set[0].delay_time, 0);
    assert_eq!(ask("gone", "g").response_code(), ResponseCode::TOPIC_NOT_EXIST);
}
