//! A broker changes its role while it runs.

use std::time::Duration;

use eruca_message::{Timestamp, names::SCHEDULE_TOPIC};
use eruca_store::{AppendMessage, WriteState, WriteStopped};

use crate::{config::BrokerRole, role::Role, slave_sync::test::broker};

#[test]
fn a_master_that_became_a_slave_takes_nothing_and_delivers_nothing_until_it_is_master_again() {
    let directory = tempfile::tempdir().unwrap();
    let broker = broker(directory.path(), BrokerRole::AsyncMaster);
    let (store, role) = (broker.store(), broker.role());
    let host = "127.0.0.1:10911".parse().unwrap();
    let delayed = AppendMessage {
        topic: SCHEDULE_TOPIC,
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        // Due long ago: delivered as soon as anybody looks.
        born_timestamp: Timestamp(1),
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"x",
        properties: b"REAL_TOPIC\x01T\x02REAL_QID\x010\x02DELAY\x011\x02",
    };
    store.append(&delayed).unwrap();
    role.become_slave(3, None, 7).unwrap();
    assert_eq!(store.write_state(), WriteState::Stopped(WriteStopped::Replica));
    assert!(store.append(&delayed).is_err());
    let end = store.log_range().1;
    assert!(end.0 > 0, "what was appended is written");
    assert_eq!((role.state().role(), role.state().now().broker_id), (Role::Slave, 3));
    role.become_master(8).unwrap();
    assert_eq!((store.write_state(), role.state().now().epoch), (WriteState::Open, 8));
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while store.queue_range("T", 0).max.0 == 0 && std::time::Instant::now() < until {
        std::thread::yield_now();
    }
    assert_eq!(store.queue_range("T", 0).max.0, 1, "delivered once");
    broker.shutdown();
}
