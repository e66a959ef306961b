//! The commands against captured outputs of the Java tool (`tests/data/*.txt`), fed with the answers that it got
//! (`tests/data/*.jsonl`).

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod cluster;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use cluster::{Asked, CapturedAddrs, FakeCluster};
use eruca_admin::{LocalTime, World, run_with};
use eruca_message::{ManualClock, Timestamp};
use serde_json::Value;

/// Where the tool that made the outputs kept bodies.
const CAPTURED_BODY_DIR: &str = "/tmp/rocketmq/msgbodys";

struct Case {
    name: String,
    captured: CapturedAddrs,
    now: Timestamp,
    answers: Vec<Value>,
    words: Vec<String>,
    expected: String,
}

fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn read_case(path: &Path) -> Case {
    let rows = fs::read_to_string(path).unwrap();
    let mut rows = rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap());
    let head = rows.next().unwrap();
    let addr = |name: &str| head[name].as_str().unwrap().to_owned();
    let text = fs::read_to_string(path.with_extension("txt")).unwrap();
    let (command, expected) = text.split_once('\n').unwrap();
    Case {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        captured: CapturedAddrs { name_server: addr("namesrv"), broker: addr("broker") },
        now: Timestamp(head["now"].as_i64().unwrap_or_default()),
        answers: rows.collect(),
        words: shell_words(command.strip_prefix("$ mqadmin ").unwrap()),
        expected: expected.to_owned(),
    }
}

/// Words as a shell splits them; single quotes hold blanks together.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// What is printed, with the captured addresses for ours.
async fn run_case(case: &Case) -> String {
    let cluster = FakeCluster::start(&case.answers, &case.captured);
    let bodies = tempfile::tempdir().unwrap();
    let world = World {
        clock: Arc::new(ManualClock::new(case.now)),
        local_time: LocalTime::utc(),
        namesrv_addr: None,
        body_dir: bodies.path().to_owned(),
        status_dir: bodies.path().to_owned(),
    };
    let words: Vec<String> = case.words.iter().map(|word| cluster.to_ours(word, &case.captured)).collect();
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let outcome = run_with(&words, &world, &mut out, &mut notes).await;
    let mut text = String::from_utf8(out).unwrap() + &String::from_utf8(notes).unwrap();
    if let Err(failure) = outcome {
        text.push_str(&failure.to_string());
    }
    text = text.replace(&bodies.path().display().to_string(), CAPTURED_BODY_DIR);
    let text = cluster.to_captured(&text, &case.captured);
    cluster.stop();
    text
}

/// `text` without what differs in every run: the ids that producers give.
fn comparable(case: &Case, text: &str) -> String {
    let has_new_ids = case.name == "sendMessage";
    let mask = |word: &str| {
        if word.len() >= 32 && word.chars().all(|c| c.is_ascii_hexdigit()) { "ID" } else { word }.to_owned()
    };
    if has_new_ids {
        text.split(' ').map(|word| mask(word.trim())).collect::<Vec<_>>().join(" ")
    } else {
        text.to_owned()
    }
}

/// The first line that differs.
fn difference(expected: &str, printed: &str) -> Option<String> {
    if expected == printed {
        return None;
    }
    let pairs = expected.lines().zip(printed.lines()).enumerate();
    let first = pairs.into_iter().find(|(_, (expected, printed))| expected != printed);
    Some(match first {
        Some((line, (expected, printed))) => {
            format!("line {}:\n  java {expected:?}\n  ours {printed:?}", line + 1)
        }
        None => format!("{} bytes, ours has {}: {:?}", expected.len(), printed.len(), printed.lines().last()),
    })
}

