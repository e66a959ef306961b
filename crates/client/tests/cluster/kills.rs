//! With `KILLS_AT` the broker is killed (SIGKILL) and started again in the midst of a test: at the moment of that number, from 1.
//!
//! Moments are the test's calls (`retried!`) and its looks at what it waits for. The broker is gone when the
//! test goes on, and comes back beside it. So what the test itself sends is never under way when the broker dies, and is stored once;
//! what its consumers do is: they may be given a message twice, and a pop whose answer is lost keeps its messages for a while.
//! A run is one test, as each has moments of its own; `interop/run kill-rust` does all.
//!
//! | variable | meaning |
//! |---|---|
//! | `KILLS_SERVERS` | path of `interop/servers` |
//! | `KILLS_DIR`, `KILLS_LITE_DIR` | its directories of the cluster, and of the one with lite topics |
//! | `KILLS_NOTES` | file that gets a line for each moment, and one for the kill |

use std::{
    fs::OpenOptions,
    io::Write,
    process::Command,
    sync::{
        LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

static KILL: LazyLock<Option<Kill>> = LazyLock::new(Kill::from_environment);
static PASSED: AtomicUsize = AtomicUsize::new(0);
static IS_OF_LITE: AtomicBool = AtomicBool::new(false);

struct Kill {
    at: usize,
    servers: String,
    dir: String,
    lite_dir: String,
    notes: String,
}

/// What is checked is weaker then where a kill may change it: a message may be consumed twice.
pub(crate) fn are_on() -> bool {
    KILL.is_some()
}

/// From now on the test works with the cluster with lite topics: its broker is the one to be killed.
pub(crate) fn are_of_lite() {
    IS_OF_LITE.store(true, Ordering::Relaxed);
}

/// A moment at which the broker may be killed.
pub(crate) async fn moment(what: &str) {
    let Some(kill) = KILL.as_ref() else { return };
    let number = PASSED.fetch_add(1, Ordering::Relaxed) + 1;
    kill.note(&format!("{number} {what}"));
    if number == kill.at {
        tokio::task::spawn_blocking(move || kill.servers("stop-broker", &["kill"])).await.unwrap();
        // A runtime waits for such work when it ends, so does the test; but only where it has begun.
        let (begins, has_begun) = tokio::sync::oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let _ = begins.send(());
            kill.servers("start-broker", &[]);
            kill.note("killed");
        });
        has_begun.await.unwrap();
    }
}

impl Kill {
    fn from_environment() -> Option<Kill> {
        let at = std::env::var("KILLS_AT").ok()?.parse().expect("KILLS_AT is a number");
        let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("KILLS_AT needs {name}"));
        Some(Kill {
            at,
            servers: told("KILLS_SERVERS"),
            dir: told("KILLS_DIR"),
            lite_dir: told("KILLS_LITE_DIR"),
            notes: told("KILLS_NOTES"),
        })
    }

    fn note(&self, line: &str) {
        let mut notes = OpenOptions::new().append(true).create(true).open(&self.notes).unwrap();
        writeln!(notes, "{line}").unwrap();
    }

    /// Without a note of the kill the test counts as failed.
    fn servers(&self, command: &str, args: &[&str]) {
        let dir = if IS_OF_LITE.load(Ordering::Relaxed) { &self.lite_dir } else { &self.dir };
        let ended = Command::new(&self.servers).arg(command).arg(dir).args(args).status().unwrap();
        assert!(ended.success(), "{} {command} {dir}: {ended}", self.servers);
    }
}
