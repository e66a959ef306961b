//! A group with a controller, played by the test, over real sockets and files.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use eruca_message::{Clock, LogOffset, SystemClock, Timestamp};
use eruca_store::{MessageStore, RealDisk, StoreConfig};
use tokio::sync::watch;

use super::{
    Replicas, Replication, ReplicationParts,
    testing::{send, settings},
};
use crate::{
    auto_switch::{Answer, Ask, Effect, Epochs, GroupView, Identity, Member, MemberTimes},
    group::{GroupCopy, GroupLog, GroupParts},
    in_sync::{Outcome, WHOLE_SET},
};

/// A hang ends.
const BOUND: Duration = Duration::from_secs(60);

struct Node {
    id: i64,
    store: Arc<MessageStore>,
    group: Arc<GroupLog>,
    replication: Replication,
    master: watch::Sender<Option<String>>,
    cuts: Arc<AtomicUsize>,
    _directory: tempfile::TempDir,
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + BOUND;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

fn view(master: i64, epoch: i32, members: &[i64], set_epoch: i32) -> GroupView {
    let members: BTreeSet<i64> = members.iter().copied().collect();
    GroupView { master: Some((master, format!("host{master}:1"))), epoch, members, set_epoch }
}

impl Node {
    fn new(id: i64) -> Node {
        let directory = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            segment_size_bytes: 64 << 10,
            disk_warning_ratio: 1.0,
            ..StoreConfig::new(directory.path())
        };
        let (store, _) = MessageStore::open(config, Arc::new(RealDisk), Arc::new(SystemClock)).unwrap();
        let store = Arc::new(store);
        store.set_replica(true).unwrap();
        let times =
            MemberTimes { poll_ms: 1, check_set_ms: 1, retry_ms: 1, lag_max_ms: 15_000, lease_ms: 8_000 };
        let parts = GroupParts {
            store: store.clone(),
            epochs: Epochs::default(),
            keep: Box::new(|_| Ok(())),
            member: Member::new(Identity::Own(id), format!("host{id}:1"), times),
            clock: Arc::new(SystemClock),
        };
        let group = Arc::new(GroupLog::new(parts));
        let cuts: Arc<AtomicUsize> = Arc::default();
        let counted = cuts.clone();
        group.on_cut(Box::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        }));
        let clock = Arc::new(SystemClock);
        let replicas = Replicas::new(store.clone(), clock, || settings(false), Some(group.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (master, copied) = watch::channel(None);
        let parts = ReplicationParts { replicas, listener, master: copied };
        let replication = Replication::start(parts).unwrap();
        Node { id, store, group, replication, master, cuts, _directory: directory }
    }

    /// The controller answers a question for the view.
    fn told(&self, view: &GroupView) -> Vec<Effect> {
        let now = SystemClock.now();
        let register = Ask::Register { id: self.id };
        self.group.with_member(|member| {
            member.answered(&register, Answer::View(GroupView::default()), now, now);
            member.answered(&Ask::Elect { id: self.id }, Answer::View(view.clone()), now, now)
        })
    }

    fn reign(&self, epoch: i32, members: &[i64], set_epoch: i32) {
        self.master.send_replace(None);
        let view = view(self.id, epoch, members, set_epoch);
        assert_eq!(self.told(&view), [Effect::Reign(view.clone())]);
        self.group.reign(epoch, || self.store.set_replica(false)).unwrap();
    }

    fn follow(&self, master: &Node, epoch: i32) {
        self.told(&view(master.id, epoch, &[master.id], epoch));
        self.store.set_replica(true).unwrap();
        self.group.follow(epoch);
        self.replication.replicas().tell_group();
        self.master.send_replace(Some(master.replication.listen_addr().to_string()));
    }

    /// The controller accepts what the master proposes next.
    fn grow(&self, members: &[i64], set_epoch: i32) {
        let members: BTreeSet<i64> = members.iter().copied().collect();
        wait_for("a proposal", || {
            let end = self.store.log_range().1;
            let now = SystemClock.now();
            let ask = self.group.with_member(|member| member.next(end, now));
            let Some(Ask::Alter { proposal, .. }) = &ask else {
                if let Some(ask) = ask {
                    let view = self.group.with_member(|member| member.view().clone());
                    self.group.with_member(|member| member.answered(&ask, Answer::View(view), now, now));
                }
                return false;
            };
            assert_eq!(proposal.members, members);
            let set = GroupView { members: members.clone(), set_epoch, ..GroupView::default() };
            self.group
                .with_member(|member| member.answered(ask.as_ref().unwrap(), Answer::View(set), now, now));
            true
        });
        self.replication.replicas().tell_group();
    }

    fn send(&self, body: &[u8]) -> LogOffset {
        send(&self.store, body)
    }

    fn log(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut at = LogOffset(0);
        // An error is a cut in the midst.
        while let Ok(read @ 1..) = self.store.read_raw_log(at, 1 << 20, &mut bytes) {
            at = at.add_bytes(read as u64);
        }
        bytes
    }

    /// The outcome of a wait for the whole set.
    fn acknowledged(&self, end: LogOffset) -> mpsc::Receiver<Outcome> {
        let (tell, told) = mpsc::channel();
        let waiter = Box::new(move |outcome| tell.send(outcome).unwrap());
        self.replication.replicas().wait(end, WHOLE_SET, 60_000, waiter);
        told
    }

    fn seen(&self) -> u64 {
        self.store.readable_queue_range("T", 0).max.0
    }
}

