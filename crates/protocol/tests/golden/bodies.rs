//! Bodies of Java peers: decoded into their types, encoded, the same bytes.

use std::collections::HashSet;

use eruca_protocol::body::{self, *};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::capture::{Golden, committed_bodies, frames, unhex};

/// Reads a body and writes it in all forms.
struct Forms {
    wire: Vec<u8>,
    standard: Vec<u8>,
    pretty: Vec<u8>,
}

fn forms<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<Forms, BodyError> {
    let body = body::from_json::<T>(bytes)?;
    Ok(Forms {
        wire: body::to_json(&body),
        standard: body::to_standard_json(&body),
        pretty: body::to_json_pretty(&body),
    })
}

type Read = fn(&[u8]) -> Result<Forms, BodyError>;

macro_rules! types {
    ($($type:ident)*) => { &[$((stringify!($type), forms::<$type> as Read)),*] };
}

const TYPES: &[(&str, Read)] = types! {
    BrokerStatsData CheckClientRequestBody ClusterInfo ConsumeMessageDirectlyResult ConsumeStats ConsumeStatsList
    ConsumerConnection ConsumerOffsetSerializeWrapper ConsumerRunningInfo CreateTopicListRequestBody DataVersion
    DelayOffsetSerializeWrapper GetBrokerMemberGroupResponseBody GetConsumerListByGroupResponseBody
    GetConsumerStatusBody GroupList HeartbeatData KVTable LockBatchRequestBody LockBatchResponseBody
    ProducerConnection ProducerTableInfo QueryConsumeQueueResponseBody QueryConsumeTimeSpanBody
    QueryCorrectionOffsetBody QuerySubscriptionResponseBody RegisterBrokerBody ResetOffsetBody ResetOffsetBodyForC
    SubscriptionGroupConfig SubscriptionGroupList SubscriptionGroupWrapper TopicConfigAndMappingSerializeWrapper
    TopicConfigAndQueueMapping TopicConfigSerializeWrapper TopicList TopicRouteData TopicStatsTable
    UnlockBatchRequestBody
};

fn read_of(name: &str) -> Read {
    TYPES.iter().find(|row| row.0 == name).unwrap_or_else(|| panic!("{name} is in the table of types")).1
}

/// Code of a request, and the type of its body or of its answer's.
const CAPTURED: &[(i64, bool, &str)] = &[
    (28, true, "KVTable"),
    (34, false, "HeartbeatData"),
    (38, true, "GetConsumerListByGroupResponseBody"),
    (43, true, "ConsumerOffsetSerializeWrapper"),
    (45, true, "DelayOffsetSerializeWrapper"),
    (46, false, "CheckClientRequestBody"),
    (103, false, "RegisterBrokerBody"),
    (103, true, "KVTable"),
    (105, true, "TopicRouteData"),
    (106, true, "ClusterInfo"),
    (200, false, "SubscriptionGroupConfig"),
    (201, true, "SubscriptionGroupWrapper"),
    (202, true, "TopicStatsTable"),
    (206, true, "TopicList"),
    (208, true, "ConsumeStats"),
    (222, true, "ResetOffsetBody"),
    (300, true, "GroupList"),
    (305, true, "TopicList"),
    (315, true, "BrokerStatsData"),
    (321, true, "QueryConsumeQueueResponseBody"),
    (328, true, "ProducerTableInfo"),
    (343, true, "TopicList"),
    (351, true, "TopicConfigAndQueueMapping"),
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

/// One value at the front of `text`, and what follows it. Blanks stay with the part that they precede.
fn value(text: &str, is_map: bool) -> (String, &str) {
    let open = text.chars().next().expect("a value");
    if !matches!(open, '{' | '[') {
        return scalar(text);
    }
    let (mut rest, mut parts) = (&text[1..], Vec::<String>::new());
    loop {
        let (blanks, part) = rest.split_at(rest.len() - rest.trim_start().len());
        if part.starts_with(['}', ']']) {
            if is_map {
                parts.sort();
            }
            return (format!("{open}{}{blanks}{}", parts.join(","), &part[..1]), &part[1..]);
        }
        let (key, after_key) = if open == '{' { value(part, false) } else { (String::new(), part) };
        let after_colon = after_key.strip_prefix(':').unwrap_or(after_key);
        let (value, after_value) = value(after_colon, MAPS.contains(&key.trim_matches('"')));
        let colon = if open == '{' { ":" } else { "" };
        parts.push(format!("{blanks}{key}{colon}{value}"));
        rest = after_value.strip_prefix(',').unwrap_or(after_value);
    }
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
        len += text.find(|c: char| ",:}]".contains(c) || c.is_whitespace()).unwrap_or(text.len());
    }
    (text[..len].to_owned(), &text[len..])
}

