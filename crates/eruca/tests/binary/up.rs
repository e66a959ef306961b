//! `eruca up`, and messages through it.

use std::{fs, process::Stdio};

use crate::support::*;

#[test]
fn a_message_goes_through_and_nothing_is_left_behind() {
    let temp = tempfile::tempdir().unwrap();
    let up = Up::ephemeral(|command| {
        command.env("TMPDIR", temp.path());
    });
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1, "data lies in the temporary directory");
    up.send("hello", "hi");
    assert_eq!(up.consume("hello", 1), ["hi"]);
    let Up { running, namesrv, broker } = up;
    running.stop();
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    assert!(!is_listening(&namesrv) && !is_listening(&broker));
}

#[test]
fn the_second_port_of_the_broker_answers_too() {
    let up = Up::ephemeral(|_| {});
    let (host, port) = up.broker.rsplit_once(':').unwrap();
    let vip = format!("{host}:{}", port.parse::<u16>().unwrap() - 2);
    let status = |addr: &str| run_ok(&["admin", "brokerStatus", "-n", &up.namesrv, "-b", addr]);
    for addr in [&up.broker, &vip] {
        let status = status(addr);
        assert!(status.contains("bootTimestamp"), "{addr}: {status}");
    }
}

#[test]
fn messages_have_tags_and_keys_and_come_from_standard_input() {
    let up = Up::ephemeral(|_| {});
    run_ok(&["send", "-n", &up.namesrv, "-t", "tagged", "--tag", "a", "--keys", "k1 k2", "one"]);
    run_ok(&["send", "-n", &up.namesrv, "-t", "tagged", "--tag", "b", "two"]);
    let args =
        ["consume", "-n", &up.namesrv, "-t", "tagged", "--tag", "b", "--from", "first", "--count", "1"];
    assert_eq!(run_ok(&args), "two\n");

    let mut sending = eruca();
    sending.args(["send", "-n", &up.namesrv, "-t", "tagged", "--tag", "c", "-"]);
    let mut sending = Running::start(sending.stdin(Stdio::piped()));
    std::io::Write::write_all(&mut sending.stdin.take().unwrap(), b"three").unwrap();
    assert!(sending.end().success(), "{}", sending.stderr());
    let args =
        ["consume", "-n", &up.namesrv, "-t", "tagged", "--tag", "c", "--from", "first", "--count", "1"];
    assert_eq!(run_ok(&args), "three\n");
}

#[test]
fn messages_are_chosen_by_their_properties() {
    let up = Up::ephemeral(|_| {});
    for (n, body) in [("4", "four"), ("6", "six"), ("8", "eight")] {
        let property = format!("n={n}");
        run_ok(&["send", "-n", &up.namesrv, "-t", "numbers", "--property", &property, body]);
    }
    let consume = |sql: &str, group: &[&str]| {
        let args = ["consume", "-n", &up.namesrv, "-t", "numbers", "--count", "1", "--sql", sql];
        eruca().args(args).args(group).output().unwrap()
    };
    for group in [&[][..], &["-g", "readers"]] {
        let chosen = consume("n > 5 AND n <> '8'", group);
        assert_eq!(String::from_utf8_lossy(&chosen.stdout), "six\n");
        let refused = consume("n > 5 AND", group);
        let says = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && says.contains("at character 10: expected a property"), "{says}");
    }
}

#[test]
fn a_group_goes_on_where_it_stopped() {
    let up = Up::ephemeral(|_| {});
    up.send("progress", "one");
    let args =
        ["consume", "-n", &up.namesrv, "-t", "progress", "-g", "readers", "--from", "first", "--count", "1"];
    assert_eq!(run_ok(&args), "one\n");
    up.send("progress", "two");
    assert_eq!(run_ok(&args), "two\n");
}

#[test]
fn the_end_of_its_parents_pipe_is_the_end_of_an_ephemeral_one() {
    let temp = tempfile::tempdir().unwrap();
    let mut up = Up::ephemeral(|command| {
        command.env("TMPDIR", temp.path()).stdin(Stdio::piped());
    });
    drop(up.running.stdin.take());
    assert!(up.running.end().success(), "{}", up.running.stderr());
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn admin_commands_work_under_both_names() {
    let up = Up::ephemeral(|_| {});
    up.send("routed", "x");
    let route = run_ok(&["admin", "topicRoute", "-n", &up.namesrv, "-t", "routed"]);
    assert!(route.contains("\"brokerDatas\"") && route.contains(&up.broker), "{route}");

    let temp = tempfile::tempdir().unwrap();
    let link = temp.path().join("mqadmin");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_eruca"), &link).unwrap();
    let output =
        std::process::Command::new(link).args(["topicRoute", "-n", &up.namesrv, "-t", "routed"]).output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), route);
}

#[test]
fn the_broker_has_the_keys_of_the_command_line() {
    let up = Up::ephemeral(|command| {
        command.args(["--set", "enableLmq=true", "--set", "recallMessageEnable = true"]);
    });
    let config = run_ok(&["admin", "getBrokerConfig", "-n", &up.namesrv, "-b", &up.broker]);
    for (key, value) in
        [("enableLmq", "true"), ("recallMessageEnable", "true"), ("flushDiskType", "SYNC_FLUSH")]
    {
        let has = |line: &str| {
            let mut words = line.split_whitespace();
            (words.next(), words.next(), words.next()) == (Some(key), Some("="), Some(value))
        };
        assert!(config.lines().any(has), "{key}: {config}");
    }
}
