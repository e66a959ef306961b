//! When to end: SIGTERM or SIGINT ask for it, a second one demands it.

use std::{io, os::fd::AsFd};

use rustix::fs::{FileType, fstat};
use tokio::{
    io::AsyncReadExt,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::{error, info};

/// Exit code after a second signal, as shells have it for SIGINT.
const EXIT_AT_ONCE: i32 = 130;

/// The signals that end a server.
pub(crate) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
    /// Standard input, where its end means the same.
    leash: Option<tokio::net::unix::pipe::Receiver>,
}

impl EndSignals {
    /// Listens for them from now on. Needs a Tokio runtime.
    pub(crate) fn listen() -> io::Result<EndSignals> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(EndSignals { terminate, interrupt, leash: None })
    }

    /// If standard input is a pipe that is still open, takes its end for a signal, too: who started us is gone.
    pub(crate) fn watch_standard_input(&mut self) {
        let stdin = io::stdin();
        let is_pipe =
            fstat(stdin.as_fd()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        if !is_pipe {
            return;
        }
        let Ok(fd) = stdin.as_fd().try_clone_to_owned() else { return };
        let Ok(pipe) = tokio::net::unix::pipe::Receiver::from_owned_fd(fd) else { return };
        // A pipe that has ended before we are ready was only the way to give us no input.
        let mut byte = [0];
        if !matches!(pipe.try_read(&mut byte), Ok(0)) {
            self.leash = Some(pipe);
        }
    }

    /// Returns at the first signal, with its name.
    pub(crate) async fn first(&mut self) -> &'static str {
        let EndSignals { terminate, interrupt, leash } = self;
        let leash_end = async {
            let Some(pipe) = leash else { return std::future::pending().await };
            let mut bytes = [0; 1024];
            while !matches!(pipe.read(&mut bytes).await, Ok(0) | Err(_)) {}
        };
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = leash_end => "end of standard input",
        };
        info!(signal = name, "stopping");
        name
    }

    /// Returns at the next signal.
    pub(crate) async fn second(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for `work`; `None` if a signal to end came first.
pub(crate) async fn or_end<T>(signals: &mut EndSignals, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        _ = signals.first() => None,
    }
}

/// Runs `stop` on a thread of its own; a further signal ends the process at once, after `clean_up`.
pub(crate) async fn stop_or_die(
    signals: &mut EndSignals,
    stop: impl FnOnce() + Send + 'static,
    clean_up: impl FnOnce(),
) {
    let stopping = tokio::task::spawn_blocking(stop);
    tokio::select! {
        stopped = stopping => {
            if stopped.is_err() {
                error!("a panic kept the end from being orderly; the next start puts everything in order");
            }
        }
        () = signals.second() => {
            clean_up();
            std::process::exit(EXIT_AT_ONCE);
        }
    }
}
