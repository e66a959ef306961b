//! A master and its slaves in one process, over real sockets and files.

use std::{
    net::TcpListener,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use eruca_message::{LogOffset, SystemClock};
use eruca_store::{MessageStore, RealDisk, StoreConfig};
use tokio::sync::watch;

use super::{
    Replicas, Replication, ReplicationParts,
    testing::{send, settings},
};
use crate::in_sync::Outcome;

/// A hang ends.
const BOUND: Duration = Duration::from_secs(60);

struct Node {
    store: Arc<MessageStore>,
    replication: Replication,
    master: watch::Sender<Option<String>>,
    directory: Arc<tempfile::TempDir>,
}

fn node(directory: Arc<tempfile::TempDir>, is_slave: bool) -> Node {
    let config = StoreConfig {
        segment_size_bytes: 64 << 10,
        disk_warning_ratio: 1.0,
        ..StoreConfig::new(directory.path())
    };
    let (store, _) = MessageStore::open(config, Arc::new(RealDisk), Arc::new(SystemClock)).unwrap();
    let store = Arc::new(store);
    store.set_replica(is_slave).unwrap();
    let replicas = Replicas::new(store.clone(), Arc::new(SystemClock), move || settings(is_slave), None);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (master, copied) = watch::channel(None);
    let replication = Replication::start(ReplicationParts { replicas, listener, master: copied }).unwrap();
    Node { store, replication, master, directory }
}

fn new_node(is_slave: bool) -> Node {
    node(Arc::new(tempfile::tempdir().unwrap()), is_slave)
}

impl Node {
    fn send(&self, body: &[u8]) -> LogOffset {
        send(&self.store, body)
    }

    fn follow(&self, master: &Node) {
        self.master.send_replace(Some(master.replication.listen_addr().to_string()));
    }

    fn log(&self, from: LogOffset) -> Vec<u8> {
        let (mut at, mut bytes) = (from, Vec::new());
        loop {
            match self.store.read_raw_log(at, 1 << 20, &mut bytes).unwrap() {
                0 => return bytes,
                read => at = at.add_bytes(read as u64),
            }
        }
    }

    /// Stops and starts again over the same directory.
    fn restart(self) -> Node {
        let Node { store, replication, directory, .. } = self;
        replication.stop();
        store.close().unwrap();
        node(directory, true)
    }

    fn wait(&self, end: LogOffset, slaves: usize, timeout_ms: i64) -> Outcome {
        let (said, outcome) = mpsc::channel();
        let waiter = Box::new(move |outcome| said.send(outcome).unwrap());
        self.replication.replicas().wait(end, slaves, timeout_ms, waiter);
        outcome.recv_timeout(BOUND).unwrap()
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < BOUND, "{what} did not come");
        std::thread::yield_now();
    }
}

fn same(master: &Node, slave: &Node) {
    let end = master.store.log_range().1;
    until("the end of the log", || slave.store.log_range().1 == end);
    let begin = slave.store.log_range().0;
    assert!(master.log(begin) == slave.log(begin), "the logs are the same");
    assert_eq!(master.store.queue_range("T", 0).max, slave.store.queue_range("T", 0).max);
}

#[test]
fn slaves_get_what_there_is_and_what_comes_and_go_on_after_a_restart() {
    let (master, first, second) = (new_node(false), new_node(true), new_node(true));
    first.follow(&master);
    let end = (0..40u8).map(|number| master.send(&vec![number; 5000])).last().unwrap();
    assert_eq!(master.wait(end, 1, 60_000), Outcome::Replicated);
    second.follow(&master);
    assert_eq!(master.wait(end, 2, 60_000), Outcome::Replicated);
    same(&master, &first);
    same(&master, &second);
    let begins = [&first, &second].map(|node| node.store.log_range().0.0);
    assert_eq!(begins, [0, 0], "the second came when there were four segments");
    let first = first.restart();
    let end = (0..40u8).map(|number| master.send(&vec![number; 5000])).last().unwrap();
    first.follow(&master);
    assert_eq!(master.wait(end, 2, 60_000), Outcome::Replicated);
    same(&master, &first);
    let status = master.replication.replicas().status();
    assert_eq!((status.slaves.len(), status.copy, status.log_end), (2, None, end));
    assert!(status.slaves.iter().all(|(slave, is_near)| *is_near && slave.acknowledged == Some(end)));
    assert_eq!(master.replication.replicas().copies_in_sync(), 3);
    let copy = first.replication.replicas().status().copy.unwrap();
    assert!(copy.connected_since.is_some() && copy.failure.is_none());
}

#[test]
fn the_lag_of_a_slave_is_the_age_of_the_first_message_it_lacks() {
    let master = new_node(false);
    let replicas = master.replication.replicas();
    let _bell = replicas.joined(7, "10.0.0.7:1".to_owned());
    let lacks_since = || replicas.status().slaves[0].0.lacks_since;
    let stored_at = |at: LogOffset| {
        let record = master.store.record_at(at).unwrap().unwrap();
        eruca_message::Record::decode(&record).unwrap().fields.store_timestamp
    };
    let first = master.send(b"x");
    assert_eq!(lacks_since(), Some(stored_at(LogOffset(0))), "it has nothing");
    replicas.acknowledged(7, first);
    assert_eq!(lacks_since(), None, "it has all");
    let ends: Vec<LogOffset> = (0..20u8).map(|number| master.send(&vec![number; 5000])).collect();
    assert_eq!(lacks_since(), Some(stored_at(first)));
    // The end of a file, behind which a record did not fit.
    let last = *ends.iter().take_while(|end| end.0 < 64 << 10).last().unwrap();
    replicas.acknowledged(7, last);
    assert_eq!(lacks_since(), Some(stored_at(LogOffset(64 << 10))));
    // A Java slave copies bytes.
    replicas.acknowledged(7, LogOffset(last.0 - 10));
    assert_eq!(lacks_since(), None, "in the midst of a record");
}

#[test]
fn who_waits_for_a_slave_that_is_not_there_is_told_in_time() {
    let master = new_node(false);
    let end = master.send(b"x");
    let Outcome::Missing(text) = master.wait(end, 1, 30) else { panic!() };
    assert!(text.contains("0 slaves are connected"), "{text}");
    assert_eq!(master.replication.replicas().copies_in_sync(), 1);
}

#[test]
fn a_slave_that_has_more_is_refused_by_name_and_keeps_what_it_has() {
    let (master, other, slave) = (new_node(false), new_node(false), new_node(true));
    for _ in 0..3 {
        other.send(b"of another master");
    }
    slave.follow(&other);
    same(&other, &slave);
    master.send(b"x");
    slave.follow(&master);
    until("the refusal", || {
        let copy = slave.replication.replicas().status().copy;
        copy.and_then(|copy| copy.failure).is_some_and(|why| why.contains("what the master has not"))
    });
    assert_eq!(slave.store.log_range().1, other.store.log_range().1);
    // With its own master it goes on.
    other.send(b"more");
    slave.follow(&other);
    same(&other, &slave);
}

#[test]
fn a_stranger_is_sent_away() {
    use std::io::{Read, Write};
    let master = new_node(false);
    let mut stranger = std::net::TcpStream::connect(master.replication.listen_addr()).unwrap();
    stranger.write_all(&[0xFF; 64]).unwrap();
    stranger.set_read_timeout(Some(BOUND)).unwrap();
    let mut bytes = Vec::new();
    assert!(stranger.read_to_end(&mut bytes).is_err() || bytes.is_empty());
}
