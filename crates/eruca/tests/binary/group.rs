//! A group of brokers whose master is elected.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use eruca_client::{Message, Producer};

use crate::support::*;

/// `more`: what makes it a member of a group with a controller, or the master that it was before.
fn broker_with(dir: &Path, number: usize, namesrv: &str, more: &str) -> Command {
    let home = dir.join(format!("broker{number}"));
    std::fs::create_dir_all(&home).unwrap();
    let conf = format!(
        "brokerClusterName=c\nbrokerName=broker-a\nlistenPort=0\nbindAddress=127.0.0.1\nstorePathRootDir={}\n\
         mappedFileSizeCommitLog=1048576\n{more}",
        home.join("store").display()
    );
    let mut command = eruca();
    command.args(["broker", "-c", &file(&home, "broker.conf", &conf), "-n", namesrv]);
    command
}

fn broker(dir: &Path, number: usize, namesrv: &str, controller: &str, all_ack: bool) -> Command {
    let more = format!(
        "brokerId=-1\nbrokerRole=SLAVE\nenableControllerMode=true\ncontrollerAddr={controller}\nallAckInSyncStateSet={all_ack}\n"
    );
    broker_with(dir, number, namesrv, &more)
}

/// A name server with a controller, and where both are.
fn name_server(dir: &Path) -> (Running, String, String) {
    let (port, namesrv_port) = (free_port(), free_port());
    let (controller, addr) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{namesrv_port}"));
    let conf = format!(
        "bindAddress=127.0.0.1\nenableControllerInNamesrv=true\nlistenPort={namesrv_port}\ncontrollerDLegerGroup=g\n\
         controllerDLegerPeers=n0-{controller}\ncontrollerDLegerSelfId=n0\ncontrollerStorePath={}\n",
        dir.join("controller").display()
    );
    let namesrv =
        Running::start(eruca().env("HOME", dir).args(["namesrv", "-c", &file(dir, "namesrv.conf", &conf)]));
    namesrv.line();
    (namesrv, addr, controller)
}

/// Number of the master, and how many brokers are in sync.
fn group(controller: &str) -> (String, usize) {
    let shown = run(&["admin", "getSyncStateSet", "-a", controller, "-b", "broker-a"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let master = text.lines().find_map(|line| line.strip_prefix("#MasterBrokerId\t")).unwrap_or_default();
    (master.to_owned(), text.matches("\nInSyncReplica:").count())
}

fn send(namesrv: &str, body: &str) {
    wait_until("the master takes messages", || {
        run(&["send", "-n", namesrv, "-t", "kept", body]).status.success()
    });
}

fn consume(namesrv: &str, count: &str) -> Vec<String> {
    let consumed = run_ok(&["consume", "-n", namesrv, "-t", "kept", "--from", "first", "--count", count]);
    let mut bodies: Vec<String> = consumed.lines().map(str::to_owned).collect();
    bodies.sort();
    bodies
}

#[test]
fn a_master_that_dies_has_a_successor_with_all_that_was_acknowledged() {
    let temp = tempfile::tempdir().unwrap();
    let (_namesrv, addr, controller) = name_server(temp.path());
    // It had no controller before.
    let alone = Running::start(&mut broker_with(temp.path(), 0, &addr, "brokerId=0\n"));
    assert!(alone.line().starts_with("ready in "));
    send(&addr, "before");
    alone.stop();
    let mut brokers = Vec::new();
    for number in 0..2 {
        let broker = Running::start(&mut broker(temp.path(), number, &addr, &controller, true));
        assert!(broker.line().starts_with("ready in "));
        brokers.push(Some(broker));
    }
    wait_until("both are in sync", || group(&controller).1 == 2);
    send(&addr, "first");

    let (master, _) = group(&controller);
    let is_master = |broker: &Running| broker.stderr().contains("this broker is the master of its group now");
    let killed = brokers.iter().position(|broker| broker.as_ref().is_some_and(is_master)).unwrap();
    // Its slave asks for topics every three seconds, and does not know this one.
    run_ok(&["send", "-n", &addr, "-t", "young", "last words"]);
    brokers[killed].take().unwrap().kill();
    wait_until("another one is master", || ![&master, "-1", ""].contains(&group(&controller).0.as_str()));
    send(&addr, "second");
    assert_eq!(consume(&addr, "3"), ["before", "first", "second"]);
    let young = ["consume", "-n", &addr, "-t", "young", "--from", "first", "--count", "1"];
    assert_eq!(Running::start(eruca().args(young)).line(), "last words");

    brokers[killed] = Some(Running::start(&mut broker(temp.path(), killed, &addr, &controller, true)));
    wait_until("it is in sync again", || group(&controller).1 == 2);
    let epochs = run_ok(&["admin", "getBrokerEpoch", "-n", &addr, "-b", "broker-a"]);
    let of_each: Vec<&str> = epochs.lines().filter(|line| line.starts_with("#Epoch: ")).collect();
    assert_eq!(of_each.len(), 4, "{epochs}");
    assert_eq!(of_each[..2], of_each[2..], "two epochs, the same at both");

    // Planned: nothing is lost, either.
    run_ok(&["admin", "electMaster", "-a", &controller, "-c", "c", "-bn", "broker-a", "-b", &master]);
    assert_eq!(group(&controller).0, master);
    send(&addr, "third");
    assert_eq!(consume(&addr, "4"), ["before", "first", "second", "third"]);
    wait_until("both are in sync again", || group(&controller).1 == 2);
}

/// Sends until it is told to stop; what was acknowledged.
fn load(namesrv: String, is_over: Arc<AtomicBool>, acknowledged: Arc<Mutex<BTreeSet<String>>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let builder = Producer::builder().name_servers(namesrv).group("load");
        let producer = Arc::new(builder.build().await.unwrap());
        let mut senders = tokio::task::JoinSet::new();
        for sender in 0..16 {
            let (producer, is_over, acknowledged) = (producer.clone(), is_over.clone(), acknowledged.clone());
            senders.spawn(async move {
                for number in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let body = format!("{sender}-{number}");
                    // Refused while there is no master, or while the client knows the old one.
                    if producer.send(Message::new("kept", body.clone())).await.is_ok() {
                        acknowledged.lock().unwrap().insert(body);
                    }
                }
            });
        }
        senders.join_all().await;
    });
}

