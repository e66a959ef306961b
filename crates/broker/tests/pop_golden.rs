//! Requests of POP to a real Java 5.5.0 broker, asked again of ours; the answers are compared.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorded;

use std::collections::HashMap;

use eruca_message::{Clock, SystemClock};
use eruca_protocol::{ExtFields, RemotingCommand, RequestCode};
use eruca_remoting::{Caller, Reply};
use recorded::start;
use serde_json::{Value, json};

/// Of pops in order there is no check point in a revive queue.
const IN_ORDER: &str = "999";

/// What the recorded time of a pop is in this run: ours, and our revive queue.
#[derive(Default)]
struct Pops(HashMap<String, (String, String)>);

impl Pops {
    fn ours(&self, pop_time: &str) -> Option<&(String, String)> {
        self.0.get(pop_time)
    }

    /// A recorded receipt handle, with the times of this run.
    fn handle(&self, text: &str) -> String {
        let mut parts: Vec<&str> = text.split(' ').collect();
        if let Some((time, queue)) = parts.get(1).and_then(|time| self.ours(time)) {
            parts[1] = time;
            if parts[3] != IN_ORDER {
                parts[3] = queue;
            }
        }
        parts.join(" ")
    }

    /// A recorded batch of acknowledgements, with the times of this run.
    fn batch(&self, text: &str) -> String {
        let mut batch: Value = serde_json::from_str(text).unwrap();
        for ack in batch["acks"].as_array_mut().unwrap() {
            let Some((time, queue)) = self.ours(&ack["pt"].to_string()) else { continue };
            ack["pt"] = json!(time.parse::<i64>().unwrap());
            if ack["rq"] != json!(999) {
                ack["rq"] = json!(queue.parse::<i32>().unwrap());
            }
        }
        batch.to_string()
    }

    fn request(&self, asked: &Value, opaque: usize) -> RemotingCommand {
        let code = RequestCode(asked["code"].as_i64().unwrap() as i32);
        let body = asked["body"].as_str().unwrap();
        let field = |(name, value): (&String, &Value)| {
            let value = value.as_str().unwrap();
            let value = match name.as_str() {
                "extraInfo" => self.handle(value),
                "bornTime" => SystemClock.now().to_string(),
                _ => value.to_owned(),
            };
            (name.clone(), value)
        };
        let fields: Vec<(String, String)> = asked["ext"].as_object().unwrap().iter().map(field).collect();
        let mut request = RemotingCommand::request_without_header(code).with_body(match code {
            RequestCode::BATCH_ACK_MESSAGE => self.batch(body),
            _ => body.to_owned(),
        });
        request.ext_fields = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<ExtFields>();
        request.opaque = opaque as i32;
        request
    }

    fn compare(&mut self, line: usize, exchange: &Value, ours: &RemotingCommand) {
        let (asked, theirs) = (&exchange["request"], &exchange["reply"]);
        let place = format!("line {line}: {asked}");
        let code = theirs["code"].as_i64().unwrap();
        let expected = exchange.get("ours").map_or(code, |ours| ours.as_i64().unwrap());
        assert_eq!(i64::from(ours.code), expected, "{place}: {:?}", ours.remark);
        if exchange.get("ours").is_some() {
            assert!(!ours.remark.as_deref().unwrap_or_default().is_empty(), "{place}: a refusal says why");
            return;
        }
        let found = |name: &str| {
            ours.ext_fields.get(name).unwrap_or_else(|| panic!("{place}: no field {name}")).to_owned()
        };
        // Refusals have fields where a client reads them before the code.
        let is_answer =
            matches!(code, 0 | 210) || asked["code"] == RequestCode::CHANGE_MESSAGE_INVISIBLETIME.0;
        for (name, expected) in theirs["ext"].as_object().unwrap().iter().filter(|_| is_answer) {
            let expected = expected.as_str().unwrap();
            match name.as_str() {
                "popTime" => {
                    // In order the same attempt keeps its time, and so does a change.
                    let ours = (found("popTime"), found("reviveQid"));
                    self.0.insert(expected.to_owned(), ours);
                }
                "reviveQid" if expected != IN_ORDER => {
                    assert!((0..8).contains(&found(name).parse::<i32>().unwrap()), "{place}");
                }
                // Counted from the pop, a moment later.
                "invisibleTime" if theirs["ext"]["reviveQid"] == IN_ORDER => {
                    let difference = found(name).parse::<i64>().unwrap() - expected.parse::<i64>().unwrap();
                    assert!(difference.abs() < 10_000, "{place}: {difference} ms");
                }
                "msgId" | "transactionId" => {}
                _ => assert_eq!(found(name), expected, "{place}: field {name}"),
            }
        }
    }
}

#[test]
fn pops_are_answered_as_by_the_java_broker() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    let service = broker.service();
    let (caller, _outbox) = Caller::detached(([127, 0, 0, 1], 40_000).into(), broker.listen_addr());
    let mut pops = Pops::default();
    let mut compared = 0;
    // The first line says where they come from.
    for (index, line) in include_str!("data/pop_conversations.jsonl").lines().enumerate().skip(1) {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let request = pops.request(&exchange["request"], index);
        let reply = service.call(&caller, request);
        service.settle().unwrap();
        let (Reply::Now(reply) | Reply::AfterSettle(reply)) = reply else {
            panic!("line {}: no answer at once", index + 1);
        };
        pops.compare(index + 1, &exchange, &reply);
        compared += 1;
    }
    assert!(compared > 50, "only {compared} answers were compared");
    broker.shutdown();
}
