//! Which name servers know us.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use eruca_message::Timestamp;

/// One name server, as the last registration left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServerStatus {
    /// `host:port`.
    pub address: String,
    /// Since when it knows us without a break; `None` while it does not.
    pub registered_since: Option<Timestamp>,
    /// What went wrong the last time, while it does not know us.
    pub last_error: Option<String>,
}

/// All name servers.
#[derive(Debug)]
pub struct NameServers {
    states: Mutex<Vec<NameServerStatus>>,
    changed: Condvar,
}

impl NameServers {
    pub(super) fn new(addresses: &[String]) -> Self {
        let state = |address: &String| NameServerStatus {
            address: address.clone(),
            registered_since: None,
            last_error: None,
        };
        NameServers { states: Mutex::new(addresses.iter().map(state).collect()), changed: Condvar::new() }
    }

    /// All of them as they are now.
    pub fn status(&self) -> Vec<NameServerStatus> {
        self.lock().clone()
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
        let tried = |state: &NameServerStatus| state.registered_since.is_some() || state.last_error.is_some();
        self.wait(timeout, |states| states.iter().all(tried))
    }

    fn wait(&self, timeout: Duration, done: impl Fn(&[NameServerStatus]) -> bool) -> bool {
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

    /// Notes a registration's result; changes of state are logged, once each.
    pub(super) fn note(&self, index: usize, result: Result<(), String>, now: Timestamp) {
        let mut states = self.lock();
        let had_one = is_registered(&states);
        let Some(state) = states.get_mut(index) else { return };
        match result {
            Ok(()) => {
                if state.registered_since.is_none() {
                    tracing::info!(name_server = %state.address, "registered");
                    state.registered_since = Some(now);
                }
                state.last_error = None;
            }
            Err(error) => {
                if state.last_error.as_ref() != Some(&error) {
                    tracing::warn!(name_server = %state.address, %error, "not registered, trying again");
                }
                state.registered_since = None;
                state.last_error = Some(error);
            }
        }
        let has_one = is_registered(&states);
        drop(states);
        if had_one && !has_one {
            tracing::warn!("not ready: no name server knows this broker any more, clients cannot find it");
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<NameServerStatus>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_registered(states: &[NameServerStatus]) -> bool {
    states.is_empty() || states.iter().any(|state| state.registered_since.is_some())
}
