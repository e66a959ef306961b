//! What real clients asked a real broker, asked again of ours; the answers are compared.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorded;

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use eruca_message::{Clock, RecallHandle, SystemClock};
use eruca_protocol::{ExtFields, HeaderEncoding, Language, RemotingCommand, RequestCode, ResponseCode};
use eruca_remoting::{Caller, Outbox, Reply};
use recorded::start;
use serde_json::Value;

/// A time of delivery in the requests.
const RECORDED_DELIVERY: &str = "1795415339489";

struct Exchange {
    line: usize,
    scenario: String,
    conn: u64,
    request: RemotingCommand,
    reply: Option<Value>,
}

fn exchanges() -> Vec<Exchange> {
    let text = include_str!("data/conversations.jsonl");
    // The first line says where they come from.
    text.lines().enumerate().skip(1).map(|(index, line)| exchange(index + 1, line)).collect()
}

fn exchange(line: usize, text: &str) -> Exchange {
    // What was to be delivered five seconds later still is.
    let later = SystemClock.now().add_ms(5_000).to_string();
    let text = text.replace(RECORDED_DELIVERY, &later);
    let value: Value = serde_json::from_str(&text).unwrap();
    let asked = &value["request"];
    let number = |name: &str| i32::try_from(asked[name].as_i64().unwrap()).unwrap();
    let mut body: Vec<u8> = asked["body_hex"]
        .as_str()
        .unwrap()
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    body.resize(asked["body_len"].as_u64().unwrap() as usize, b'x');
    let fields = asked["ext"].as_object().unwrap();
    let request = RemotingCommand {
        code: number("code"),
        language: Language::Java,
        version: number("version"),
        opaque: number("opaque"),
        flag: number("flag"),
        remark: None,
        ext_fields: fields.iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap())).collect::<ExtFields>(),
        encoding: HeaderEncoding::Json,
        body: body.into(),
    };
    Exchange {
        line,
        scenario: value["scenario"].as_str().unwrap().to_owned(),
        conn: value["conn"].as_u64().unwrap(),
        request,
        reply: value.get("reply").cloned(),
    }
}

/// The topics that were made by hand before the recording, in the Java broker's file.
fn write_topics(root: &std::path::Path) {
    let topic = |(name, queue_nums, attribute): (&str, i32, &str)| {
        let attribute =
            attribute.split_once('=').map(|(n, v)| format!("\"{n}\":\"{v}\"")).unwrap_or_default();
        format!(
            "\t\t\"{name}\":{{\n\t\t\t\"attributes\":{{{attribute}}},\n\t\t\t\"order\":false,\n\t\t\t\"perm\":6,\n\
             \t\t\t\"readQueueNums\":{queue_nums},\n\t\t\t\"topicFilterType\":\"SINGLE_TAG\",\n\
             \t\t\t\"topicName\":\"{name}\",\n\t\t\t\"topicSysFlag\":0,\n\t\t\t\"writeQueueNums\":{queue_nums}\n\t\t}}"
        )
    };
    let topics = [
        ("GNormal", 4, ""),
        ("GBatchCQ", 2, "queue.type=BatchCQ"),
        ("GFifo", 2, "message.type=FIFO"),
        ("GDelay", 2, "message.type=DELAY"),
        ("GTrans", 2, "message.type=TRANSACTION"),
    ];
    let table = topics.map(topic).join(",\n");
    let text = format!(
        "{{\n\t\"dataVersion\":{{\n\t\t\"counter\":32,\n\t\t\"stateVersion\":0,\n\t\t\"timestamp\":1795416502812\n\t}},\n\
         \t\"topicConfigTable\":{{\n{table}\n\t}}\n}}"
    );
    std::fs::create_dir_all(root.join("config")).unwrap();
    std::fs::write(root.join("config/topics.json"), text).unwrap();
}

