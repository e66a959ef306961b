//! What a user is told who asks for what cannot be.

use crate::support::*;

#[test]
fn a_port_in_use_is_named_with_who_holds_it() {
    let (_listener, addr) = listener();
    let port = addr.port().to_string();
    let text = run_fails(&["up", "--ephemeral", "--port", &port, "--namesrv-port", "0"]);
    let wanted = [
        format!("cannot listen on 0.0.0.0:{port}"),
        format!("process {}", std::process::id()),
        "stop it or choose another port".to_owned(),
    ];
    assert!(wanted.iter().all(|part| text.contains(part)), "{text}");

    let text = run_fails(&["namesrv", "-p", &port]);
    assert!(text.contains(&format!("namesrv cannot listen on 0.0.0.0:{port}")), "{text}");
}

#[test]
fn a_wrong_value_is_named_with_key_and_what_is_allowed() {
    let temp = tempfile::tempdir().unwrap();
    let conf = file(temp.path(), "broker.conf", "flushDiskType=FAST\nlistenPort=70000\n");
    let text = run_fails(&["broker", "-c", &conf, "-n", "127.0.0.1:1"]);
    assert!(
        text.contains("flushDiskType: 'FAST' is not allowed, it must be ASYNC_FLUSH or SYNC_FLUSH"),
        "{text}"
    );
    assert!(text.contains("listenPort: '70000' is not allowed") && text.contains(&conf), "{text}");
}

#[test]
fn a_wrong_key_on_the_command_line_is_named() {
    for (set, says) in [
        ("flushDiskType=FAST", "flushDiskType: 'FAST' is not allowed, it must be ASYNC_FLUSH or SYNC_FLUSH"),
        ("listenPort=1", "--set listenPort: here this key has an option of its own, --port"),
        ("enableLmq", "a key, an equals sign and a value are needed"),
    ] {
        let text = run_fails(&["up", "--ephemeral", "--port", "0", "--set", set]);
        assert!(text.contains(says) && text.contains("--set"), "{text}");
    }
    let text = run_fails(&["broker", "-n", "127.0.0.1:1", "--set", "flushDiskType=FAST"]);
    assert!(text.contains("--set") && text.contains("flushDiskType"), "{text}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let text = run_fails(&["namesrv", "-c", "/no/such/file"]);
    assert!(text.contains("-c /no/such/file") && text.contains("cannot be read"), "{text}");
}

#[test]
fn an_unknown_key_gets_a_hint() {
    let temp = tempfile::tempdir().unwrap();
    let conf = file(temp.path(), "namesrv.conf", "listenPrt=1\n");
    let mut command = eruca();
    command.env("HOME", temp.path()).args(["namesrv", "-c", &conf, "-p", "0"]);
    let namesrv = Running::start(&mut command);
    assert!(namesrv.line().contains("ready"));
    namesrv.wait_for_stderr("the key 'listenPrt' is unknown and ignored; did you mean 'listenPort'?");
    namesrv.stop();
}

#[test]
fn an_address_that_clients_cannot_use_is_refused() {
    for host in ["no-such-host.invalid", "0.0.0.0", "127.0.0.1:10911"] {
        let text = run_fails(&["up", "--ephemeral", "--port", "0", "--advertise", host]);
        assert!(text.contains(&format!("'{host}'")), "{text}");
    }
}

#[test]
fn an_address_that_cannot_be_reached_is_found_out_before_clients_do() {
    // TEST-NET-1: no machine has it.
    let text = run_fails(&["up", "--ephemeral", "--port", "0", "--advertise", "192.0.2.1"]);
    assert!(text.contains("cannot be reached") && text.contains("192.0.2.1"), "{text}");
}

#[test]
fn nobody_to_send_to_is_said() {
    let addr = format!("127.0.0.1:{}", free_port());
    let text = run_fails(&["send", "-n", &addr, "-t", "hello", "hi"]);
    assert!(text.contains(&addr), "{text}");
}

#[test]
fn completions_know_commands_and_those_of_admin() {
    let script = run_ok(&["completions", "bash"]);
    assert!(script.contains("ephemeral") && script.contains("topicRoute"));
}
