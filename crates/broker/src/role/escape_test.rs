//! What goes to another group, and as what.

use eruca_message::ManualClock;
use eruca_protocol::body::{BrokerData, QueueData};

use super::*;
use crate::{
    config::BrokerConfig,
    handler::test_parts::{TestParts, message},
    role::Standing,
};

fn escape(role: Role) -> Escape {
    let config = BrokerConfig {
        broker_name: "own".to_owned(),
        enable_slave_acting_master: true,
        enable_remote_escape: true,
        ..BrokerConfig::default()
    };
    Escape::new(
        Arc::new(RoleState::new(Standing { role, broker_id: 2, master: None, epoch: 0 })),
        Arc::new(Settings::new(config)),
        Arc::new(ManualClock::new(Timestamp(1_000))),
        Arc::new(Control::start().unwrap()),
        Vec::new(),
    )
}

#[test]
fn a_message_goes_out_as_it_was_delivered_and_one_that_waits_is_parked_there() {
    let escape = escape(Role::ActingMaster);
    let due = b"PGROUP\x01p\x02TIMER_OUT_MS\x015000\x02TIMER_DELAY_SEC\x014\x02k\x01v\x02";
    let sent = escape.request(&message("T", 3, "body", due), None).unwrap();
    assert_eq!((sent.header.topic.as_str(), sent.header.producer_group.as_str()), ("T", "p"));
    assert_eq!(sent.header.properties.as_deref().map(str::as_bytes), Some(&due[..]));
    let far = b"TIMER_OUT_MS\x019000\x02TIMER_DELAY_SEC\x019\x02REAL_TOPIC\x01T\x02REAL_QID\x010\x02";
    let sent = escape.request(&message(TIMER_TOPIC, 0, "body", far), None).unwrap();
    assert_eq!(
        (sent.header.topic.as_str(), sent.header.producer_group.as_str()),
        ("T", "InnerProducerGroup_own_2")
    );
    assert_eq!(sent.header.properties.as_deref(), Some("TIMER_DELIVER_MS\u{1}9000\u{2}"));
    // The group's own: its master sees to them.
    assert!(escape.request(&message("rmq_sys_REVIVE_LOG_c", 0, "ck", b""), None).is_none());
    let parked = b"TIMER_OUT_MS\x019000\x02REAL_TOPIC\x01rmq_sys_REVIVE_LOG_c\x02";
    assert!(escape.request(&message(TIMER_TOPIC, 0, "ck", parked), None).is_none());
}

#[test]
fn a_half_message_is_one_in_the_other_group_and_a_retry_copy_is_none() {
    let escape = escape(Role::ActingMaster);
    let half = b"UNIQ_KEY\x01FD01\x02PGROUP\x01p\x02TRAN_MSG\x01true\x02TRAN_PREPARED_QUEUE_OFFSET\x017\x02REAL_TOPIC\x01T\x02\
        REAL_QID\x013\x02";
    let sent = escape.request(&message(TRANS_HALF_TOPIC, 0, "half", half), None).unwrap();
    assert_eq!((sent.header.topic.as_str(), sent.header.producer_group.as_str()), ("T", "p"));
    let properties = sent.header.properties.as_deref();
    assert_eq!(properties, Some("UNIQ_KEY\u{1}FD01\u{2}PGROUP\u{1}p\u{2}TRAN_MSG\u{1}true\u{2}"));
    assert_eq!(sys_flag::transaction(sent.header.sys_flag), sys_flag::TRANSACTION_PREPARED);
    // It was committed before it was popped.
    let copy =
        escape.request(&message("%RETRY%g_T", 0, "body", b"TRAN_MSG\x01true\x02k\x01v\x02"), None).unwrap();
    assert_eq!(copy.header.properties.as_deref(), Some("k\u{1}v\u{2}"));
}

#[test]
fn only_masters_of_other_groups_that_may_be_written_are_chosen() {
    let route = TopicRouteData {
        queue_datas: [("own", 6), ("other", 6), ("slaves", 6), ("readable", 4)]
            .map(|(name, perm)| QueueData {
                broker_name: name.to_owned(),
                perm,
                read_queue_nums: 2,
                write_queue_nums: 2,
                topic_sys_flag: 0,
            })
            .into(),
        broker_datas: [("own", 0), ("other", 0), ("slaves", 1), ("readable", 0)]
            .map(|(name, id)| BrokerData {
                broker_name: name.to_owned(),
                broker_addrs: [(id, format!("{name}:1"))].into(),
                ..BrokerData::default()
            })
            .into(),
        ..TopicRouteData::default()
    };
    let places = escape(Role::ActingMaster).others(&route);
    let all: Vec<_> = places.iter().map(|place| (place.addr.as_str(), place.queue_id)).collect();
    assert_eq!(all, [("other:1", 0), ("other:1", 1)]);
}

#[test]
fn nothing_goes_out_of_a_slave_that_does_not_stand_in_nor_of_a_master() {
    let parts = TestParts::new();
    let one = message("T", 0, "body", b"k\x01v\x02");
    assert!(
        put(&parts.store, Some(&escape(Role::Master)), &one, None).unwrap().is_some(),
        "it is in the log"
    );
    parts.store.set_replica(true).unwrap();
    for role in [Role::Slave, Role::ActingMaster] {
        // Nobody is there to take it: it waits.
        let waits = put(&parts.store, Some(&escape(role)), &one, None);
        assert_eq!(waits, Err(AppendError::Stopped(WriteStopped::Replica)), "{role}");
    }
}