fn compare(exchange: &Exchange, ours: &RemotingCommand) {
    let place = format!("line {} ({}, code {})", exchange.line, exchange.scenario, exchange.request.code);
    let theirs = exchange.reply.as_ref().unwrap();
    assert_eq!(i64::from(ours.code), theirs["code"].as_i64().unwrap(), "{place}: {:?}", ours.remark);
    for (name, expected) in theirs["ext"].as_object().unwrap() {
        let expected = expected.as_str().unwrap();
        let found = ours.ext_fields.get(name).unwrap_or_else(|| panic!("{place}: no field {name}"));
        match name.as_str() {
            // Address and position differ; their number and form do not.
            "msgId" => assert_eq!(found.len(), expected.len(), "{place}: {found}"),
            // The time is that of the recording.
            "recallHandle" => {
                let read = |text| RecallHandle::decode(text).unwrap();
                let ours = RecallHandle { deliver_at: read(expected).deliver_at, ..read(found) };
                assert_eq!(ours, read(expected), "{place}");
            }
            _ => assert_eq!(found, expected, "{place}: field {name}"),
        }
    }
    let is_pull = matches!(
        RequestCode(exchange.request.code),
        RequestCode::PULL_MESSAGE | RequestCode::LITE_PULL_MESSAGE
    );
    if is_pull {
        assert_eq!(ours.remark.as_deref(), theirs["remark"].as_str(), "{place}");
        assert_eq!(
            ours.body.len() as u64,
            theirs["body_len"].as_u64().unwrap(),
            "{place}: length of the records"
        );
    }
    if ours.response_code() == ResponseCode::INVALID_PARAMETER {
        // Java's remark ends with the client's address, ours goes on.
        let theirs = theirs["remark"].as_str().unwrap();
        let (before_address, _) = theirs.rsplit_once(' ').unwrap();
        let ours = ours.remark.as_deref().unwrap();
        assert!(ours.starts_with(before_address), "{place}: {ours}");
    }
}

#[test]
fn real_clients_get_the_answers_that_the_java_broker_gave() {
    let dir = tempfile::tempdir().unwrap();
    write_topics(dir.path());
    let broker = start(dir.path());
    let service = broker.service();
    let local: SocketAddr = broker.listen_addr();
    let mut callers: HashMap<(String, u64), (Caller, Outbox)> = HashMap::new();

    let exchanges = exchanges();
    let mut waiting: HashMap<(String, u64, i32), &Exchange> = HashMap::new();
    let mut compared = 0;
    for exchange in &exchanges {
        let key = (exchange.scenario.clone(), exchange.conn);
        let (caller, outbox) = callers
            .entry(key.clone())
            .or_insert_with(|| Caller::detached(([127, 0, 0, 1], 40_000).into(), local));
        let reply = service.call(caller, exchange.request.clone());
        service.settle().unwrap();
        let reply = match reply {
            Reply::Now(reply) | Reply::AfterSettle(reply) => reply,
            Reply::None => {
                assert!(exchange.request.is_oneway(), "line {}: no answer", exchange.line);
                continue;
            }
            Reply::Later => {
                waiting.insert((key.0.clone(), key.1, exchange.request.opaque), exchange);
                // Notices to other members may be there, too.
                outbox.take().into_iter().filter(RemotingCommand::is_response).for_each(|reply| {
                    compare(waiting.remove(&(key.0.clone(), key.1, reply.opaque)).unwrap(), &reply);
                    compared += 1;
                });
                continue;
            }
        };
        if exchange.reply.is_some() && !exchange.request.is_oneway() {
            compare(exchange, &reply);
            compared += 1;
        }
    }
    // Pulls that still wait are let go when the broker leaves: Java answered them when their time was over.
    broker.shutdown();
    for ((scenario, conn), (_, outbox)) in &callers {
        for reply in outbox.take_within(0, Duration::ZERO).into_iter().filter(RemotingCommand::is_response) {
            let exchange = waiting.remove(&(scenario.clone(), *conn, reply.opaque)).unwrap();
            if exchange.reply.is_some() {
                compare(exchange, &reply);
                compared += 1;
            }
        }
    }
    assert!(waiting.is_empty(), "{} pulls were never answered", waiting.len());
    assert!(compared > 80, "only {compared} answers were compared");
}
