//! What survives the end of a broker.

use std::{collections::BTreeSet, process::Command};

use crate::support::*;

fn up_in(data: &str) -> Command {
    let mut command = eruca();
    command.args(["up", "--data", data, "--port", "0"]);
    command
}

/// Name server and broker of the ready line of a durable `up`, which is for people.
fn started(data: &str) -> Up {
    let running = Running::start(&mut up_in(data));
    let line = running.line();
    assert!(line.starts_with("ready in "), "{line}");
    let addr_after = |part: &str| {
        let rest = line.split_once(part).unwrap_or_else(|| panic!("no {part} in {line}")).1;
        rest.split([' ', ',']).next().unwrap().to_owned()
    };
    Up { namesrv: addr_after("name server "), broker: addr_after("broker "), running }
}

#[test]
fn acknowledged_messages_survive_kill_9() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().to_str().unwrap();
    let mut wanted = Vec::new();
    for round in 0..3 {
        let up = started(dir);
        for number in 0..5 {
            let body = format!("{round}-{number}");
            up.send("durable", &body);
            wanted.push(body);
        }
        up.running.kill();
    }
    let up = started(dir);
    assert_eq!(up.consume("durable", wanted.len()), wanted);
    up.running.stop();
}

#[test]
fn a_message_sent_again_is_stored_once_also_after_kill_9() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().to_str().unwrap();
    let send = |up: &Up, id: &str, body: &str| {
        let id = format!("UNIQ_KEY={id}");
        run_ok(&["send", "-n", &up.namesrv, "-t", "once", "-p", &id, body])
    };
    let up = started(dir);
    let attribute = "+idempotent.window.seconds=600";
    run_ok(&["admin", "updateTopic", "-n", &up.namesrv, "-b", &up.broker, "-t", "once", "-a", attribute]);
    let first = send(&up, "A", "a");
    assert_eq!(send(&up, "A", "a"), first);
    send(&up, "B", "b");
    up.running.kill();
    let up = started(dir);
    assert_eq!(send(&up, "A", "a"), first);
    send(&up, "C", "c");
    assert_eq!(send(&up, "A", "a"), first);
    send(&up, "END", "end");
    let mut stored = up.consume("once", 4);
    stored.sort();
    assert_eq!(stored, ["a", "b", "c", "end"]);
    up.running.stop();
}

#[test]
fn offsets_of_a_group_survive_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().to_str().unwrap();
    let consume = |up: &Up, count: &str| -> BTreeSet<String> {
        let args =
            ["consume", "-n", &up.namesrv, "-t", "kept", "-g", "g", "--from", "first", "--count", count];
        run_ok(&args).lines().map(str::to_owned).collect()
    };
    let up = started(dir);
    ["a", "b", "c"].iter().for_each(|body| up.send("kept", body));
    assert_eq!(consume(&up, "3"), BTreeSet::from(["a", "b", "c"].map(String::from)));
    up.running.stop();
    let up = started(dir);
    up.send("kept", "d");
    assert_eq!(consume(&up, "1"), BTreeSet::from(["d".to_owned()]));
}

#[test]
fn a_directory_in_use_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().to_str().unwrap();
    let up = started(dir);
    let text = run_fails(&["up", "--data", dir, "--port", "0"]);
    assert!(text.contains("in use by another broker"), "{text}");
    up.running.stop();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let data = tempfile::tempdir().unwrap();
    let mut up = started(data.path().to_str().unwrap());
    up.running.signal("TERM");
    // It may have ended in order already; either way it ends.
    let _ = Command::new("kill").args(["-TERM", &up.running.id().to_string()]).status();
    up.running.end();
}
