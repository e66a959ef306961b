//! What a Java name server answered to real brokers and clients, and what we answer to the same requests.

use std::collections::{BTreeMap, HashMap};

use eruca_protocol::{ExtFields, HeaderEncoding, Language, RemotingCommand};
use eruca_remoting::Caller;
use serde_json::Value;

use crate::support::{Fixture, connection};

const WIRE: &str = include_str!("../data/name_server.jsonl");

fn command(frame: &Value) -> RemotingCommand {
    let header: Value = serde_json::from_str(frame["header"].as_str().unwrap()).unwrap();
    let number = |name: &str| i32::try_from(header[name].as_i64().unwrap()).unwrap();
    let fields = header.get("extFields").and_then(Value::as_object).into_iter().flatten();
    RemotingCommand {
        code: number("code"),
        language: Language::from_name(header["language"].as_str().unwrap()),
        version: number("version"),
        opaque: number("opaque"),
        flag: number("flag"),
        remark: header.get("remark").map(|remark| remark.as_str().unwrap().to_owned()),
        ext_fields: fields.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect(),
        encoding: HeaderEncoding::Json,
        body: frame["body"].as_str().unwrap().as_bytes().to_vec().into(),
    }
}

fn sorted(fields: &ExtFields) -> BTreeMap<&str, &str> {
    fields.iter().collect()
}

/// Both ages of the field's name are answered; Java 5 knows the later one only.
fn without_older_names(content: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(content).unwrap().replace("{0:", "{\"0\":").replace(",1:", ",\"1\":");
    let mut value: Value = (!text.is_empty()).then(|| serde_json::from_str(&text).unwrap())?;
    for queue_data in value.get_mut("queueDatas").and_then(Value::as_array_mut).into_iter().flatten() {
        let older = queue_data.as_object_mut().unwrap().remove("topicSynFlag");
        assert_eq!(older.as_ref().unwrap_or(&queue_data["topicSysFlag"]), &queue_data["topicSysFlag"]);
    }
    Some(value)
}

#[test]
fn real_requests_get_the_answers_of_the_java_name_server() {
    let fixture = Fixture::new(Default::default());
    let mut callers: HashMap<String, Caller> = HashMap::new();
    let frames: Vec<Value> = WIRE.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(frames.len() % 2, 0);
    for pair in frames.chunks(2) {
        let (request, expected) = (command(&pair[0]), command(&pair[1]));
        let name = pair[0]["conn"].as_str().unwrap().to_owned();
        let caller = callers.entry(name).or_insert_with(|| connection().0);
        let what = format!("{request:?}");
        let reply = fixture.call(caller, request);
        assert_eq!(
            (reply.code, &reply.remark, reply.opaque, reply.flag, reply.version, reply.language),
            (expected.code, &expected.remark, expected.opaque, expected.flag, 513, Language::Java),
            "{what}"
        );
        assert_eq!(sorted(&reply.ext_fields), sorted(&expected.ext_fields), "{what}");
        assert_eq!(without_older_names(&reply.body), without_older_names(&expected.body), "{what}");
        let is_raw = |content: &[u8]| serde_json::from_slice::<Value>(content).is_err();
        assert_eq!(is_raw(&reply.body), is_raw(&expected.body), "the same dialect of JSON: {what}");
    }
}
