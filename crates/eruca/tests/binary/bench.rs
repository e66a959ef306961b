//! `eruca bench` against `eruca up`.

use serde_json::Value;

use super::support::{Running, Up, eruca, run_fails, run_ok};

fn bench(up: &Up, args: &[&str]) -> Value {
    let pid = up.running.id().to_string();
    let fixed = ["-n", &up.namesrv, "--quiet", "--json", "-", "--broker-pid", &pid];
    let words: Vec<&str> = ["bench"].iter().chain(args).copied().chain(fixed).collect();
    let report: Value = serde_json::from_str(&run_ok(&words)).unwrap();
    assert_eq!(report["failures"], Value::Array(vec![]), "{report}");
    assert!(report["broker"]["residentPeakMb"].as_f64().unwrap() > 0.0, "{report}");
    report
}

#[test]
fn what_is_produced_is_consumed_however_it_is_sent() {
    let up = Up::ephemeral(|_| ());
    let ways: [&[&str]; 4] = [
        &["--header", "json", "--keys", "10", "--tags", "2"],
        &["--header", "rocketmq", "--connections", "3", "--outstanding", "2"],
        &["--batch", "8", "--size", "128"],
        &["--through", "client", "--connections", "2", "--outstanding", "4"],
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let topic = format!("bench-{number}");
        let sent = bench(&up, &[&["produce", "-t", &topic, "--count", "800"], way].concat());
        assert_eq!(sent["messages"], 800, "{sent}");
        assert_eq!(sent["latency"]["count"].as_u64(), sent["requests"].as_u64(), "{sent}");
        for through in ["raw", "client"] {
            let group = format!("g-{number}");
            // One member: where several join, queues change hands and some messages come twice.
            let args =
                ["consume", "-t", &topic, "--through", through, "--group", &group, "--connections", "1"];
            let consumed = bench(&up, &args);
            assert_eq!(consumed["messages"], 800, "{through}: {consumed}");
        }
    }
    up.running.stop();
}

#[test]
fn topics_are_created_and_each_queue_gets_as_many_messages() {
    let up = Up::ephemeral(|_| ());
    let spread = ["-t", "many", "--topics", "700", "--queues", "2"];
    let sent = bench(&up, &[&["produce", "--count", "2800"], &spread[..]].concat());
    assert_eq!((&sent["messages"], &sent["settings"]["queues"]), (&2800.into(), &2.into()));
    let last = ["consume", "-t", "many699", "--header", "rocketmq"];
    assert_eq!(bench(&up, &last)["messages"], 4);
    let all = bench(&up, &[&["consume"], &spread[..]].concat());
    assert_eq!(all["messages"], 2800);
    up.running.stop();
}

#[test]
fn every_message_sent_at_a_rate_arrives_and_is_timed() {
    let up = Up::ephemeral(|_| ());
    let report = bench(&up, &["latency", "--rate", "500", "--count", "100", "--size", "64"]);
    assert_eq!(report["messages"], 100, "{report}");
    assert_eq!(report["latency"]["count"], 100, "{report}");
    assert_eq!(report["acknowledgement"]["count"], 100, "{report}");
    let paced = bench(&up, &["produce", "--rate", "2000", "--count", "200"]);
    assert_eq!(paced["latency"]["count"], 200, "{paced}");
    up.running.stop();
}

#[test]
fn what_a_broker_refuses_is_shown_with_its_reason() {
    let up = Up::ephemeral(|_| ());
    let args = ["bench", "produce", "--broker", &up.broker, "-q", "--count", "20", "-t", "no such topic!"];
    let error = run_fails_after_text(&args);
    assert!(error.contains("nothing was acknowledged"), "{error}");
    let wrong = run_fails(&["bench", "produce", "-n", "127.0.0.1:1", "-q"]);
    assert!(wrong.contains("127.0.0.1:1"), "{wrong}");
    up.running.stop();
}

/// Runs to the end, which must be a failure; standard error. The report before it is printed all the same.
fn run_fails_after_text(args: &[&str]) -> String {
    let mut running = Running::start(eruca().args(args));
    let status = running.end();
    assert!(!status.success());
    assert!(running.line().starts_with("0 messages"), "{}", running.stderr());
    running.wait_for_stderr("eruca: ");
    running.stderr()
}

#[test]
fn the_floor_answers_sends_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bodies");
    let mut command = eruca();
    command.args(["bench", "echo", "--file"]).arg(&file);
    let echo = Running::start(&mut command);
    let line = echo.line();
    let addr = line.strip_prefix("echo ").unwrap();
    let text = run_ok(&["bench", "produce", "--broker", addr, "--count", "500", "-q", "--json", "-"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["messages"], 500, "{report}");
    assert!(file.exists());
    echo.stop();
    assert!(!file.exists());
}