#[test]
fn what_a_dead_master_alone_had_is_cut_off_and_was_never_seen() {
    let (one, two) = (Node::new(1), Node::new(2));
    one.reign(1, &[1], 1);
    let first = one.send(b"first");
    assert_eq!(one.acknowledged(first).recv_timeout(BOUND), Ok(Outcome::Replicated), "it is alone");
    assert_eq!(one.seen(), 1);
    two.follow(&one, 1);
    wait_for("the copy", || two.store.log_range().1 == first);
    one.grow(&[1, 2], 2);
    let second = one.send(b"second");
    assert_eq!(one.acknowledged(second).recv_timeout(BOUND), Ok(Outcome::Replicated));
    wait_for("the slave's readers", || two.seen() == 2);
    assert_eq!(one.seen(), 2);

    // The slave is cut off, what comes now is the old master's alone.
    two.master.send_replace(None);
    wait_for("the end of the connection", || one.replication.replicas().status().slaves.is_empty());
    let third = one.send(b"third");
    let lost = one.acknowledged(third);
    assert_eq!((one.seen(), lost.try_recv()), (2, Err(mpsc::TryRecvError::Empty)));

    two.reign(2, &[2], 3);
    let other = two.send(b"other");
    assert_eq!(two.acknowledged(other).recv_timeout(BOUND), Ok(Outcome::Replicated));
    one.follow(&two, 2);
    wait_for("the cut and the copy", || one.log() == two.log());
    wait_for("the new master's message", || one.seen() == 3);
    assert_eq!(one.cuts.load(Ordering::SeqCst), 1);
    assert_eq!(one.group.epochs(), two.group.epochs());
    assert!(matches!(lost.recv_timeout(BOUND), Ok(Outcome::Missing(_))));
}

#[test]
fn a_slave_whose_connection_outlives_an_election_of_the_same_master_comes_back_into_the_set() {
    let (one, two) = (Node::new(1), Node::new(2));
    one.reign(1, &[1], 1);
    let first = one.send(b"first");
    two.follow(&one, 1);
    wait_for("the copy", || two.store.log_range().1 == first);
    one.grow(&[1, 2], 2);
    one.reign(2, &[1], 3);
    one.send(b"second");
    one.grow(&[1, 2], 4);
    wait_for("the slave's readers", || two.seen() == 2);
}

#[test]
fn what_a_slave_writes_as_the_next_master_acknowledges_nothing_to_the_one_before() {
    let (one, two) = (Node::new(1), Node::new(2));
    one.reign(1, &[1], 1);
    let first = one.send(b"first");
    two.follow(&one, 1);
    wait_for("the copy", || two.store.log_range().1 == first);
    two.master.send_replace(None);
    let copy = GroupCopy::begin(two.group.clone()).unwrap();
    two.reign(2, &[2], 3);
    let end = two.send(b"second");
    assert_eq!(copy.has(end), first);
}

#[test]
fn a_master_alone_goes_on_and_a_lease_is_needed_with_others() {
    let one = Node::new(1);
    let before = SystemClock.now();
    one.reign(1, &[1, 2], 1);
    let after = SystemClock.now();
    let sent = one.send(b"first");
    assert_eq!(one.seen(), 0, "2 lacks it and may be elected");
    assert!(one.group.has_lease(before.add_ms(7_999)));
    assert!(!one.group.has_lease(after.add_ms(8_000)));
    one.group.with_member(Member::lost_controller);
    one.replication.replicas().tell_group();
    assert!(!one.group.has_lease(Timestamp(0)));
    one.grow(&[1], 2);
    assert_eq!((one.seen(), one.group.confirmed()), (1, sent));
    assert!(one.group.has_lease(Timestamp(i64::MAX - 1)), "nobody else can be elected");
}

#[test]
fn after_a_restart_readers_see_what_was_confirmed_before_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let config = StoreConfig {
            segment_size_bytes: 64 << 10,
            disk_warning_ratio: 1.0,
            ..StoreConfig::new(directory.path())
        };
        Arc::new(MessageStore::open(config, Arc::new(RealDisk), Arc::new(SystemClock)).unwrap().0)
    };
    let store = open();
    let confirmed = send(&store, b"seen");
    store.note_confirmed(Some(confirmed));
    send(&store, b"not confirmed");
    store.close().unwrap();
    drop(store);
    let store = open();
    let times = MemberTimes { poll_ms: 1, check_set_ms: 1, retry_ms: 1, lag_max_ms: 15_000, lease_ms: 8_000 };
    let group = GroupLog::new(GroupParts {
        store: store.clone(),
        epochs: Epochs::default(),
        keep: Box::new(|_| Ok(())),
        member: Member::new(Identity::Own(1), "host1:1".to_owned(), times),
        clock: Arc::new(SystemClock),
    });
    assert_eq!((group.confirmed(), store.read_limit()), (confirmed, Some(confirmed)));
}