#[test]
fn a_planned_change_loses_nothing_where_nobody_waits_for_slaves() {
    let temp = tempfile::tempdir().unwrap();
    let (_namesrv, addr, controller) = name_server(temp.path());
    let start = |number| {
        let broker = Running::start(&mut broker(temp.path(), number, &addr, &controller, false));
        assert!(broker.line().starts_with("ready in "));
        broker
    };
    let brokers = [start(0), start(1)];
    wait_until("both are in sync", || group(&controller).1 == 2);
    send(&addr, "first");

    let (is_over, acknowledged) =
        (Arc::new(AtomicBool::new(false)), Arc::<Mutex<BTreeSet<String>>>::default());
    let loading = std::thread::spawn({
        let (addr, is_over, acknowledged) = (addr.clone(), is_over.clone(), acknowledged.clone());
        move || load(addr, is_over, acknowledged)
    });
    for _ in 0..6 {
        let count = || acknowledged.lock().unwrap().len();
        let before = count();
        wait_until("messages are acknowledged", || count() > before + 500);
        wait_until("both are in sync", || group(&controller).1 == 2);
        let other = if group(&controller).0 == "1" { "2" } else { "1" };
        run_ok(&["admin", "electMaster", "-a", &controller, "-c", "c", "-bn", "broker-a", "-b", other]);
        assert_eq!(group(&controller).0, other);
    }
    is_over.store(true, Ordering::Relaxed);
    loading.join().unwrap();

    let mut missing = acknowledged.lock().unwrap().clone();
    assert!(missing.len() > 3_000, "{}", missing.len());
    let mut consumer = eruca();
    let consumer = Running::start(consumer.args(["consume", "-n", &addr, "-t", "kept", "--from", "first"]));
    while !missing.is_empty() {
        // Fails where nothing comes any more.
        missing.remove(&consumer.line());
    }
    for broker in &brokers {
        let told = broker.stderr();
        assert!(told.contains("the successor has all of the log"), "each was asked to hand over: {told}");
        assert!(!told.contains("created again"), "the topic was known: {told}");
    }
}
