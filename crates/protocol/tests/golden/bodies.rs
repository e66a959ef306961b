//! Bodies of Java peers: decoded into their types, encoded, the same bytes.

use std::collections::HashSet;

use eruca_protocol::body::{self, *};

use crate::capture::{Golden, frames};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads a body and writes it, in the form that Java gives to it.
fn again<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<Vec<u8>, BodyError> {
    body::from_json::<T>(bytes).map(|body| body::to_json(&body))
}

fn again_standard<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<Vec<u8>, BodyError> {
    body::from_json::<T>(bytes).map(|body| body::to_standard_json(&body))
}

type Again = fn(&[u8]) -> Result<Vec<u8>, BodyError>;

/// Code of the request, whether the body is the answer's, and the body's type.
const BODIES: &[(i64, bool, Again)] = &[
    (21, true, again::<TopicConfigAndMappingSerializeWrapper>),
    (28, true, again::<KVTable>),
    (34, false, again::<HeartbeatData>),
    (38, true, again::<GetConsumerListByGroupResponseBody>),
    (41, false, again::<LockBatchRequestBody>),
    (41, true, again::<LockBatchResponseBody>),
    (42, false, again::<UnlockBatchRequestBody>),
    (43, true, again::<ConsumerOffsetSerializeWrapper>),
    (45, true, again::<DelayOffsetSerializeWrapper>),
    (46, false, again::<CheckClientRequestBody>),
    (103, false, again::<RegisterBrokerBody>),
    (103, true, again::<KVTable>),
    (105, true, again_standard::<TopicRouteData>),
    (106, true, again::<ClusterInfo>),
    (200, false, again::<SubscriptionGroupConfig>),
    (201, true, again::<SubscriptionGroupWrapper>),
    (202, true, again::<TopicStatsTable>),
    (203, true, again::<ConsumerConnection>),
    (204, true, again::<ProducerConnection>),
    (206, true, again::<TopicList>),
    (208, true, again::<ConsumeStats>),
    (222, true, again::<ResetOffsetBody>),
    (224, true, again::<TopicList>),
    (300, true, again::<GroupList>),
    (303, true, again::<QueryConsumeTimeSpanBody>),
    (305, true, again::<TopicList>),
    (307, true, again::<ConsumerRunningInfo>),
    (309, true, again::<ConsumeMessageDirectlyResult>),
    (315, true, again::<BrokerStatsData>),
    (317, true, again::<ConsumeStatsList>),
    (321, true, again::<QueryConsumeQueueResponseBody>),
    (322, false, again::<DataVersion>),
    (322, true, again::<DataVersion>),
    (328, true, again::<ProducerTableInfo>),
    (343, true, again::<TopicList>),
    (345, true, again::<QuerySubscriptionResponseBody>),
    (351, true, again::<TopicConfigAndQueueMapping>),
    (901, true, again::<GetBrokerMemberGroupResponseBody>),
];

/// Members that are maps. Java writes their entries in the order of a hash table, we write them sorted.
const MAPS: &[&str] = &[
    "attributes",
    "brokerAddrTable",
    "clusterAddrTable",
    "data",
    "forbiddenTable",
    "groupTopicMap",
    "offsetTable",
    "pullOffsetTable",
    "subscriptionGroupTable",
    "table",
    "topicConfigTable",
    "topicQueueMappingDetailMap",
    "topicQueueMappingInfoMap",
];

/// The text with the entries of [`MAPS`] sorted; everything else stays where it is.
fn with_sorted_maps(text: &str) -> String {
    value(text, false).0
}

/// One value at the front of `text`, and what follows it.
fn value(text: &str, is_map: bool) -> (String, &str) {
    let open = text.chars().next().expect("a value");
    if !matches!(open, '{' | '[') {
        return scalar(text);
    }
    let (mut rest, mut parts) = (&text[1..], Vec::new());
    while !rest.starts_with(['}', ']']) {
        let (key, after_key) = if open == '{' { value(rest, false) } else { (String::new(), rest) };
        let after_colon = after_key.strip_prefix(':').unwrap_or(after_key);
        let (part, after_part) = value(after_colon, MAPS.contains(&key.trim_matches('"')));
        parts.push(if open == '{' { format!("{key}:{part}") } else { part });
        rest = after_part.strip_prefix(',').unwrap_or(after_part);
    }
    if is_map {
        parts.sort();
    }
    (format!("{open}{}{}", parts.join(","), &rest[..1]), &rest[1..])
}

fn scalar(text: &str) -> (String, &str) {
    let mut len = 0;
    if text.starts_with('"') {
        len = 1;
        while text.as_bytes()[len] != b'"' {
            len += if text.as_bytes()[len] == b'\\' { 2 } else { 1 };
        }
        len += 1;
    } else {
        len += text.find([',', ':', '}', ']']).unwrap_or(text.len());
    }
    (text[..len].to_owned(), &text[len..])
}

fn check(golden: &Golden, again: Again) {
    let origin = &golden.origin;
    let ours = again(&golden.body).unwrap_or_else(|error| panic!("{origin}: {error}"));
    let ours = String::from_utf8(ours).expect("text").replace("\"topicSynFlag\":0,", "");
    let theirs = String::from_utf8(golden.body.clone()).expect("text");
    assert_eq!(with_sorted_maps(&ours), with_sorted_maps(&theirs), "{origin}");
}

#[test]
fn bodies_of_java_peers_are_read_and_written_to_the_same_bytes() {
    let mut seen = HashSet::new();
    for golden in frames() {
        let is_response = golden.is_response();
        let row = BODIES.iter().find(|row| Some(row.0) == golden.request_code && row.1 == is_response);
        let Some((code, _, again)) = row else { continue };
        if golden.body_is_whole && golden.body.starts_with(b"{") {
            check(&golden, *again);
            seen.insert((*code, is_response));
        }
    }
    println!("{} of {} kinds of bodies seen", seen.len(), BODIES.len());
    let unseen: Vec<_> =
        BODIES.iter().filter(|row| !seen.contains(&(row.0, row.1))).map(|row| (row.0, row.1)).collect();
    println!("unseen: {unseen:?}");
    assert!(seen.len() > 20);
}
