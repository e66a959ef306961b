//! Why a request to a peer failed.

use std::{io, sync::Arc, time::Duration};

/// Why a request got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InvokeError {
    /// No connection could be made.
    #[error("cannot connect to {addr}: {source}")]
    Connect {
        /// Where to, `host:port`.
        addr: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The peer did not answer in time. It may have done what was asked.
    #[error("{addr} did not answer within {} ms", after.as_millis())]
    Timeout {
        /// Who was asked.
        addr: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection closed before the answer came. The peer may have done what was asked.
    #[error("the connection to {addr} closed before the answer came")]
    Closed {
        /// Who was asked.
        addr: String,
    },
    /// The request does not fit a frame.
    #[error(
        "request of {size_bytes} bytes to {addr} is larger than the limit of {limit_bytes} bytes for one frame"
    )]
    TooBig {
        /// Who was to be asked.
        addr: String,
        /// The request's body.
        size_bytes: usize,
        /// What one frame may have.
        limit_bytes: usize,
    },
    /// The peer is shutting down and a second connection to it said so, too.
    #[error("{addr} is shutting down (GO_AWAY)")]
    GoAway {
        /// Who was asked.
        addr: String,
    },
    /// Too many requests to this peer wait for their answers, or for being sent.
    #[error("{addr} does not keep up: {what} is at its limit of {limit}; send slower or to more brokers")]
    Overloaded {
        /// Who was to be asked.
        addr: String,
        /// Which queue is full.
        what: &'static str,
        /// Its limit.
        limit: usize,
    },
}

/// Why a command could not be pushed to a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// The connection is closed.
    #[error("the connection to {addr} is closed")]
    Closed {
        /// The peer.
        addr: String,
    },
    /// The peer does not read what it was sent.
    #[error("{addr} does not read: its output queue is at the limit of {limit_bytes} bytes")]
    Full {
        /// The peer.
        addr: String,
        /// The limit.
        limit_bytes: usize,
    },
}