#[tokio::test]
async fn every_captured_output_is_printed_again() {
    let mut paths: Vec<PathBuf> = fs::read_dir(data_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    paths.sort();
    assert!(paths.len() > 40, "the test data is not there");
    let mut failures = Vec::new();
    for path in paths {
        let case = read_case(&path);
        let printed = run_case(&case).await;
        let (expected, printed) = (comparable(&case, &case.expected), comparable(&case, &printed));
        failures
            .extend(difference(&expected, &printed).map(|difference| format!("{}: {difference}", case.name)));
    }
    assert!(failures.is_empty(), "{} outputs differ:\n{}", failures.len(), failures.join("\n"));
}

/// What `words` print against a cluster with `answers`; the failure, if there is one.
async fn run_against(answers: &[Value], words: &str) -> (String, Option<String>) {
    let files = tempfile::tempdir().unwrap();
    let (text, failure, _) = run_with_files(answers, words, files.path()).await;
    (text, failure)
}

/// As [`run_against`], and what the cluster was asked; files go to `dir`.
async fn run_with_files(answers: &[Value], words: &str, dir: &Path) -> (String, Option<String>, Vec<Asked>) {
    let addr = "127.0.0.1:1".to_owned();
    let captured = CapturedAddrs { name_server: addr.clone(), broker: addr };
    let cluster = FakeCluster::start(answers, &captured);
    let world = World {
        clock: Arc::new(ManualClock::new(Timestamp(0))),
        local_time: LocalTime::utc(),
        namesrv_addr: Some(cluster.name_server_addr()),
        body_dir: dir.to_owned(),
        status_dir: dir.to_owned(),
    };
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let failure = run_with(&shell_words(words), &world, &mut out, &mut notes).await.err();
    let text = String::from_utf8(out).unwrap() + &String::from_utf8(notes).unwrap();
    let failure = failure.map(|failure| failure.to_string().replace(&cluster.name_server_addr(), "NAMESRV"));
    let asked = cluster.asked();
    cluster.stop();
    (text, failure, asked)
}

#[tokio::test]
async fn a_topic_without_a_route_is_one_line_with_a_remedy() {
    let answers =
        [serde_json::json!({"code": 105, "answer": 17, "remark": "No topic route info\nSee the docs"})];
    let (text, failure) = run_against(&answers, "topicRoute -t T").await;
    assert_eq!(text, "");
    assert_eq!(
        failure.unwrap(),
        "mqadmin topicRoute: TOPIC_NOT_EXIST (17): topic 'T' has no route: no broker has registered it; \
         'mqadmin topicList' lists the topics, 'mqadmin updateTopic -c CLUSTER -t TOPIC' creates one"
    );
}

#[tokio::test]
async fn a_search_without_a_result_says_where_was_looked() {
    let route = r#"{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:1"},"brokerName":"b","cluster":"c"}],"queueDatas":[]}"#;
    let answers = [
        serde_json::json!({"code": 105, "body": route}),
        serde_json::json!({"code": 12, "answer": 22, "remark": "can not find message, maybe time range not correct"}),
    ];
    let (_, failure) = run_against(&answers, "queryMsgByKey -t T -k none").await;
    assert_eq!(
        failure.unwrap(),
        "mqadmin queryMsgByKey: NO_MESSAGE (208): topic 'T' has no message with key 'none' in this span of time; it may \
         have expired, or belong to another topic"
    );
    let (_, failure) = run_against(&answers, "queryMsgByKey -t T -k none -p X").await;
    assert!(failure.unwrap().contains("K for keys or T for tags"));
    let (text, failure) = run_against(&answers, "queryMsgByUniqueKey -t T -i none").await;
    assert!(text.is_empty() && failure.unwrap().contains("the unique key 'none'"));
}

#[tokio::test]
async fn a_refusal_names_who_refused_and_why() {
    let answers = [serde_json::json!({"code": 206, "answer": 1, "remark": "disable. Use another way"})];
    let (_, failure) = run_against(&answers, "topicList").await;
    assert_eq!(
        failure.unwrap(),
        "mqadmin topicList: SYSTEM_ERROR (1) from NAMESRV: disable. Use another way"
    );
}

#[tokio::test]
async fn an_unknown_cluster_is_refused_with_the_known_ones() {
    let info = r#"{"brokerAddrTable":{},"clusterAddrTable":{"East":[],"West":[]}}"#;
    let (_, failure) =
        run_against(&[serde_json::json!({"code": 106, "body": info})], "updateTopic -c North -t T").await;
    assert_eq!(
        failure.unwrap(),
        "mqadmin updateTopic: cluster 'North' is not known to the name server, known are: East, West; check -c and -n"
    );
}

#[tokio::test]
async fn a_word_that_belongs_to_no_option_is_ignored_and_said() {
    let answers = [serde_json::json!({"code": 206, "body": r#"{"topicList":["T"]}"#})];
    let (text, failure) = run_against(&answers, "topicList surplus").await;
    assert_eq!(failure, None);
    assert_eq!(text, "T\nmqadmin topicList: 'surplus' belongs to no option and is ignored\n");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_an_error_and_no_panic() {
    let answers = [serde_json::json!({"code": 206, "body": "{\"topicList\":[\"T\""})];
    let (_, failure) = run_against(&answers, "topicList").await;
    assert!(failure.unwrap().contains("cannot be read"));
}

#[tokio::test]
async fn what_members_say_of_themselves_goes_to_files_below_the_directory_of_the_world() {
    let route = r#"{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:1"},"brokerName":"b","cluster":"c"}],"queueDatas":[]}"#;
    let answers = [
        serde_json::json!({"code": 203, "body": r#"{"connectionSet":[{"clientId":"me@1","version":453}]}"#}),
        serde_json::json!({"code": 307, "body": r#"{"properties":{"PROP_CONSUME_TYPE":"CONSUME_ACTIVELY"}}"#}),
        serde_json::json!({"code": 105, "body": route}),
    ];
    let dir = tempfile::tempdir().unwrap();
    let (text, failure, _) = run_with_files(&answers, "consumerStatus -g g", dir.path()).await;
    assert_eq!(failure, None);
    let file = dir.path().join("0/me@1");
    assert!(text.contains(&file.display().to_string()), "{text}");
    assert!(fs::read_to_string(file).unwrap().contains("PROP_CONSUME_TYPE"));
}

#[tokio::test]
async fn a_clone_of_offsets_copies_those_of_all_topics_of_the_group_as_the_java_tool_does() {
    let route = r#"{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:1"},"brokerName":"b","cluster":"c"}],"queueDatas":[]}"#;
    let at = |topic, queue_id, consumer_offset: i64| {
        format!(
            r#"{{"brokerName":"b","queueId":{queue_id},"topic":"{topic}"}}:{{"brokerOffset":9,"consumerOffset":{consumer_offset},"lastTimestamp":0}}"#
        )
    };
    let queues = [at("T", 0, 5), at("T", 1, -1), at("U", 0, 0), at("%RETRY%from", 0, 2)];
    let stats = format!(r#"{{"consumeTps":0.0,"offsetTable":{{{}}}}}"#, queues.join(","));
    let answers = [
        serde_json::json!({"code": 105, "body": route}),
        serde_json::json!({"code": 208, "where": {"consumerGroup": "from"}, "body": stats}),
        serde_json::json!({"code": 15}),
    ];
    let dir = tempfile::tempdir().unwrap();
    let (text, failure, asked) =
        run_with_files(&answers, "cloneGroupOffset -s from -d to -t T", dir.path()).await;
    assert_eq!(failure, None);
    assert_eq!(text, "clone group offset success. srcGroup[from], destGroup=[to], topic[T]");
    let mut written: Vec<String> = asked
        .iter()
        .filter(|(code, _)| *code == 15)
        .map(|(_, fields)| {
            ["consumerGroup", "topic", "queueId", "commitOffset"].map(|name| fields[name].as_str()).join(" ")
        })
        .collect();
    written.sort();
    assert_eq!(written, ["to %RETRY%from 0 2", "to T 0 5", "to U 0 0"]);

    let elsewhere = route.replace(r#""brokerName":"b""#, r#""brokerName":"other""#);
    let answers = [
        serde_json::json!({"code": 105, "where": {"topic": "T"}, "body": elsewhere}),
        serde_json::json!({"code": 105, "body": route}),
        answers[1].clone(),
    ];
    let (_, failure) = run_against(&answers, "cloneGroupOffset -s from -d to -t T").await;
    assert!(failure.unwrap().contains("broker 'b' does not serve the topic, these do: other"));
}
