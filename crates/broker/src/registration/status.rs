//! Which name servers know us.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use eruca_message::Timestamp;
use eruca_remoting::InvokeError;

/// One name server, as the last registration or the end of its connection left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServerStatus {
    /// `host:port`.
    pub address: String,
    /// Since when it knows us without a break; `None` while it does not.
    pub registered_since: Option<Timestamp>,
    /// What went wrong the last time, while it does not know us.
    pub last_error: Option<String>,
}

/// Why a name server does not know us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotRegistered {
    cause: Cause,
    text: String,
}

/// What is worth a line in the log when it changes; how exactly a name server is out of reach is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    OutOfReach,
    Refused,
}

impl NotRegistered {
    pub(super) fn out_of_reach(text: String) -> Self {
        NotRegistered { cause: Cause::OutOfReach, text }
    }

    pub(super) fn refused(text: String) -> Self {
        NotRegistered { cause: Cause::Refused, text }
    }
}

impl From<InvokeError> for NotRegistered {
    fn from(error: InvokeError) -> Self {
        NotRegistered::out_of_reach(error.to_string())
    }
}

/// One name server, and what was said of it.
#[derive(Debug)]
struct State {
    status: NameServerStatus,
    /// Why it does not know us, as last logged; `None` while it does, or was not tried yet.
    warned_of: Option<Cause>,
}

impl State {
    /// Whether this is news: it is logged then.
    fn fail(&mut self, failure: NotRegistered) -> bool {
        self.status.registered_since = None;
        self.status.last_error = Some(failure.text);
        self.warned_of.replace(failure.cause) != Some(failure.cause)
    }

    /// Whether this is news: it is logged then.
    fn succeed(&mut self, now: Timestamp) -> bool {
        let is_new = self.status.registered_since.is_none();
        self.status.registered_since.get_or_insert(now);
        self.status.last_error = None;
        self.warned_of = None;
        is_new
    }
}

/// All name servers.
#[derive(Debug)]
pub struct NameServers {
    states: Mutex<Vec<State>>,
    changed: Condvar,
}

impl NameServers {
    pub(super) fn new(addresses: &[String]) -> Self {
        let state = |address: &String| State {
            status: NameServerStatus { address: address.clone(), registered_since: None, last_error: None },
            warned_of: None,
        };
        NameServers { states: Mutex::new(addresses.iter().map(state).collect()), changed: Condvar::new() }
    }

    /// All of them as they are now.
    pub fn status(&self) -> Vec<NameServerStatus> {
        self.lock().iter().map(|state| state.status.clone()).collect()
    }

    /// Whether at least one of them knows us, or there is none to know us.
    pub fn is_registered(&self) -> bool {
        is_registered(&self.lock())
    }

    /// Waits until at least one of them knows us, at most for `timeout`; whether one does.
    pub fn wait_registered(&self, timeout: Duration) -> bool {
        self.wait(timeout, is_registered)
    }

    /// Waits until each was tried at least once, at most for `timeout`.
    pub fn wait_tried(&self, timeout: Duration) -> bool {
        let tried =
            |state: &State| state.status.registered_since.is_some() || state.status.last_error.is_some();
        self.wait(timeout, |states| states.iter().all(tried))
    }

    fn wait(&self, timeout: Duration, done: impl Fn(&[State]) -> bool) -> bool {
        let end = Instant::now() + timeout;
        let mut states = self.lock();
        while !done(&states) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            states = self.changed.wait_timeout(states, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Notes a registration's result, or the loss of its connection; changes of state are logged, once each.
    pub(super) fn note(&self, index: usize, result: Result<(), NotRegistered>, now: Timestamp) {
        let mut states = self.lock();
        let had_one = is_registered(&states);
        let Some(state) = states.get_mut(index) else { return };
        match result {
            Ok(()) => {
                if state.succeed(now) {
                    tracing::info!(name_server = %state.status.address, "registered");
                }
            }
            Err(failure) => {
                let error = failure.text.clone();
                if state.fail(failure) {
                    let address = &state.status.address;
                    tracing::warn!(name_server = %address, %error, "not registered, trying again");
                }
            }
        }
        let has_one = is_registered(&states);
        drop(states);
        if had_one && !has_one {
            tracing::warn!("not ready: no name server knows this broker any more, clients cannot find it");
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_registered(states: &[State]) -> bool {
    states.is_empty() || states.iter().any(|state| state.status.registered_since.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_logged_once_however_its_error_reads_and_a_refusal_for_itself() {
        let name_servers = NameServers::new(&["a:1".to_owned()]);
        let mut states = name_servers.lock();
        let state = &mut states[0];
        let out = |text: &str| NotRegistered::out_of_reach(text.to_owned());
        assert!(state.succeed(Timestamp(1)));
        assert!(!state.succeed(Timestamp(2)));
        assert!(state.fail(out("lost")));
        assert!(!state.fail(out("no connection within 2999 ms")));
        assert_eq!(state.status.last_error.as_deref(), Some("no connection within 2999 ms"));
        assert!(state.fail(NotRegistered::refused("no".to_owned())));
        assert!(state.succeed(Timestamp(3)));
        assert_eq!(state.status.registered_since, Some(Timestamp(3)), "since the break");
        assert!(state.fail(out("lost")));
    }
}
