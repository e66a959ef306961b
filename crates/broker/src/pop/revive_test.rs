//! What becomes of messages that were popped from another group of brokers, whose slave sent the records here.

use std::sync::Arc;

use eruca_message::{Clock, names::AUTO_CREATE_TOPIC};
use eruca_protocol::{
    RemotingCommand, ResponseCode, body::SubscriptionGroupConfig, request::SendMessageRequestV2,
};

use super::*;
use crate::{
    config::BrokerRole,
    control::Control,
    handler::test_parts::{TestParts, message},
    pop::{PopKey, record},
    role::{Escape, Role, RoleState, Standing},
    slave_sync::test::{ask, broker},
};

/// The records reach the revive topic as those of the acting slave of another group, `a`.
fn records_come(parts: &TestParts, pop: &PopService, pop_time: i64) {
    let revive = pop.log.topic();
    let key = PopKey::new(QueueKey::new("T", "g", 0), 0, pop_time);
    let check_point =
        CheckPoint { key: key.clone(), invisible_ms: 60_000, offsets: vec![0, 1, 2, 9], suspend: false };
    parts
        .store
        .append(&message(revive, 0, text(&record::encode_check_point(&check_point, "a")), b"TAGS\x01ck\x02"))
        .unwrap();
    parts
        .store
        .append(&message(revive, 0, text(&record::encode_acks(&key, &[1], "a")), b"TAGS\x01ack\x02"))
        .unwrap();
    parts.store.settle().unwrap();
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn what_was_popped_from_another_group_is_read_there_and_comes_again_here() {
    let directory = tempfile::tempdir().unwrap();
    let there = broker(directory.path(), BrokerRole::AsyncMaster);
    for body in ["first", "acknowledged", "third"] {
        let request = SendMessageRequestV2 {
            topic: "T".to_owned(),
            producer_group: "p".to_owned(),
            default_topic: AUTO_CREATE_TOPIC.to_owned(),
            default_topic_queue_nums: 1,
            ..SendMessageRequestV2::default()
        };
        let answer = ask(&there, RemotingCommand::request(&request).with_body(body.to_owned()));
        assert_eq!(answer.response_code(), ResponseCode::SUCCESS, "{answer:?}");
    }
    there.service().settle().unwrap();

    let parts = TestParts::new();
    parts.topic("T", 1);
    parts.groups.put(SubscriptionGroupConfig { group_name: "g".to_owned(), ..Default::default() }).unwrap();
    parts.store("T", 0, "another message at the same place", b"");
    let pop = parts.pop_service(&Arc::default(), &Arc::default());
    let control = Arc::new(Control::start().unwrap());
    let escape = Arc::new(Escape::new(
        Arc::new(RoleState::new(Standing { role: Role::Master, broker_id: 0, master: None, epoch: 0 })),
        parts.settings.clone(),
        parts.clock.clone(),
        control,
        Vec::new(),
    ));
    pop.set_escape(escape.clone());
    // This broker popped itself since it started, so it would know a pop of its own.
    records_come(&parts, &pop, parts.clock.now().0 + 1);
    let retry = pop_retry_topic_v1("T", "g");
    let step_for_a_minute = || {
        for _ in 0..7 {
            parts.clock.advance_ms(10_000);
            pop.step(parts.clock.now());
        }
    };
    step_for_a_minute();
    assert!(parts.read(&retry, 0).is_empty(), "nobody of that group can be asked");
    let committed = || parts.offsets.committed(REVIVE_GROUP, pop.log.topic(), 0);
    assert_eq!(committed(), None, "it is not dealt with");

    escape.remember("a", Ok(there.listen_addr().to_string()));
    parts.clock.advance_ms(2_000);
    pop.step(parts.clock.now());
    let came: Vec<_> = parts.read(&retry, 0).iter().map(|message| message.message.body.to_vec()).collect();
    assert_eq!(came, [b"first", b"third"], "what was acknowledged does not come, nor what is not there");
    pop.step(parts.clock.now());
    assert_eq!(committed(), Some(1));
    there.shutdown();
}

#[test]
fn a_broker_that_had_another_name_knows_its_own_records() {
    let parts = TestParts::new();
    parts.topic("T", 1);
    parts.groups.put(SubscriptionGroupConfig { group_name: "g".to_owned(), ..Default::default() }).unwrap();
    parts.store("T", 0, "its own", b"");
    let pop = parts.pop_service(&Arc::default(), &Arc::default());
    let key = PopKey::new(QueueKey::new("T", "g", 0), 0, parts.clock.now().0 - 20_000);
    let check_point = CheckPoint { key, invisible_ms: 10_000, offsets: vec![0], suspend: false };
    let record = record::encode_check_point(&check_point, "a");
    let sent = message(pop.log.topic(), 0, text(&record), b"TAGS\x01ck\x02");
    parts.store.append(&AppendMessage { born_host: sent.store_host, ..sent }).unwrap();
    parts.store.settle().unwrap();
    for _ in 0..2 {
        parts.clock.advance_ms(20_000);
        pop.step(parts.clock.now());
    }
    assert_eq!(parts.read(&pop_retry_topic_v1("T", "g"), 0).len(), 1);
}

#[test]
fn what_nobody_can_be_asked_for_is_given_up_when_it_would_have_expired() {
    let parts = TestParts::new();
    parts.topic("T", 1);
    parts.groups.put(SubscriptionGroupConfig { group_name: "g".to_owned(), ..Default::default() }).unwrap();
    let pop = parts.pop_service(&Arc::default(), &Arc::default());
    records_come(&parts, &pop, parts.clock.now().0);
    let control = Arc::new(Control::start().unwrap());
    let role = RoleState::new(Standing { role: Role::Master, broker_id: 0, master: None, epoch: 0 });
    pop.set_escape(Arc::new(Escape::new(
        Arc::new(role),
        parts.settings.clone(),
        parts.clock.clone(),
        control,
        Vec::new(),
    )));
    let hours = |hours: i64| hours * 3_600_000;
    for (ms, open) in [(hours(71), 1), (hours(2), 0)] {
        parts.clock.advance_ms(ms);
        pop.step(parts.clock.now());
        parts.clock.advance_ms(5_000);
        pop.step(parts.clock.now());
        assert_eq!(pop.check_points(), open);
    }
}
