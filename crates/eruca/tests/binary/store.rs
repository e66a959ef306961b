//! `eruca store`: what it prints, and that it writes nothing.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use crate::support::*;

/// Every file below a directory, with its content and the time of its last change.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(tree(&path));
        }
        let metadata = fs::metadata(&path).unwrap();
        let content = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
        all.insert(path, (content, metadata.mtime(), metadata.mtime_nsec()));
    }
    all
}

/// Where a broker keeps its data, in small files.
struct Data {
    dir: tempfile::TempDir,
    config: String,
    root: String,
}

impl Data {
    fn new() -> Data {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store").to_str().unwrap().to_owned();
        let text = format!(
            "storePathRootDir={root}\nlistenPort=0\nbrokerIP1=127.0.0.1\nmappedFileSizeCommitLog=65536\n\
             mappedFileSizeConsumeQueue=2000\n"
        );
        let config = file(dir.path(), "broker.conf", &text);
        Data { dir, config, root }
    }

    /// Name server, and a broker with 30 messages in the topics `a` and `b`.
    fn running(&self) -> (Running, Running) {
        let (_, namesrv, broker) = self.running_at();
        (namesrv, broker)
    }

    /// The same, and the name server's address.
    fn running_at(&self) -> (String, Running, Running) {
        let addr = format!("127.0.0.1:{}", free_port());
        let port = addr.split_once(':').unwrap().1;
        let namesrv = Running::start(eruca().env("HOME", self.dir.path()).args(["namesrv", "-p", port]));
        namesrv.line();
        let broker = Running::start(eruca().args(["broker", "-c", &self.config, "-n", &addr]));
        assert!(broker.line().starts_with("ready in "));
        for number in 0..30 {
            let topic = if number % 3 == 0 { "b" } else { "a" };
            run_ok(&["send", "-n", &addr, "-t", topic, &format!("body {number}"), "--tag", "x"]);
        }
        (addr, namesrv, broker)
    }
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn nothing_is_written_and_the_numbers_are_right() {
    let data = Data::new();
    let root = data.root.as_str();
    let (_namesrv, broker) = data.running();
    let output = run(&["store", "check", root, "-c", &data.config]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && text.contains("a broker works with it at this moment"), "{text}");
    assert!(text.contains("would start   no: another broker holds the lock"), "{text}");
    run_ok(&["store", "ls", root]);
    broker.stop();

    let before = tree(data.dir.path());
    let check = run_ok(&["store", "check", root, "-c", &data.config]);
    for part in
        ["written by    Eruca", "ended in order", "would start   yes", "mappedFileSizeCommitLog=65536"]
    {
        assert!(check.contains(part), "{part} in {check}");
    }
    let wrong = run(&["store", "check", root]);
    let text = String::from_utf8(wrong.stdout).unwrap();
    assert!(!wrong.status.success() && text.contains("set mappedFileSizeCommitLog=65536"), "{text}");
    let ls = run_ok(&["store", "ls", root, "--json"]);
    let of_a = ls.lines().map(json).filter(|line| line["kind"] == "queue" && line["topic"] == "a");
    assert_eq!(of_a.map(|line| line["entries"].as_u64().unwrap()).sum::<u64>(), 20);
    assert!(run_ok(&["store", "verify", root]).contains("nothing is damaged"));
    let du = run_ok(&["store", "du", root, "--json"]);
    let first = json(du.lines().next().unwrap());
    assert_eq!((first["topic"].as_str(), first["messages"].as_u64()), (Some("a"), Some(20)));
    assert!(run_ok(&["store", "du", root]).contains("of records in"));
    let dump = run_ok(&["store", "dump", root, "-t", "b"]);
    assert_eq!(dump.lines().count(), 10);
    assert!(dump.contains("tag=x") && dump.contains("\"body 27\""), "{dump}");
    let one = run_ok(&["store", "dump", root, "-t", "b", "--json", "--count", "1"]);
    assert_eq!(json(&one)["properties"]["TAGS"], "x");
    let from = json(&one)["logOffset"].to_string();
    assert_eq!(run_ok(&["store", "dump", root, "--from", &from, "--json", "--count", "1"]), one);
    assert!(run_fails(&["store", "dump", root, "-t", "nothing"]).contains("eruca store ls"));
    assert!(tree(data.dir.path()) == before, "something was written");
}

#[test]
fn a_killed_brokers_directory_is_described_and_damage_is_reported() {
    let data = Data::new();
    let root = data.root.as_str();
    let (_namesrv, broker) = data.running();
    broker.kill();
    let check = run_ok(&["store", "check", root, "-c", &data.config]);
    assert!(check.contains("did not end in order"), "{check}");
    run_ok(&["store", "verify", root]);
    let dump = run_ok(&["store", "dump", root, "-t", "a", "--json", "--count", "3"]);
    // Its queues are not in files yet.
    let third = json(dump.lines().last().unwrap());
    let at = third["logOffset"].as_u64().unwrap();
    let segment = Path::new(root).join("commitlog/00000000000000000000");
    // The first byte of that record's body.
    fs::OpenOptions::new().write(true).open(&segment).unwrap().write_all_at(b"B", at + 88).unwrap();
    let verify = run(&["store", "verify", root]);
    let text = String::from_utf8(verify.stdout).unwrap();
    assert!(!verify.status.success() && text.contains("1 defect"), "{text}");
    let line = text.lines().next().unwrap();
    let message = format!("topic a queue {} offset {}: ", third["queueId"], third["queueOffset"]);
    let expected = format!("{} at {at} (log offset {at}) {message}", segment.display());
    assert!(line.starts_with(&expected) && line.contains("CRC"), "{line}");
}

#[test]
fn what_waits_for_its_time_is_listed_and_settings_that_do_not_fit_it_are_named() {
    let data = Data::new();
    let root = data.root.as_str();
    let (addr, namesrv, broker) = data.running_at();
    assert_eq!(run_ok(&["store", "dump", root, "--timers"]), "", "nothing waits yet");
    for seconds in [3_600, 7_200] {
        let delay = format!("TIMER_DELAY_SEC={seconds}");
        run_ok(&["send", "-n", &addr, "-t", "a", "later", "-p", &delay]);
    }
    wait_until("both are taken in", || run_ok(&["store", "dump", root, "--timers"]).lines().count() == 2);
    broker.stop();
    drop(namesrv);
    let counts = json(&fs::read_to_string(Path::new(root).join("config/timermetrics")).unwrap());
    assert_eq!(counts["timingCount"]["a"]["count"], 2, "as a Java broker goes on from: {counts}");
    let before = tree(data.dir.path());
    let check = run_ok(&["store", "check", root, "-c", &data.config]);
    assert!(check.contains("timers        2 messages wait, due "), "{check}");
    let ls = run_ok(&["store", "ls", root, "--json"]);
    let timers = ls.lines().map(json).find(|line| line["kind"] == "timers").unwrap();
    assert_eq!((timers["waiting"].as_i64(), timers["nextToTake"].as_i64()), (Some(2), Some(2)));
    let apart = timers["lastDue"].as_i64().unwrap() - timers["firstDue"].as_i64().unwrap();
    assert!((3_600_000..3_660_000).contains(&apart), "{apart} ms");
    assert!(run_ok(&["store", "ls", root]).contains("timer log"));
    let one = json(&run_ok(&["store", "dump", root, "--timers", "--json", "--count", "1"]));
    assert_eq!((one["kind"].as_str(), one["pos"].as_u64()), (Some("deliver"), Some(0)));
    let other = data.config.replace("broker.conf", "other.conf");
    let text =
        fs::read_to_string(&data.config).unwrap() + "timerPrecisionMs=500\nmappedFileSizeTimerLog=8192\n";
    fs::write(&other, text).unwrap();
    let wrong = run(&["store", "check", root, "-c", &other]);
    let text = String::from_utf8(wrong.stdout).unwrap();
    assert!(!wrong.status.success() && text.contains("set timerPrecisionMs=1000"), "{text}");
    assert!(text.contains("set mappedFileSizeTimerLog=104857600"), "{text}");
    fs::remove_file(&other).unwrap();
    let after = tree(data.dir.path());
    assert!(
        after.iter().filter(|(path, _)| path.is_file()).eq(before.iter().filter(|(path, _)| path.is_file()))
    );
}

#[test]
fn what_is_no_store_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    for command in ["check", "ls", "dump", "verify", "du"] {
        let text = run_fails(&["store", command, path]);
        assert!(text.contains(&format!("{path} holds no store")), "{command}: {text}");
    }
    assert_eq!(fs::read_dir(path).unwrap().count(), 0);
}
