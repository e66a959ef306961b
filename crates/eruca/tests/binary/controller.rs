//! Controllers as processes, alone and in a name server.

use std::path::Path;

use crate::support::*;

/// `port` is that of the member, not only what is listened on: it must be known before.
fn conf(dir: &Path, port: u16, more: &str) -> String {
    format!(
        "bindAddress=127.0.0.1\ncontrollerDLegerGroup=g\ncontrollerDLegerPeers=n0-127.0.0.1:{port}\n\
         controllerDLegerSelfId=n0\ncontrollerStorePath={}\nmappedFileSize=1024\n{more}",
        dir.join("store").display()
    )
}

#[test]
fn a_controller_starts_with_javas_file_and_remembers() {
    let temp = tempfile::tempdir().unwrap();
    let port = free_port();
    let conf = file(temp.path(), "controller.conf", &conf(temp.path(), port, ""));
    for _ in 0..2 {
        let controller = Running::start(eruca().env("HOME", temp.path()).args(["controller", "-c", &conf]));
        let line = controller.line();
        assert!(line.contains(&format!("controller 127.0.0.1:{port}")), "{line}");
        assert!(is_listening(&format!("127.0.0.1:{port}")));
        let second = run_fails(&["controller", "-c", &conf]);
        assert!(second.contains("another controller works in this directory"), "{second}");
        controller.stop();
    }
}

#[test]
fn a_name_server_has_a_controller_beside_it() {
    let temp = tempfile::tempdir().unwrap();
    let (port, namesrv_port) = (free_port(), free_port());
    let more = format!("enableControllerInNamesrv=true\nlistenPort={namesrv_port}\nxyz=1\n");
    let conf = file(temp.path(), "namesrv.conf", &conf(temp.path(), port, &more));
    let running = Running::start(eruca().env("HOME", temp.path()).args(["namesrv", "-c", &conf]));
    let line = running.line();
    assert!(
        line.contains(&format!("name server 127.0.0.1:{namesrv_port}, controller 127.0.0.1:{port}")),
        "{line}"
    );
    let stderr = running.stderr();
    assert!(stderr.contains("'xyz' is unknown") && !stderr.contains("controllerDLegerPeers"), "{stderr}");
    running.stop();
}

#[test]
fn a_controller_without_members_says_what_is_missing() {
    let temp = tempfile::tempdir().unwrap();
    let conf = file(temp.path(), "controller.conf", "controllerDLegerSelfId=n0\n");
    let error = run_fails(&["controller", "-c", &conf]);
    assert!(error.contains("controllerDLegerPeers is not set; a group of one:"), "{error}");
}
