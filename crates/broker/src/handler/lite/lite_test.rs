//! Subscriptions to lite topics, and what is told of them, against a real store.

use std::sync::Arc;

use eruca_message::Clock;
use eruca_protocol::{
    RemotingCommand, RequestCode, RequestHeader, ResponseCode,
    body::{
        self, GetLiteClientInfoResponseBody, GetLiteGroupInfoResponseBody, GetLiteTopicInfoResponseBody,
        GetParentTopicInfoResponseBody, SubscriptionGroupConfig, TopicConfig,
    },
    request::{
        GetLiteClientInfoRequest, GetLiteGroupInfoRequest, GetLiteTopicInfoRequest,
        GetParentTopicInfoRequest, TriggerLiteDispatchRequest,
    },
};
use eruca_remoting::{Caller, Outbox};
use serde::de::DeserializeOwned;

use super::{LiteInfoHandler, LiteShard, LiteSubscriptionHandler};
use crate::{
    assignment::ClusterQueues,
    control::Control,
    handler::test_parts::{TestParts, answer},
    lite::{LiteExpiry, LiteQueues, LiteRegistry, lite_queues_of},
    long_poll::PopHold,
    topics::{LITE_TOPIC_EXPIRATION, MESSAGE_TYPE},
};

struct Lite {
    parts: TestParts,
    lite: Arc<LiteRegistry>,
    queues: LiteQueues,
    subscriptions: LiteSubscriptionHandler,
    info: LiteInfoHandler,
    caller: Caller,
}

fn lite() -> Lite {
    let parts = TestParts::with_lite();
    let attributes = [(MESSAGE_TYPE, "LITE"), (LITE_TOPIC_EXPIRATION, "30")];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    parts.topics.put(TopicConfig { attributes, ..TopicConfig::new("P", 2) }).unwrap();
    parts.topic("T", 1);
    let (hold, lite) = (Arc::new(PopHold::new()), Arc::<LiteRegistry>::default());
    let pop = parts.pop_service(&hold, &lite);
    let of_cluster =
        ClusterQueues::new(Vec::new(), parts.topics.clone(), parts.settings.clone(), parts.clock.clone());
    let shard = LiteShard {
        queues: Arc::new(of_cluster),
        settings: parts.settings.clone(),
        control: Arc::new(Control::start().unwrap()),
    };
    let subscriptions = LiteSubscriptionHandler::new(
        parts.store.clone(),
        parts.groups.clone(),
        parts.offsets.clone(),
        lite.clone(),
        hold.clone(),
        shard.clone(),
        parts.settings.clone(),
        parts.clock.clone(),
    );
    let info = LiteInfoHandler {
        store: parts.store.clone(),
        topics: parts.topics.clone(),
        groups: parts.groups.clone(),
        offsets: parts.offsets.clone(),
        lite: lite.clone(),
        pop,
        hold,
        shard,
        settings: parts.settings.clone(),
    };
    let queues = LiteQueues { lite: lite.clone(), ..parts.lite_queues() };
    let (caller, _) = parts.connect();
    let lite = Lite { parts, lite, queues, subscriptions, info, caller };
    lite.group("g", &[("lite.bind.topic", "P")]);
    lite
}

impl Lite {
    fn group(&self, group: &str, attributes: &[(&str, &str)]) {
        let attributes = attributes.iter().map(|(name, value)| (String::from(*name), String::from(*value)));
        let config = SubscriptionGroupConfig {
            group_name: group.into(),
            attributes: attributes.collect(),
            ..Default::default()
        };
        self.parts.groups.put(config).unwrap();
    }

    fn send(&self, lite: &str) {
        let properties = format!("__LITE_TOPIC\u{1}{lite}\u{2}INNER_MULTI_DISPATCH\u{1}%LMQ%$P${lite}\u{2}");
        self.parts.store("P", 0, "x", properties.as_bytes());
    }

    /// One change of the client `client_id`, as JSON members.
    fn control_as(
        &self,
        caller: &Caller,
        group: &str,
        client_id: &str,
        members: &str,
    ) -> (ResponseCode, String) {
        let json = format!(
            r#"{{"subscriptionSet":[{{"clientId":"{client_id}","group":"{group}","topic":"P",{members}}}]}}"#
        );
        let request = RemotingCommand::request_without_header(RequestCode::LITE_SUBSCRIPTION_CTL)
            .with_body(json.into_bytes());
        let reply = answer(&request, self.subscriptions.control(caller, &request));
        (reply.response_code(), reply.remark.unwrap_or_default())
    }

