//! The seam between connections and those who answer: a service is called with a command and replies.

use eruca_protocol::{RemotingCommand, ResponseCode};

use crate::Caller;

/// One that answers requests: a name server, a broker, a client that its broker asks.
///
/// A panic in any of these is caught, logged, and answered with `SYSTEM_ERROR`; the connection lives on.
pub trait CommandService: Send + Sync + 'static {
    /// Answers one request. Runs to completion on the connection's thread, with every other connection of that
    /// thread waiting, so it must not block for long.
    ///
    /// Requests of one connection come in the order in which they were sent. Codes that the service does not know
    /// are its own business. A request may be oneway: its reply is dropped.
    fn call(&self, caller: &Caller, request: RemotingCommand) -> Reply;

    /// Called once after all frames of one network read were handled and before their replies are written, if any
    /// of the calls returned something else than [`Reply::Now`].
    ///
    /// # Errors
    /// The error is sent in place of every [`Reply::AfterSettle`] of that read.
    fn settle(&self) -> Result<(), SettleError> {
        Ok(())
    }

    /// The connection is gone. Called once, after the last call.
    fn disconnected(&self, caller: &Caller) {
        let _ = caller;
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    /// Answered.
    Now(RemotingCommand),
    /// Answered so, provided that [`CommandService::settle`] succeeds.
    AfterSettle(RemotingCommand),
    /// Will be answered through a [`crate::Responder`], or was already.
    Later,
    /// Will not be answered: the request was oneway.
    None,
}

/// What is answered instead of [`Reply::AfterSettle`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {remark}")]
pub struct SettleError {
    /// Response code.
    pub code: ResponseCode,
    /// Text for people: what failed and what helps.
    pub remark: String,
}
