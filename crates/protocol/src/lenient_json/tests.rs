use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{JsonError, Style, from_slice, to_vec};
use crate::body::{QueueData, QueueMap, from_json, to_json, to_json_pretty, to_standard_json};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Thing {
    zone_name: Option<String>,
    count: i64,
    flag: bool,
    ratio: f64,
    names: Vec<String>,
    table: BTreeMap<i32, i64>,
}

fn thing(text: &str) -> Result<Thing, JsonError> {
    from_slice(text.as_bytes())
}

#[test]
fn values_of_the_wrong_kind_are_taken_as_what_they_mean() {
    let text = r#"{'zoneName':7,"count":"12",flag:"true","ratio":"1.5",names:[a,'b',3],"table":{"0":"1",2:3,'4':5}}"#;
    let expected = Thing {
        zone_name: Some("7".to_owned()),
        count: 12,
        flag: true,
        ratio: 1.5,
        names: vec!["a".to_owned(), "b".to_owned(), "3".to_owned()],
        table: BTreeMap::from([(0, 1), (2, 3), (4, 5)]),
    };
    assert_eq!(thing(text), Ok(expected));
}

#[test]
fn surplus_commas_blanks_and_nulls_are_passed_over() {
    let text = "\u{feff} {\t, \"count\" : 1.0 ,\r\n , \"names\":[,\"a\",,null,\"b\",], \"flag\":null, \"table\":null, } ";
    let expected = Thing { count: 1, names: vec!["a".to_owned(), "b".to_owned()], ..Thing::default() };
    assert_eq!(thing(text), Ok(expected));
}

#[test]
fn unknown_members_of_any_kind_are_passed_over() {
    let text = r#"{"x":{"y":[1,{"z":"}]\""}]},{"a":1}:[{}],"count":5,"@type":"T"}"#;
    assert_eq!(thing(text), Ok(Thing { count: 5, ..Thing::default() }));
}

