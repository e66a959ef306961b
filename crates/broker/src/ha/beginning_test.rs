//! Slaves that have nothing, in one process with their master.

use crate::{
    Broker, BrokerConfig,
    config::BrokerRole,
    handler::test_parts::message,
    role::MasterAddresses,
    slave_sync::test::{config, start, wait},
};

/// More than two segments of the log.
fn fill(master: &Broker) {
    let body = "7".repeat(100_000);
    for _ in 0..25 {
        master.store().append(&message("T", 0, &body, b"")).unwrap();
    }
    wait("the master has three segments", || master.store().last_segment().0 == 2 << 20);
}

/// Where the log of a slave begins that starts without messages and has copied everything.
fn begins_at(last_segment_of_master: bool, last_segment_of_slave: bool) -> u64 {
    let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let new = |at: usize, role, sync_from_last_file| {
        start(BrokerConfig { sync_from_last_file, ..config(directories[at].path(), role) })
    };
    let master = new(0, BrokerRole::AsyncMaster, last_segment_of_master);
    fill(&master);
    let slave = new(1, BrokerRole::Slave, last_segment_of_slave);
    let addresses = MasterAddresses {
        broker_addr: master.listen_addr().to_string(),
        ha_addr: master.ha_listen_addr().to_string(),
    };
    slave.role().state().set_master(Some(addresses));
    wait("the slave has all", || slave.store().log_range().1 == master.store().log_range().1);
    let begin = slave.store().log_range().0;
    let queue = slave.store().queue_range("T", 0);
    assert_eq!(queue.max, master.store().queue_range("T", 0).max);
    assert_eq!(queue.min.0 == 0, begin.0 == 0, "{queue:?}");
    slave.shutdown();
    master.shutdown();
    begin.0
}

#[test]
fn a_slave_without_messages_gets_all_that_its_master_has_even_from_one_that_gives_its_last_segment() {
    assert_eq!(begins_at(false, false), 0);
    assert_eq!(begins_at(true, false), 0, "as a Java master is");
}

#[test]
fn the_last_segment_alone_is_copied_where_both_are_told_so() {
    assert_eq!(begins_at(true, true), 2 << 20);
}

#[test]
fn a_master_gives_a_java_slave_everything() {
    // Java's slaves do not ask for the first message, and neither does one that is told so.
    assert_eq!(begins_at(false, true), 0);
}
