//! Typed headers: every field that Java peers send is read, and written with the same value.

use std::collections::HashSet;

use eruca_protocol::request::*;
use eruca_protocol::{ExtFields, HeaderError, HeaderFields, RequestCode, RequestHeader};

use crate::capture::{Golden, frames};

type Again = fn(&ExtFields) -> Result<ExtFields, HeaderError>;

fn again<H: HeaderFields>(ext: &ExtFields) -> Result<ExtFields, HeaderError> {
    let mut out = ExtFields::new();
    H::decode_from(ext)?.encode_to(&mut out);
    Ok(out)
}

/// A request's code and header.
fn request<H: RequestHeader>() -> (RequestCode, Again) {
    (H::CODE, again::<H>)
}

fn requests() -> Vec<(RequestCode, Again)> {
    vec![
        request::<AddWritePermOfBrokerRequest>(),
        request::<CheckTransactionStateRequest>(),
        request::<CloneGroupOffsetRequest>(),
        request::<ConsumerSendMsgBackRequest>(),
        request::<DeleteKvConfigRequest>(),
        request::<DeleteSubscriptiongroupRequest>(),
        request::<DeleteTopicInBrokerRequest>(),
        request::<DeleteTopicInNamesrvRequest>(),
        request::<EndTransactionRequest>(),
        request::<GetAllProducerInfoRequest>(),
        request::<GetAllSubscriptiongroupConfigRequest>(),
        request::<GetAllTopicConfigRequest>(),
        request::<GetBrokerConsumeStatsRequest>(),
        request::<GetConsumeStatsRequest>(),
        request::<GetConsumerListByGroupRequest>(),
        request::<GetEarliestMsgStoretimeRequest>(),
        request::<GetKvConfigRequest>(),
        request::<GetKvlistByNamespaceRequest>(),
        request::<GetMaxOffsetRequest>(),
        request::<GetMinOffsetRequest>(),
        request::<GetRouteinfoByTopicRequest>(),
        request::<GetTopicConfigRequest>(),
        request::<GetTopicStatsInfoRequest>(),
        request::<HeartBeatRequest>(),
        request::<InvokeBrokerToResetOffsetRequest>(),
        request::<NotifyConsumerIdsChangedRequest>(),
        request::<PullMessageRequest>(),
        request::<PushReplyMessageRequest>(),
        request::<PutKvConfigRequest>(),
        request::<QueryConsumeQueueRequest>(),
        request::<QueryConsumerOffsetRequest>(),
        request::<QueryMessageRequest>(),
        request::<QueryTopicConsumeByWhoRequest>(),
        request::<QueryTopicsByConsumerRequest>(),
        request::<RecallMessageRequest>(),
        request::<RegisterBrokerRequest>(),
        request::<SearchOffsetByTimestampRequest>(),
        request::<SendMessageRequestV2>(),
        (RequestCode::SEND_BATCH_MESSAGE, again::<SendMessageRequestV2>),
        (RequestCode::LITE_PULL_MESSAGE, again::<PullMessageRequest>),
        request::<UnregisterBrokerRequest>(),
        request::<UnregisterClientRequest>(),
        request::<UpdateAndCreateTopicRequest>(),
        request::<UpdateConsumerOffsetRequest>(),
        request::<ViewBrokerStatsDataRequest>(),
        request::<WipeWritePermOfBrokerRequest>(),
    ]
}

/// A request's code and the header of its successful answer.
const ANSWERS: &[(RequestCode, Again)] = &[
    (RequestCode::ADD_WRITE_PERM_OF_BROKER, again::<AddWritePermOfBrokerResponse>),
    (RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, again::<GetAllSubscriptiongroupConfigResponse>),
    (RequestCode::GET_ALL_TOPIC_CONFIG, again::<GetAllTopicConfigResponse>),
    (RequestCode::GET_EARLIEST_MSG_STORETIME, again::<GetEarliestMsgStoretimeResponse>),
    (RequestCode::GET_MAX_OFFSET, again::<GetMaxOffsetResponse>),
    (RequestCode::GET_MIN_OFFSET, again::<GetMinOffsetResponse>),
    (RequestCode::LITE_PULL_MESSAGE, again::<PullMessageResponse>),
    (RequestCode::PULL_MESSAGE, again::<PullMessageResponse>),
    (RequestCode::QUERY_CONSUMER_OFFSET, again::<QueryConsumerOffsetResponse>),
    (RequestCode::QUERY_MESSAGE, again::<QueryMessageResponse>),
    (RequestCode::RECALL_MESSAGE, again::<RecallMessageResponse>),
    (RequestCode::REGISTER_BROKER, again::<RegisterBrokerResponse>),
    (RequestCode::SEARCH_OFFSET_BY_TIMESTAMP, again::<SearchOffsetByTimestampResponse>),
    (RequestCode::SEND_BATCH_MESSAGE, again::<SendMessageResponse>),
    (RequestCode::SEND_MESSAGE_V2, again::<SendMessageResponse>),
    (RequestCode::WIPE_WRITE_PERM_OF_BROKER, again::<WipeWritePermOfBrokerResponse>),
];

/// Fields that any request or answer may have beside its own.
const COMMON: &[&str] = &["lo", "ns", "nsd", "bname", "oway", "ReqT", "TRACE_ON", "MSG_REGION"];
/// Fields of one request that no typed header has: they are asked for by name.
const BY_NAME: &[&str] = &["_UNIQUE_KEY_QUERY", "IS_SUPPORT_HEART_BEAT_V2", "IS_SUB_CHANGE"];

fn check(golden: &Golden, again: Again) {
    let fields = golden.header["extFields"].as_object().cloned().unwrap_or_default();
    let sent: ExtFields =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str().expect("a text"))).collect();
    let ours = again(&sent).unwrap_or_else(|error| panic!("{}: {error}", golden.origin));
    for (name, value) in sent.iter() {
        if !COMMON.contains(&name) && !BY_NAME.contains(&name) {
            assert_eq!(ours.get(name), Some(value), "{}: {name}", golden.origin);
        }
    }
}

#[test]
fn fields_of_java_peers_are_read_and_written_with_the_same_values() {
    let requests = requests();
    let mut seen = HashSet::new();
    for golden in frames() {
        let is_response = golden.is_response();
        let table = if is_response { ANSWERS } else { &requests[..] };
        let Some(row) = table.iter().find(|row| Some(i64::from(row.0.0)) == golden.request_code) else {
            continue;
        };
        // An answer that is an error has no header of its own.
        let success = golden.header["code"].as_i64() == Some(0);
        if !is_response || success {
            check(&golden, row.1);
            seen.insert((row.0, is_response));
        }
    }
    assert_eq!(seen.len(), requests.len() + ANSWERS.len(), "{seen:?}");
}
