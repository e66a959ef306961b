//! What sends wait for in each mode.

use eruca_protocol::RequestCode;
use eruca_remoting::Caller;

use super::*;
use crate::{config::BrokerRole, handler::test_parts::TestParts};

fn durability(parts: &TestParts) -> Durability {
    parts.durability(Arc::new(FlushTimeouts::new(5_000)))
}

fn sync_master(in_sync_replicas: usize) -> BrokerConfig {
    BrokerConfig { broker_role: BrokerRole::SyncMaster, in_sync_replicas, ..BrokerConfig::default() }
}

#[test]
fn only_a_sync_master_waits_and_as_in_java_5_for_one_broker_less_than_in_sync_replicas() {
    let durability = durability(&TestParts::new());
    let slaves = |no_wait, config: &BrokerConfig| durability.wanted(no_wait, config).unwrap().slaves;
    assert_eq!(slaves(false, &BrokerConfig { in_sync_replicas: 2, ..BrokerConfig::default() }), 0);
    assert_eq!(slaves(false, &sync_master(1)), 0);
    assert_eq!(slaves(false, &sync_master(3)), 2);
    assert_eq!(slaves(true, &sync_master(3)), 0);
    let flushed = self::durability(&TestParts::with_sync_flush());
    assert!(flushed.wanted(false, &sync_master(1)).unwrap().disk);
    assert!(!flushed.wanted(true, &sync_master(1)).unwrap().disk);
}

#[test]
fn with_acting_masters_too_few_slaves_in_sync_are_told_before_anything_is_stored() {
    let durability = durability(&TestParts::new());
    let acting = BrokerConfig { enable_slave_acting_master: true, ..sync_master(2) };
    let error = durability.wanted(false, &acting).unwrap_err();
    assert_eq!(error.code, ResponseCode::SYSTEM_ERROR);
    assert!(error.remark.contains("0 slaves are connected"), "{}", error.remark);
    let content = BrokerConfig { enable_auto_in_sync_replicas: true, ..acting };
    assert_eq!(durability.wanted(false, &content).unwrap().slaves, 0);
    let strict = BrokerConfig { min_in_sync_replicas: 2, ..content };
    assert!(durability.wanted(false, &strict).is_err());
}

#[test]
fn a_send_that_no_slave_has_in_time_is_told_who_is_missing() {
    let parts = TestParts::new();
    let durability = durability(&parts);
    let (caller, outbox) = Caller::detached(([127, 0, 0, 1], 5).into(), ([127, 0, 0, 1], 10911).into());
    let request = RemotingCommand::request_without_header(RequestCode::SEND_MESSAGE);
    let config = sync_master(2);
    let wanted = durability.wanted(false, &config).unwrap();
    let success = request.reply(ResponseCode::SUCCESS);
    let end = LogOffset(100);
    let reply = durability.acknowledge(
        || caller.responder(&request),
        success,
        end,
        wanted,
        &config,
        Timestamp(1_000_000),
    );
    assert!(matches!(reply, Reply::Later));
    assert!(outbox.take().is_empty());
    parts.clock.set(Timestamp(1_003_000));
    durability.replicas.expire_now();
    let answers = outbox.take();
    assert_eq!(answers[0].response_code(), ResponseCode::FLUSH_SLAVE_TIMEOUT);
    let remark = answers[0].remark.as_deref().unwrap_or_default();
    assert!(remark.contains("slaveTimeout=3000") && remark.contains("0 of 1 slaves"), "{remark}");
}
