//! What a connection may use, and the state that all connections of one server or client share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::budget::Budget;

/// Answers that one connection may owe. Java clients stop at the same number of their own asynchronous requests.
pub(crate) const OWED_REPLIES_MAX: usize = 65_535;

/// Limits of one connection; the same for all of a server.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Of whom the log speaks.
    pub(crate) name: &'static str,
    /// A longer frame closes the connection.
    pub(crate) frame_max_bytes: usize,
    /// With more output waiting, nothing is read from the peer.
    pub(crate) output_high_water_bytes: usize,
    /// With more output waiting, requests of ours to the peer are refused.
    pub(crate) request_queue_max_bytes: usize,
    /// With more output waiting, the connection is closed.
    pub(crate) output_max_bytes: usize,
    /// Waiting output that makes no progress for so long closes the connection.
    pub(crate) stall_timeout: Duration,
    /// Neither reading nor writing for so long closes the connection.
    pub(crate) idle_timeout: Duration,
    /// Answers that may be outstanding in either direction.
    pub(crate) owed_replies_max: usize,
}

/// What all connections of one server or client share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) budget: Budget,
    draining: AtomicBool,
}

/// Of connections; process-wide, so that an id means one connection whichever server took it.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A number that no other connection of this process has or had.
pub(crate) fn next_connection_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

impl Shared {
    pub(crate) fn new(limits: Limits, in_flight_max_bytes: usize) -> Arc<Shared> {
        let budget = Budget::new(in_flight_max_bytes);
        Arc::new(Shared { limits, budget, draining: AtomicBool::new(false) })
    }

    /// From now on connections end as soon as they owe nothing.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
