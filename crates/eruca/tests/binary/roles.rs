//! Name servers and brokers as processes of their own.

use std::{path::Path, process::Command};

use crate::support::*;

fn namesrv(home: &Path, port: u16) -> Running {
    let mut command = eruca();
    Running::start(command.env("HOME", home).args(["namesrv", "-p", &port.to_string()]))
}

fn broker(dir: &Path, namesrv: &str) -> Command {
    let conf = format!(
        "brokerClusterName=c\nbrokerName=broker-a\nlistenPort=0\nbrokerIP1=127.0.0.1\nstorePathRootDir={}\n\
         mappedFileSizeCommitLog=1048576\nregisterNameServerPeriod=10000\n",
        dir.join("store").display()
    );
    let mut command = eruca();
    command.args(["broker", "-c", &file(dir, "broker.conf", &conf), "-n", namesrv]);
    command
}

#[test]
fn a_broker_waits_for_its_name_server_and_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let port = free_port();
    let addr = format!("127.0.0.1:{port}");
    let broker = Running::start(&mut broker(temp.path(), &addr));
    broker.wait_for_stderr("not ready");
    assert!(!broker.has_printed(), "nothing is ready yet");
    let namesrv = namesrv(temp.path(), port);
    assert!(namesrv.line().contains(&format!("name server 0.0.0.0:{port}")));
    let line = broker.line();
    assert!(line.starts_with("ready in ") && line.contains("127.0.0.1:"), "{line}");

    run_ok(&["send", "-n", &addr, "-t", "apart", "works"]);
    let consumed = run_ok(&["consume", "-n", &addr, "-t", "apart", "--from", "first", "--count", "1"]);
    assert_eq!(consumed, "works\n");
    let health = run_ok(&["health", "-n", &addr]);
    assert!(health.starts_with("broker 127.0.0.1:") && health.ends_with(" takes messages\n"), "{health}");
    let silent = run(&["health", "-n", &addr, "-b", "127.0.0.1:1"]);
    assert_eq!(silent.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&silent.stdout).contains("127.0.0.1:1 does not answer"));

    broker.stop();
    let clusters = run_ok(&["admin", "clusterList", "-n", &addr]);
    assert!(!clusters.contains("broker-a"), "it has unregistered: {clusters}");
    assert!(run_fails(&["health", "-n", &addr]).contains("knows no broker"));
    namesrv.stop();
}

#[test]
fn a_broker_that_loses_its_name_server_says_so_and_when_it_is_back() {
    let temp = tempfile::tempdir().unwrap();
    let port = free_port();
    let addr = format!("127.0.0.1:{port}");
    let first = namesrv(temp.path(), port);
    first.line();
    // A second name server that is never there: one is enough.
    let broker = Running::start(&mut broker(temp.path(), &format!("127.0.0.1:1;{addr}")));
    assert!(broker.line().starts_with("ready"));
    first.kill();
    broker.wait_for_stderr("no name server knows this broker any more");
    let second = namesrv(temp.path(), port);
    second.line();
    let again = broker.line();
    assert!(again.starts_with("ready"), "{again}");
    run_ok(&["send", "-n", &addr, "-t", "again", "works"]);
    broker.stop();
    second.stop();
}
