//! A Java client in a process of its own: `interop/java/src/main/java/interop/Peer.java`.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
};

use crate::support::{Seen, until};

/// The process. Its lines are noted as they come.
pub(crate) struct Peer {
    process: Child,
    /// Lines that are no messages.
    said: Seen,
    received: Seen,
}

impl Peer {
    pub(crate) fn start(args: &[&str]) -> Peer {
        let program = std::env::var("JAVA_PEER").expect("JAVA_PEER is the program that starts the Java peer");
        let mut process =
            Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let peer_output = BufReader::new(process.stdout.take().unwrap());
        let peer = Peer { process, said: Seen::default(), received: Seen::default() };
        let (said, received) = (peer.said.clone(), peer.received.clone());
        thread::spawn(move || {
            for line in peer_output.lines().map_while(Result::ok) {
                if line.starts_with("message\t") { received.add(line) } else { said.add(line) }
            }
        });
        peer
    }

    /// Writes a line to it.
    pub(crate) fn tell(&self, line: &str) {
        let mut input = self.process.stdin.as_ref().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// Waits for what it says that is no message: the line of this number, from 0.
    pub(crate) async fn line(&self, number: usize) -> String {
        until("the Java peer answers", async || self.said.all().len() > number).await;
        self.said.all()[number].clone()
    }

    /// The messages that it printed.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.received.all()
    }

    /// The same, as it grows, also when the peer has ended.
    pub(crate) fn received(&self) -> Seen {
        self.received.clone()
    }

    /// Waits until it printed exactly these messages.
    pub(crate) async fn has_received(&self, expected: &BTreeSet<String>) {
        self.received.reaches(expected).await;
    }

    /// Lets it shut down its clients.
    pub(crate) async fn end(mut self) {
        drop(self.process.stdin.take());
        let process = Mutex::new(&mut self.process);
        until("the Java peer ends", async || process.lock().unwrap().try_wait().unwrap().is_some()).await;
        assert!(self.process.wait().unwrap().success(), "the Java peer failed, see its output");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A test that failed leaves no process behind; one that ended is not there to be killed.
        let _ = self.process.kill();
    }
}
