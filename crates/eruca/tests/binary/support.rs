//! Starts the binary and waits for what it prints; nothing is left running.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

/// No condition of a test takes so long.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

pub(crate) fn eruca() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eruca"));
    command.env_remove("RUST_LOG").env_remove("NAMESRV_ADDR").stdin(Stdio::null());
    command
}

/// Runs to the end.
pub(crate) fn run(args: &[&str]) -> Output {
    eruca().args(args).output().unwrap()
}

/// Runs to the end, which must be a success; standard output.
pub(crate) fn run_ok(args: &[&str]) -> String {
    let output = run(args);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{args:?}: {stdout}{stderr}");
    stdout
}

/// Runs to the end, which must be a failure without a word on standard output; standard error.
pub(crate) fn run_fails(args: &[&str]) -> String {
    let output = run(args);
    let stderr = text(&output.stderr);
    assert!(!output.status.success(), "{args:?} did not fail: {stderr}");
    assert_eq!(text(&output.stdout), "", "{stderr}");
    stderr
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running server; killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: mpsc::Receiver<String>,
    stderr: Arc<Mutex<String>>,
    pub(crate) stdin: Option<ChildStdin>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines_in, stdout) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| lines_in.send(line))
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let (err, copy) = (BufReader::new(child.stderr.take().unwrap()), stderr.clone());
        std::thread::spawn(move || {
            err.lines().map_while(Result::ok).for_each(|line| {
                let mut copy = copy.lock().unwrap();
                copy.push_str(&line);
                copy.push('\n');
            });
        });
        let stdin = child.stdin.take();
        Running { child, stdout, stderr, stdin }
    }

    /// The next line on standard output.
    pub(crate) fn line(&self) -> String {
        self.stdout
            .recv_timeout(BOUND)
            .unwrap_or_else(|_| panic!("no line; standard error: {}", self.stderr()))
    }

    pub(crate) fn has_printed(&self) -> bool {
        self.stdout.try_recv().is_ok()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub(crate) fn wait_for_stderr(&self, part: &str) {
        wait_until(&format!("standard error has '{part}'"), || self.stderr().contains(part));
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the process has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Asks it to end, which must succeed.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        let status = self.end();
        assert!(status.success(), "{status}: {}", self.stderr());
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked first: one with a temporary directory removes it then.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
            let end = Instant::now() + BOUND;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::yield_now();
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("standard error of process {}:\n{}", self.id(), self.stderr());
        }
    }
}

/// `up` on free ports, and its addresses.
pub(crate) struct Up {
    pub(crate) running: Running,
    pub(crate) namesrv: String,
    pub(crate) broker: String,
}

impl Up {
    pub(crate) fn ephemeral(change: impl FnOnce(&mut Command)) -> Up {
        let mut command = eruca();
        command.args(["up", "--ephemeral", "--port", "0"]);
        change(&mut command);
        Up::start(&mut command)
    }

    pub(crate) fn start(command: &mut Command) -> Up {
        let running = Running::start(command);
        let line = running.line();
        let ready: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error} in {line}: {}", running.stderr()));
        assert_eq!(ready["ready"], true, "{line}");
        let addr = |key: &str| ready[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}")).to_owned();
        Up { namesrv: addr("namesrv"), broker: addr("broker"), running }
    }

    pub(crate) fn send(&self, topic: &str, body: &str) {
        let sent = run_ok(&["send", "-n", &self.namesrv, "-t", topic, body]);
        assert!(sent.starts_with(&format!("sent to {topic} queue ")), "{sent}");
    }

    /// The first `count` messages of `topic`, sorted.
    pub(crate) fn consume(&self, topic: &str, count: usize) -> Vec<String> {
        let count = count.to_string();
        let args = ["consume", "-n", &self.namesrv, "-t", topic, "--from", "first", "--count", &count];
        let mut running = Running::start(eruca().args(args));
        let status = running.end();
        assert!(status.success(), "{}", running.stderr());
        let mut lines: Vec<_> = running.stdout.iter().collect();
        lines.sort();
        lines
    }
}

/// Waits until `condition` holds; panics after [`BOUND`].
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !condition() {
        assert!(Instant::now() < end, "not within {BOUND:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    listener().1.port()
}

/// A port that this process holds, on all addresses as servers do.
pub(crate) fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

pub(crate) fn file(dir: &Path, name: &str, content: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What a stranger reads from `addr`, for tests that only care whether someone answers there.
pub(crate) fn is_listening(addr: &str) -> bool {
    std::net::TcpStream::connect(addr).is_ok_and(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        !matches!(stream.read(&mut [0]), Ok(0))
    })
}