fn assert_same(origin: &str, ours: &[u8], theirs: &[u8]) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    // The name that only older clients read; Java does not write it any more.
    let ours = text(ours).replace("\"topicSynFlag\":0,", "").replace("\"topicSynFlag\":1,", "");
    assert_eq!(with_sorted_maps(&ours), with_sorted_maps(&text(theirs)), "{origin}");
}

fn read(origin: &str, name: &str, bytes: &[u8]) -> Forms {
    read_of(name)(bytes).unwrap_or_else(|error| panic!("{origin}: {error}"))
}

#[test]
fn bodies_of_java_peers_are_read_and_written_to_the_same_bytes() {
    let mut seen = HashSet::new();
    for Golden { origin, request_code, header, body, body_is_whole, .. } in frames() {
        let is_response = header["flag"].as_i64().is_some_and(|flag| flag & 1 == 1);
        let row = CAPTURED.iter().find(|row| Some(row.0) == request_code && row.1 == is_response);
        let Some((code, _, name)) = row.filter(|_| body_is_whole && body.starts_with(b"{")) else { continue };
        let forms = read(&origin, name, &body);
        assert_same(&origin, if *code == 105 { &forms.standard } else { &forms.wire }, &body);
        seen.insert((*code, is_response));
    }
    assert_eq!(seen.len(), CAPTURED.len(), "{seen:?}");
}

#[test]
fn bodies_of_java_classes_are_read_and_written_to_the_same_bytes() {
    for body in committed_bodies() {
        let (name, bytes) = (&*body.name, body.text.as_bytes());
        match &*body.form {
            "wire" => assert_same(name, &read(name, name, bytes).wire, bytes),
            "standard" => assert_same(name, &read(name, name, bytes).standard, bytes),
            "pretty" => assert_same(name, &read(name, name, bytes).pretty, bytes),
            // Older peers leave out what they do not know.
            "4.9.8" => drop(read(name, name, bytes)),
            "compressed" | "inflated" | "4.9.8 compressed" => {}
            form => panic!("{form} is no form of {name}"),
        }
    }
}

#[test]
fn compressed_registrations_are_read_as_the_same_body_in_json() {
    let bodies = committed_bodies();
    let registration = |form: &str| {
        let body = bodies.iter().find(|body| body.name == "RegisterBrokerBody" && body.form == form);
        body.expect("a registration in each form").text.clone()
    };
    let mut plain: RegisterBrokerBody = body::from_json(registration("wire").as_bytes()).expect("a body");
    // The compressed form has no room for these.
    plain.topic_config_serialize_wrapper.topic_queue_mapping_detail_map.clear();
    plain.topic_config_serialize_wrapper.mapping_data_version = DataVersion::default();
    let compressed = unhex(&registration("compressed"));
    assert_eq!(RegisterBrokerBody::decode(&compressed, true, 513).expect("a body"), plain);
    assert_eq!(RegisterBrokerBody::crc32(&compressed), 1_614_219_172);

    let ours = plain.encode_compressed();
    assert_eq!(RegisterBrokerBody::decode(&ours, true, 513).expect("a body"), plain);
    let mut unfolded = Vec::new();
    std::io::copy(&mut flate2::read::ZlibDecoder::new(&ours[..]), &mut unfolded).expect("a zlib stream");
    assert_eq!(unfolded, unhex(&registration("inflated")));

    let older: RegisterBrokerBody = body::from_json(registration("4.9.8").as_bytes()).expect("a body");
    let compressed = unhex(&registration("4.9.8 compressed"));
    assert_eq!(RegisterBrokerBody::decode(&compressed, true, 407).expect("a body"), older);
}
