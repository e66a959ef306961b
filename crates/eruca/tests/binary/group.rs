//! A group of brokers whose master is elected.

use std::{path::Path, process::Command};

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

fn broker(dir: &Path, number: usize, namesrv: &str, controller: &str) -> Command {
    let more = format!(
        "brokerId=-1\nbrokerRole=SLAVE\nenableControllerMode=true\ncontrollerAddr={controller}\nallAckInSyncStateSet=true\n"
    );
    broker_with(dir, number, namesrv, &more)
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
    let (port, namesrv_port) = (free_port(), free_port());
    let (controller, addr) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{namesrv_port}"));
    let conf = format!(
        "bindAddress=127.0.0.1\nenableControllerInNamesrv=true\nlistenPort={namesrv_port}\ncontrollerDLegerGroup=g\n\
         controllerDLegerPeers=n0-{controller}\ncontrollerDLegerSelfId=n0\ncontrollerStorePath={}\n",
        temp.path().join("controller").display()
    );
    let conf = file(temp.path(), "namesrv.conf", &conf);
    let namesrv = Running::start(eruca().env("HOME", temp.path()).args(["namesrv", "-c", &conf]));
    namesrv.line();
    // It had no controller before.
    let alone = Running::start(&mut broker_with(temp.path(), 0, &addr, "brokerId=0\n"));
    assert!(alone.line().starts_with("ready in "));
    send(&addr, "before");
    alone.stop();
    let mut brokers = Vec::new();
    for number in 0..2 {
        let broker = Running::start(&mut broker(temp.path(), number, &addr, &controller));
        assert!(broker.line().starts_with("ready in "));
        brokers.push(Some(broker));
    }
    wait_until("both are in sync", || group(&controller).1 == 2);
    send(&addr, "first");

    let (master, _) = group(&controller);
    let is_master = |broker: &Running| broker.stderr().contains("this broker is the master of its group now");
    let killed = brokers.iter().position(|broker| broker.as_ref().is_some_and(is_master)).unwrap();
    brokers[killed].take().unwrap().kill();
    wait_until("another one is master", || ![&master, "-1", ""].contains(&group(&controller).0.as_str()));
    send(&addr, "second");
    assert_eq!(consume(&addr, "3"), ["before", "first", "second"]);

    brokers[killed] = Some(Running::start(&mut broker(temp.path(), killed, &addr, &controller)));
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
