//! What goes where when it is appended.

use std::sync::Arc;

use eruca_message::{
    Clock, Timestamp,
    names::{SCHEDULE_TOPIC, TIMER_TOPIC},
};
use eruca_protocol::ResponseCode;
use eruca_store::AppendMessage;

use super::{Parking, SlotCounts};
use crate::{HandlerError, handler::test_parts::TestParts, settings::Settings};

fn append(parts: &TestParts, parking: &Parking, topic: &str, properties: &[u8]) -> Result<(), HandlerError> {
    let host = "10.0.0.1:4000".parse().unwrap();
    let message = AppendMessage {
        topic,
        queue_id: 1,
        flag: 0,
        sys_flag: 0,
        born_timestamp: parts.clock.now(),
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"x",
        properties,
    };
    parking.append(&parts.store, &message, parts.clock.now())?;
    parts.store.settle().unwrap();
    Ok(())
}

#[test]
fn each_kind_goes_to_its_place() {
    let parts = TestParts::new();
    let count = |topic, queue_id| parts.read(topic, queue_id).len();
    for at_once in
        [&b""[..], b"a\x01b\x02", b"DELAY\x010\x02", b"TIMER_DELAY_MS\x015\x02TIMER_OUT_MS\x011000004\x02"]
    {
        append(&parts, &parts.parking, "T", at_once).unwrap();
    }
    assert_eq!(count("T", 1), 4);
    append(&parts, &parts.parking, "T", b"DELAY\x012\x02TIMER_DELAY_MS\x015\x02").unwrap();
    assert_eq!(count(SCHEDULE_TOPIC, 1), 1);
    append(&parts, &parts.parking, "T", b"TIMER_DELAY_MS\x015\x02").unwrap();
    let parked = parts.read(TIMER_TOPIC, 0).remove(0);
    assert_eq!(parked.message.properties.get("REAL_QID"), Some("1"));
    // A message that is parked anew.
    append(&parts, &parts.parking, TIMER_TOPIC, b"TIMER_DELAY_MS\x0150000\x02").unwrap();
    assert_eq!((count(TIMER_TOPIC, 1), count("T", 1)), (1, 4));
}

#[test]
fn a_broker_without_timers_says_so_and_stores_nothing() {
    let parts = TestParts::new();
    let mut config = (*parts.settings.now()).clone();
    config.timer_wheel_enable = false;
    let parking = Parking::new(Settings::new(config).into(), 18);
    let error = append(&parts, &parking, "T", b"TIMER_DELAY_MS\x015\x02").unwrap_err();
    assert_eq!(error.code, ResponseCode::SYSTEM_ERROR);
    assert!(error.remark.contains("timerWheelEnable"), "{}", error.remark);
    let error = append(&parts, &parts.parking, "T", b"DELAY\x01x\x02").unwrap_err();
    assert_eq!(error.code, ResponseCode::MESSAGE_ILLEGAL);
    let (from, to) = parts.store.log_range();
    assert_eq!(from, to);
}

#[test]
fn a_full_slot_takes_recalls_only() {
    #[derive(Debug)]
    struct Full;
    impl SlotCounts for Full {
        fn count_at(&self, time: Timestamp) -> i64 {
            if time.0 / 1_000 == 1_005 { 7 } else { 6 }
        }
    }
    let parts = TestParts::new();
    let with_limit = |timer_congest_num_each_slot| {
        let config =
            crate::config::BrokerConfig { timer_congest_num_each_slot, ..(*parts.settings.now()).clone() };
        Parking::new(Settings::new(config).into(), 18).with_counts(Arc::new(Full))
    };
    let parking = with_limit(7);
    let error = append(&parts, &parking, "T", b"TIMER_DELIVER_MS\x011005500\x02").unwrap_err();
    assert_eq!(error.code, ResponseCode::SYSTEM_ERROR);
    for part in ["flow control", "1005000", "7 messages", "timerCongestNumEachSlot=7"] {
        assert!(error.remark.contains(part), "{part} in {}", error.remark);
    }
    append(&parts, &parking, "T", b"TIMER_DELIVER_MS\x011006500\x02").unwrap();
    append(&parts, &parking, "T", b"TIMER_DELIVER_MS\x011005500\x02TIMER_DEL_UNIQKEY\x01K\x02").unwrap();
    append(&parts, &with_limit(8), "T", b"TIMER_DELIVER_MS\x011005500\x02").unwrap();
    append(&parts, &with_limit(i32::MAX), "T", b"TIMER_DELIVER_MS\x011005500\x02").unwrap();
}