#[test]
fn of_repeated_members_the_first_counts() {
    assert_eq!(thing(r#"{"count":1,"count":2}"#), Ok(Thing { count: 1, ..Thing::default() }));
}

#[test]
fn escapes_are_read_with_pairs_and_lone_halves() {
    let text = r#""\"\\\/\b\f\n\r\t\u0041\x41\ud83d\ude00 \ud83d|\ude00|\ud83d\u0041 é""#;
    let expected = "\"\\/\u{8}\u{c}\n\r\tAA\u{1F600} \u{fffd}|\u{fffd}|\u{fffd}A é";
    assert_eq!(from_slice::<String>(text.as_bytes()), Ok(expected.to_owned()));
}

#[test]
fn bytes_that_are_no_utf8_become_replacement_characters() {
    assert_eq!(from_slice::<String>(b"\"a\xFFb\""), Ok("a\u{fffd}b".to_owned()));
}

#[test]
fn text_that_is_not_json_is_refused_with_its_place() {
    let unexpected =
        |at, expected, found: &str| JsonError::Unexpected { at, expected, found: found.to_owned() };
    assert_eq!(thing("[]"), Err(unexpected(0, "an object", "[]")));
    assert_eq!(thing("{}x"), Err(unexpected(2, "nothing after the value", "x")));
    assert_eq!(
        thing(r#"{"count":1 "flag":1}"#),
        Err(unexpected(11, "',' or '}' after a member", "\"flag\":1}"))
    );
    assert_eq!(
        thing(r#"{"names":["a" "b"]}"#),
        Err(unexpected(14, "',' or ']' after an element", "\"b\"]}"))
    );
    assert_eq!(thing(r#"{"count""#), Err(JsonError::Ended { len: 8, expected: "':' after a key" }));
    assert_eq!(
        thing(r#"{"zoneName":"a"#),
        Err(JsonError::Ended { len: 14, expected: "the closing quote of a text" })
    );
    let wrong_value = JsonError::Value { at: 14, reason: "'many' is not a whole number".to_owned() };
    assert_eq!(
        thing(r#"{"count":"many"}"#),
        Err(JsonError::Value { at: 15, reason: "'many' is not a whole number".to_owned() })
    );
    assert_eq!(thing(r#"{"count": many}"#), Err(wrong_value));
    assert!(matches!(thing(r#"{"table":{99999999999:1}}"#), Err(JsonError::Value { .. })));
    assert!(matches!(thing(r#"{"zoneName":"\q"}"#), Err(JsonError::Unexpected { at: 14, .. })));
    assert!(matches!(thing(r#"{"zoneName":"\u12"}"#), Err(JsonError::Unexpected { at: 15, .. })));
}

#[test]
fn deep_nesting_is_refused_without_deep_stacks() {
    let deep = format!("{{\"x\":{}", "[".repeat(1_000_000));
    assert!(matches!(thing(&deep), Err(JsonError::TooDeep { limit: 64, .. })));
    let mixed = format!("{{\"x\":{}", "{\"a\":[".repeat(1_000_000));
    assert!(matches!(thing(&mixed), Err(JsonError::TooDeep { limit: 64, .. })));
}

#[test]
fn more_objects_than_the_text_is_worth_are_refused() {
    let text = format!("[{}]", "{},".repeat(100_000));
    let things = from_slice::<Vec<Thing>>(text.as_bytes());
    assert!(matches!(things, Err(JsonError::TooMany { len: 300_002, limit: 38_500 })), "{things:?}");
}

#[test]
fn objects_are_keys_in_either_form() {
    let raw =
        r#"{{"brokerName":"b","queueId":1,"topic":"T"}:5,{"brokerName":"b","queueId":2,"topic":"T"}:6}"#;
    let map: QueueMap<i64> = from_json(raw.as_bytes()).expect("a map");
    assert_eq!(to_json(&map), raw.as_bytes());
    let as_texts = r#"{"{\"brokerName\":\"b\",\"queueId\":1,\"topic\":\"T\"}":5,'{"topic":T,"queueId":"2","brokerName":"b",}':6}"#;
    assert_eq!(from_json::<QueueMap<i64>>(as_texts.as_bytes()), Ok(map));
}

#[test]
fn route_queues_carry_both_names_of_their_flags_on_the_wire() {
    let queue = QueueData { topic_sys_flag: 3, ..QueueData::default() };
    let wire = String::from_utf8(to_json(&queue)).expect("text");
    assert!(wire.contains(r#""topicSynFlag":3,"topicSysFlag":3"#), "{wire}");
    assert_eq!(to_standard_json(&queue), wire.as_bytes());
    let pretty = String::from_utf8(to_json_pretty(&queue)).expect("text");
    assert!(!pretty.contains("topicSynFlag"), "{pretty}");
    assert_eq!(from_json(wire.as_bytes()), Ok(queue.clone()));
    assert_eq!(from_json(br#"{"topicSynFlag":3}"#), Ok(queue.clone()));
    assert_eq!(from_json(br#"{"topicSysFlag":3}"#), Ok(queue));
}

#[test]
fn integer_keys_are_quoted_only_in_the_standard_form() {
    let table = BTreeMap::from([(-1, "a"), (0, "b")]);
    assert_eq!(to_json(&table), br#"{-1:"a",0:"b"}"#);
    assert_eq!(to_standard_json(&table), br#"{"-1":"a","0":"b"}"#);
}

#[test]
fn absent_members_are_left_out_and_members_are_sorted() {
    let text = |style| String::from_utf8(to_vec(&Thing::default(), style)).expect("text");
    assert_eq!(text(Style::default()), r#"{"count":0,"flag":false,"names":[],"ratio":0.0,"table":{}}"#);
    let with_zone =
        Thing { zone_name: Some("z".to_owned()), names: vec!["n".to_owned()], ..Thing::default() };
    let pretty =
        String::from_utf8(to_vec(&with_zone, Style { pretty: true, ..Style::default() })).expect("text");
    let expected = "{\n\t\"count\":0,\n\t\"flag\":false,\n\t\"names\":[\n\t\t\"n\"\n\t],\n\t\"ratio\":0.0,\n\t\"table\":{},\n\t\"zoneName\":\"z\"\n}";
    assert_eq!(pretty, expected);
}