    fn control(&self, client_id: &str, members: &str) -> (ResponseCode, String) {
        self.control_as(&self.caller, "g", client_id, members)
    }

    fn ask<T: DeserializeOwned>(
        &self,
        header: &impl RequestHeader,
        handle: impl FnOnce(
            &LiteInfoHandler,
            &RemotingCommand,
        ) -> Result<eruca_remoting::Reply, crate::HandlerError>,
    ) -> Result<T, (ResponseCode, String)> {
        let request = RemotingCommand::request(header);
        let reply = answer(&request, handle(&self.info, &request));
        match reply.response_code() {
            ResponseCode::SUCCESS => Ok(body::from_json(&reply.body).unwrap()),
            code => Err((code, reply.remark.unwrap_or_default())),
        }
    }
}

const ADD_AB: &str = r#""action":"PARTIAL_ADD","liteTopicSet":["a","b"]"#;

#[test]
fn a_client_says_to_what_it_subscribes() {
    let lite = lite();
    assert_eq!(lite.control("one", ADD_AB).0, ResponseCode::SUCCESS);
    assert_eq!(lite.lite.subscriptions(), 2);
    assert_eq!(
        lite.control("one", r#""action":"COMPLETE_ADD","liteTopicSet":["b","c"],"version":3"#).0,
        ResponseCode::SUCCESS
    );
    let known = lite.lite.client("one").unwrap();
    let names: Vec<&str> = known.queues.iter().map(|queue| &**queue).collect();
    assert_eq!(names, ["%LMQ%$P$b", "%LMQ%$P$c"]);
    assert_eq!(
        lite.control("one", r#""action":"PARTIAL_REMOVE","liteTopicSet":["b"]"#).0,
        ResponseCode::SUCCESS
    );
    assert_eq!(lite.lite.subscriptions(), 1);
    assert_eq!(lite.control("one", r#""action":"COMPLETE_REMOVE""#).0, ResponseCode::SUCCESS);
    assert_eq!((lite.lite.subscriptions(), lite.lite.len()), (0, 0));
}

#[test]
fn where_a_group_goes_on_can_be_said() {
    let lite = lite();
    (0..5).for_each(|_| lite.send("a"));
    let at = |option: &str| {
        let members = format!(r#""action":"PARTIAL_ADD","liteTopicSet":["a"],"offsetOption":{option}"#);
        assert_eq!(lite.control("one", &members).0, ResponseCode::SUCCESS);
        lite.parts.offsets.take_reset("g", "%LMQ%$P$a", 0)
    };
    assert_eq!(at(r#"{"type":"TAIL_N","value":2}"#), None, "the group has no offset yet");
    assert_eq!(at(r#"{"type":"POLICY","value":1}"#), Some(0));
    assert_eq!(at(r#"{"type":"POLICY","value":2}"#), Some(5));
    assert_eq!(at(r#"{"type":"POLICY","value":0}"#), None);
    assert_eq!(at(r#"{"type":"OFFSET","value":3}"#), Some(3));
    assert_eq!(at(r#"{"type":"OFFSET","value":99}"#), Some(5));
    lite.parts.offsets.commit("g", "%LMQ%$P$a", 0, 4);
    assert_eq!(at(r#"{"type":"TAIL_N","value":3}"#), Some(1));
    assert_eq!(at(r#"{"type":"TAIL_N","value":9}"#), Some(0));
    assert_eq!(at(r#"{"type":"OFFSET","value":0}"#), None, "it is there");
    assert_eq!(at(r#"{"type":"TIMESTAMP","value":1}"#), None);
}

#[test]
fn an_exclusive_lite_topic_goes_to_the_last_who_wants_it() {
    let lite = lite();
    let exclusive = [
        ("lite.bind.topic", "P"),
        ("lite.sub.model", "Exclusive"),
        ("lite.sub.reset.offset.exclusive", "true"),
    ];
    lite.group("e", &exclusive);
    let (first, outbox): (Caller, Outbox) = lite.parts.connect();
    assert_eq!(lite.control_as(&first, "e", "one", ADD_AB).0, ResponseCode::SUCCESS);
    let members = r#""action":"PARTIAL_ADD","liteTopicSet":["a"]"#;
    assert_eq!(lite.control_as(&lite.caller, "e", "two", members).0, ResponseCode::SUCCESS);
    let told = outbox.take();
    let field = |name| told[0].ext_fields.get(name);
    assert_eq!((told.len(), told[0].request_code()), (1, RequestCode::NOTIFY_UNSUBSCRIBE_LITE));
    assert_eq!(
        (field("liteTopic"), field("clientId"), field("consumerGroup")),
        (Some("a"), Some("one"), Some("e"))
    );
    assert_eq!(lite.lite.client("one").unwrap().queues.len(), 1);
    assert_eq!(lite.parts.offsets.take_reset("e", "%LMQ%$P$a", 0), Some(0));
    // Once more by the same client: nobody has to leave.
    assert_eq!(lite.control_as(&lite.caller, "e", "two", members).0, ResponseCode::SUCCESS);
    assert!(outbox.take().is_empty() && lite.lite.client("two").unwrap().queues.len() == 1);
}

#[test]
fn what_cannot_be_subscribed_is_refused_by_name() {
    let lite = lite();
    lite.group("unbound", &[]);
    lite.group("w", &[("lite.bind.topic", "P"), ("lite.sub.wildcard", "true")]);
    let as_group = |group: &str, members: &str| lite.control_as(&lite.caller, group, "one", members);
    let (code, remark) = as_group("unbound", ADD_AB);
    assert!(code == ResponseCode::ILLEGAL_OPERATION && remark.contains("lite.bind.topic"), "{remark}");
    assert_eq!(as_group("w", ADD_AB).0, ResponseCode::ILLEGAL_OPERATION);
    assert_eq!(as_group("w", r#""action":"COMPLETE_ADD""#).0, ResponseCode::SUCCESS);
    let (code, remark) = as_group("g", ADD_AB);
    assert!(code == ResponseCode::ILLEGAL_OPERATION && remark.contains("subscribes in group w"), "{remark}");
    for bad in [r#""a/b""#, r#""a$b""#, r#""..""#, r#""""#] {
        let members = format!(r#""action":"PARTIAL_ADD","liteTopicSet":[{bad}]"#);
        assert_eq!(lite.control("two", &members).0, ResponseCode::INVALID_PARAMETER, "{bad}");
    }
    let limit = eruca_config::Properties::from_iter([("maxLiteSubscriptionCount", "1")]);
    lite.parts.settings.update(&limit).unwrap();
    let (code, remark) = lite.control("two", ADD_AB);
    assert!(
        code == ResponseCode::LITE_SUBSCRIPTION_QUOTA_EXCEEDED && remark.contains("maxLiteSubscriptionCount")
    );
    for body in ["", "{}", r#"{"subscriptionSet":[]}"#] {
        let request = RemotingCommand::request_without_header(RequestCode::LITE_SUBSCRIPTION_CTL)
            .with_body(body.as_bytes().to_vec());
        let reply = answer(&request, lite.subscriptions.control(&lite.caller, &request));
        assert_eq!(reply.response_code(), ResponseCode::ILLEGAL_OPERATION, "{body}");
    }
    // As in Java a change that names nobody is passed over.
    assert_eq!(lite.control(" ", ADD_AB).0, ResponseCode::SUCCESS);
}

#[test]
fn administrators_are_told() {
    let lite = lite();
    lite.control("one", ADD_AB);
    (0..3).for_each(|_| lite.send("a"));
    lite.send("z");
    lite.parts.offsets.commit("g", "%LMQ%$P$a", 0, 1);
    let parent: GetParentTopicInfoResponseBody =
        lite.ask(&GetParentTopicInfoRequest { topic: "P".into() }, LiteInfoHandler::parent).unwrap();
    assert_eq!((parent.ttl, parent.lite_topic_count, parent.lmq_num), (30, 2, 2));
    assert_eq!(parent.groups, Some(["g".to_owned()].into()));
    let topic = |lite_topic: &str| GetLiteTopicInfoRequest {
        parent_topic: "P".into(),
        lite_topic: lite_topic.into(),
    };
    let a: GetLiteTopicInfoResponseBody = lite.ask(&topic("a"), LiteInfoHandler::topic).unwrap();
    assert_eq!((a.topic_offset.max_offset, a.sharding_to_broker), (3, true));
    assert_eq!(a.topic_offset.last_update_timestamp, 1_000_000);
    assert_eq!(a.subscriber.unwrap().first().unwrap().client_id, "one");
    let client = |client_id: &str| GetLiteClientInfoRequest {
        parent_topic: "P".into(),
        group: "g".into(),
        client_id: client_id.into(),
        max_count: 1,
    };
    let one: GetLiteClientInfoResponseBody = lite.ask(&client("one"), LiteInfoHandler::client).unwrap();
    assert_eq!((one.lite_topic_count, one.lite_topic_set.unwrap().len(), one.last_access_time), (2, 1, -1));
    let nobody: GetLiteClientInfoResponseBody = lite.ask(&client("nobody"), LiteInfoHandler::client).unwrap();
    assert_eq!(nobody.lite_topic_count, -1);
    let of_group = |lite_topic: Option<&str>| GetLiteGroupInfoRequest {
        group: "g".into(),
        lite_topic: lite_topic.map(str::to_owned),
        top_k: 5,
    };
    let all: GetLiteGroupInfoResponseBody = lite.ask(&of_group(None), LiteInfoHandler::group).unwrap();
    assert_eq!((all.total_lag_count, all.earliest_unconsumed_timestamp), (2, 1_000_000));
    assert_eq!(all.lag_count_top_k.unwrap()[0].lite_topic, "a");
    let in_a: GetLiteGroupInfoResponseBody = lite.ask(&of_group(Some("a")), LiteInfoHandler::group).unwrap();
    assert_eq!(in_a.lite_topic_offset_wrapper.unwrap().broker_offset, 3);
    let in_q: GetLiteGroupInfoResponseBody = lite.ask(&of_group(Some("q")), LiteInfoHandler::group).unwrap();
    assert_eq!(in_q.total_lag_count, -1);

    let code = |refused: Result<GetLiteGroupInfoResponseBody, _>| {
        refused.map_err(|(code, _): (ResponseCode, String)| code)
    };
    let of = |group: &str| GetLiteGroupInfoRequest { group: group.into(), ..Default::default() };
    lite.group("plain", &[]);
    assert_eq!(
        code(lite.ask(&of("nobody%"), LiteInfoHandler::group)),
        Err(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST)
    );
    assert_eq!(code(lite.ask(&of("plain"), LiteInfoHandler::group)), Err(ResponseCode::INVALID_PARAMETER));
    let trigger = TriggerLiteDispatchRequest { group: "plain".into(), client_id: None };
    assert_eq!(code(lite.ask(&trigger, LiteInfoHandler::dispatch)), Err(ResponseCode::INVALID_PARAMETER));
    let no_parent = GetParentTopicInfoRequest { topic: "T".into() };
    assert_eq!(code(lite.ask(&no_parent, LiteInfoHandler::parent)), Err(ResponseCode::INVALID_PARAMETER));
}

#[test]
fn lite_topics_that_nobody_sends_to_are_deleted_and_silent_clients_too() {
    let lite = lite();
    let attributes = [(MESSAGE_TYPE.to_owned(), "LITE".to_owned())].into();
    lite.parts.topics.put(TopicConfig { attributes, ..TopicConfig::new("Kept", 1) }).unwrap();
    let expiry = LiteExpiry::new(
        lite.queues.clone(),
        lite.parts.topics.clone(),
        lite.info.pop.clone(),
        lite.parts.settings.clone(),
        lite.parts.clock.now(),
    );
    let later = |minutes: i64| {
        lite.parts.clock.advance_ms(minutes * 60_000);
        expiry.step(lite.parts.clock.now());
    };
    let queues_of = |parent: &str| lite_queues_of(&lite.parts.store, parent).collect::<Vec<_>>();
    let queues = || queues_of("P");
    lite.control("one", ADD_AB);
    lite.send("a");
    lite.parts.store("Kept", 0, "x", b"__LITE_TOPIC\x01a\x02INNER_MULTI_DISPATCH\x01%LMQ%$Kept$a\x02");
    lite.parts.offsets.commit("g", "%LMQ%$P$a", 0, 1);
    later(4);
    assert_eq!(lite.lite.len(), 0, "it did not renew its subscriptions within 180 s");
    later(16);
    lite.send("b");
    later(11);
    assert_eq!(queues(), ["%LMQ%$P$b"], "30 minutes are over for one of them");
    assert_eq!(lite.parts.offsets.committed("g", "%LMQ%$P$a", 0), None);
    later(60);
    assert!(queues().is_empty());
    assert_eq!(queues_of("Kept").len(), 1, "it does not say when");
    // A lite topic that was deleted begins anew.
    lite.send("a");
    assert_eq!(lite.parts.read("%LMQ%$P$a", 0).len(), 1);
    lite.queues.delete_all_of("P").unwrap();
    assert!(queues().is_empty());
}
