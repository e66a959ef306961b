use eruca_message::{
    BatchEntry, Clock, Timestamp, encode_batch_entry,
    names::{AUTO_CREATE_TOPIC, SCHEDULE_TOPIC},
};
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::TopicConfig,
    request::{SendMessageRequestV2, SendMessageResponse},
};
use eruca_remoting::Reply;

use super::super::send_message_test::{Sender, message};
use crate::{handler::test_parts::TestParts, idempotence::IDEMPOTENT_WINDOW_SECONDS};

const WINDOW_MS: i64 = 60_000;

fn over(parts: TestParts) -> Sender {
    let attributes = [(IDEMPOTENT_WINDOW_SECONDS.to_owned(), (WINDOW_MS / 1_000).to_string())].into();
    parts.topics.put(TopicConfig { attributes, ..TopicConfig::new("once", 4) }).unwrap();
    Sender::over(parts)
}

fn with_body(mut request: RemotingCommand, body: &str) -> RemotingCommand {
    request.body = body.as_bytes().to_vec().into();
    request
}

fn sent(sender: &Sender, request: &RemotingCommand) -> SendMessageResponse {
    let reply = sender.send(request);
    assert_eq!(reply.response_code(), ResponseCode::SUCCESS, "{reply:?}");
    reply.header().unwrap()
}

fn bodies(sender: &Sender, topic: &str, queue_id: i32) -> Vec<String> {
    let stored = sender.parts.read(topic, queue_id);
    stored.into_iter().map(|stored| String::from_utf8(stored.message.body).unwrap()).collect()
}

#[test]
fn a_message_sent_again_is_acknowledged_with_its_first_place() {
    let sender = over(TestParts::new());
    let first = sent(&sender, &message("once", 2, "UNIQ_KEY=A WAIT=true"));
    sent(&sender, &message("once", 2, "UNIQ_KEY=B WAIT=true"));
    // The client may have chosen another queue this time.
    let again = sent(&sender, &message("once", 0, "UNIQ_KEY=A WAIT=true"));
    assert_eq!(again, first);
    assert_eq!((again.queue_id, again.queue_offset), (2, 0));
    assert_eq!(bodies(&sender, "once", 0), Vec::<String>::new());
    assert_eq!(bodies(&sender, "once", 2).len(), 2);
    // Ordinary topics take everything.
    let plain = sent(&sender, &message("T", 1, "UNIQ_KEY=A WAIT=true"));
    assert_ne!(sent(&sender, &message("T", 1, "UNIQ_KEY=A WAIT=true")), plain);
}

#[test]
fn another_body_or_a_later_day_makes_another_message() {
    let sender = over(TestParts::new());
    let a = message("once", 0, "UNIQ_KEY=A WAIT=true");
    sent(&sender, &with_body(a.clone(), "one"));
    sent(&sender, &with_body(a.clone(), "two"));
    assert_eq!(
        bodies(&sender, "once", 0),
        ["one", "two"],
        "a message object that is used again has an old id"
    );
    sent(&sender, &with_body(a.clone(), "two"));
    assert_eq!(bodies(&sender, "once", 0), ["one", "two"]);
    sender.parts.clock.set(Timestamp(1_000_000 + WINDOW_MS + 1));
    sent(&sender, &with_body(a, "two"));
    sent(&sender, &message("once", 0, "UNIQ_KEY=B WAIT=true"));
    assert_eq!(bodies(&sender, "once", 0), ["one", "two", "two", "body"]);
}

#[test]
fn two_of_one_network_read_are_one() {
    let sender = over(TestParts::new());
    let request = message("once", 1, "UNIQ_KEY=A WAIT=true");
    let replies = [0, 1].map(|_| sender.handler.handle(&sender.caller, &request));
    sender.parts.store.settle().unwrap();
    let [first, again] = replies.map(|reply| match reply {
        Reply::AfterSettle(reply) => reply.header::<SendMessageResponse>().unwrap(),
        other => panic!("{other:?}"),
    });
    assert_eq!(first, again);
    assert_eq!(bodies(&sender, "once", 1).len(), 1);
}

#[test]
fn the_window_survives_a_restart() {
    let sender = over(TestParts::new());
    let first = sent(&sender, &message("once", 3, "UNIQ_KEY=A WAIT=true"));
    let parked = sent(&sender, &message("once", 3, "UNIQ_KEY=P DELAY=2 WAIT=true"));
    let clock = sender.parts.clock.clone();
    let sender = over(TestParts::in_directory(sender.parts.stop()));
    sender.parts.clock.set(clock.now().add_ms(1_000));
    assert_eq!(sent(&sender, &message("once", 0, "UNIQ_KEY=A WAIT=true")), first);
    assert_eq!(sent(&sender, &message("once", 3, "UNIQ_KEY=P DELAY=2 WAIT=true")), parked);
    assert_eq!(sender.parts.read(SCHEDULE_TOPIC, 1).len(), 1);
    let new = sent(&sender, &message("once", 3, "UNIQ_KEY=C WAIT=true"));
    assert_eq!(new.queue_offset, 1);
    assert_eq!(sent(&sender, &message("once", 3, "UNIQ_KEY=C WAIT=true")), new);
}

#[test]
fn a_topic_made_anew_has_forgotten_everything() {
    let sender = over(TestParts::new());
    sent(&sender, &message("once", 0, "UNIQ_KEY=A WAIT=true"));
    sender.parts.store.delete_topic("once").unwrap();
    sent(&sender, &message("once", 0, "UNIQ_KEY=A WAIT=true"));
    assert_eq!(bodies(&sender, "once", 0).len(), 1);
}

fn batch(messages: &[(&str, &str)]) -> RemotingCommand {
    let mut body = Vec::new();
    for (key, text) in messages {
        let properties = format!("UNIQ_KEY\u{1}{key}\u{2}WAIT\u{1}true\u{2}");
        let entry = BatchEntry { flag: 0, body: text.as_bytes(), properties: properties.as_bytes() };
        encode_batch_entry(&entry, &mut body).unwrap();
    }
    let header = SendMessageRequestV2 {
        producer_group: "p".to_owned(),
        topic: "once".to_owned(),
        default_topic: AUTO_CREATE_TOPIC.to_owned(),
        queue_id: 1,
        batch: Some(true),
        ..SendMessageRequestV2::default()
    };
    let mut request = RemotingCommand::request(&header).with_body(body);
    request.code = RequestCode::SEND_BATCH_MESSAGE.0;
    request
}

#[test]
fn of_a_batch_only_what_is_new_is_stored() {
    let sender = over(TestParts::new());
    let first = sent(&sender, &batch(&[("A", "a"), ("B", "b")]));
    assert_eq!(sent(&sender, &batch(&[("A", "a"), ("B", "b")])), first);
    let mixed = sent(&sender, &batch(&[("C", "c"), ("B", "b"), ("D", "d")]));
    assert_eq!(bodies(&sender, "once", 1), ["a", "b", "c", "d"]);
    let (old, ids): (Vec<_>, Vec<_>) = (first.msg_id.split(',').collect(), mixed.msg_id.split(',').collect());
    assert_eq!((ids.len(), ids[1]), (3, old[1]));
    assert_eq!(mixed.queue_offset, 2);
    let again = sent(&sender, &batch(&[("C", "c"), ("B", "b"), ("D", "d")]));
    assert_eq!(again, mixed);
}
