//! Who sent a request: one connection, as handlers see it.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use eruca_protocol::{FLAG_ONEWAY, FLAG_RESPONSE, HeaderEncoding, RemotingCommand, ResponseCode};
use tracing::debug;

use crate::{InvokeError, NotifyError, Outbox, limits::OWED_REPLIES_MAX, link::Link, pending::NotAdded};

/// A peer that silently ignores a call of at least this length has its connection closed.
const SILENCE_CLOSES_FROM: Duration = Duration::from_millis(500);

/// One connection. Cheap to clone; equal to its clones; outlives the connection.
#[derive(Clone)]
pub struct Caller {
    pub(crate) link: Arc<Link>,
}

impl Caller {
    pub(crate) fn new(link: Arc<Link>) -> Caller {
        Caller { link }
    }

    /// A caller without a socket, for tests of handlers; the [`Outbox`] collects what it is sent.
    pub fn detached(peer_addr: SocketAddr, local_addr: SocketAddr) -> (Caller, Outbox) {
        let outbox = Outbox::new(peer_addr, local_addr);
        (outbox.caller(), outbox)
    }

    /// A number that no other connection of this process has or had.
    pub fn id(&self) -> u64 {
        self.link.id
    }

    /// The peer's end.
    pub fn peer_addr(&self) -> SocketAddr {
        self.link.peer_addr
    }

    /// Our end: the address by which the peer came in.
    pub fn local_addr(&self) -> SocketAddr {
        self.link.local_addr
    }

    /// Whether the connection has not ended yet.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// Returns when the connection has ended, at once if it has already. Any number may wait, on any runtime.
    pub async fn closed(&self) {
        self.link.closed().await;
    }

    /// Asks for the connection to be closed; returns before it is.
    pub fn close(&self) {
        self.link.close();
    }

    /// The right to answer `request` later, from any thread. For [`crate::Reply::Later`].
    pub fn responder(&self, request: &RemotingCommand) -> Responder {
        self.link.owe();
        Responder { caller: self.clone(), to: ReplyTo::of(request), answered: false }
    }

    /// Pushes a oneway request to the peer, from any thread.
    ///
    /// # Errors
    /// The connection is closed, or its peer does not read.
    pub fn notify(&self, request: RemotingCommand) -> Result<(), NotifyError> {
        let mut request = request.oneway();
        request.opaque = self.link.pending.next_opaque();
        self.link.push_request(request)
    }

    /// Asks the peer and waits for its answer. Needs a Tokio runtime.
    ///
    /// Dropping the future gives the answer up.
    ///
    /// # Errors
    /// [`InvokeError::Closed`], [`InvokeError::Timeout`], [`InvokeError::Overloaded`].
    pub async fn invoke(
        &self,
        request: RemotingCommand,
        timeout: Duration,
    ) -> Result<RemotingCommand, InvokeError> {
        self.invoke_as(&self.peer_addr().to_string(), request, timeout).await
    }

    /// As [`Caller::invoke`]; errors speak of `addr`.
    pub(crate) async fn invoke_as(
        &self,
        addr: &str,
        mut request: RemotingCommand,
        timeout: Duration,
    ) -> Result<RemotingCommand, InvokeError> {
        let limits = &self.link.shared.limits;
        if request.body.len() > limits.frame_max_bytes {
            let size_bytes = request.body.len();
            return Err(InvokeError::TooBig {
                addr: addr.into(),
                size_bytes,
                limit_bytes: limits.frame_max_bytes,
            });
        }
        let (opaque, answer) =
            self.link.pending.add(OWED_REPLIES_MAX).map_err(|not_added| match not_added {
                NotAdded::Closed => InvokeError::Closed { addr: addr.into() },
                NotAdded::Full => InvokeError::Overloaded {
                    addr: addr.into(),
                    what: "the number of unanswered requests",
                    limit: OWED_REPLIES_MAX,
                },
            })?;
        let _waiter = Waiter { link: &self.link, opaque };
        request.opaque = opaque;
        let reads_before = self.link.reads();
        self.link.push_request(request).map_err(|error| InvokeError::from_notify(addr, error))?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_closed)) => Err(InvokeError::Closed { addr: addr.into() }),
            Err(_elapsed) => {
                if timeout >= SILENCE_CLOSES_FROM && self.link.reads() == reads_before {
                    debug!(addr, "closing a connection whose peer is silent");
                    self.close();
                }
                Err(InvokeError::Timeout { addr: addr.into(), after: timeout })
            }
        }
    }
}

impl InvokeError {
    pub(crate) fn from_notify(addr: &str, error: NotifyError) -> InvokeError {
        match error {
            NotifyError::Closed { .. } => InvokeError::Closed { addr: addr.into() },
            NotifyError::Full { limit_bytes, .. } => InvokeError::Overloaded {
                addr: addr.into(),
                what: "the output queue (in bytes)",
                limit: limit_bytes,
            },
        }
    }
}

impl PartialEq for Caller {
    fn eq(&self, other: &Caller) -> bool {
        Arc::ptr_eq(&self.link, &other.link)
    }
}

impl Eq for Caller {}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({} {})", self.link.id, self.link.peer_addr)
    }
}

/// Removes a waiter that was not answered.
struct Waiter<'a> {
    link: &'a Link,
    opaque: i32,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.link.pending.forget(self.opaque);
    }
}

/// The right and duty to answer one request, from any thread.
///
/// Dropped without an answer, it answers `SYSTEM_ERROR`, so that nobody waits in vain.
#[derive(Debug)]
pub struct Responder {
    caller: Caller,
    to: ReplyTo,
    answered: bool,
}

impl Responder {
    /// Answers. Does nothing when the connection is gone or the request was oneway.
    pub fn send(mut self, reply: RemotingCommand) {
        self.answer(reply);
    }

    /// Who asked.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    fn answer(&mut self, reply: RemotingCommand) {
        self.answered = true;
        if let Some(reply) = self.to.address(reply) {
            self.caller.link.push_reply(reply);
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !self.answered {
            let remark = "the request was dropped before it was answered; try again";
            self.answer(self.to.error(ResponseCode::SYSTEM_ERROR, remark));
        }
        // After the reply is queued, so that a draining connection does not end before it.
        self.caller.link.owe_no_more();
    }
}

/// What an answer must copy from its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplyTo {
    opaque: i32,
    encoding: HeaderEncoding,
    is_oneway: bool,
    pub(crate) code: i32,
}

impl ReplyTo {
    pub(crate) fn of(request: &RemotingCommand) -> ReplyTo {
        ReplyTo {
            opaque: request.opaque,
            encoding: request.encoding,
            is_oneway: request.is_oneway(),
            code: request.code,
        }
    }

    /// Makes `reply` the answer to this request; `None` if it wants none.
    pub(crate) fn address(&self, mut reply: RemotingCommand) -> Option<RemotingCommand> {
        if self.is_oneway {
            return None;
        }
        reply.opaque = self.opaque;
        reply.encoding = self.encoding;
        reply.flag = (reply.flag | FLAG_RESPONSE) & !FLAG_ONEWAY;
        Some(reply)
    }

    pub(crate) fn opaque(&self) -> i32 {
        self.opaque
    }

    pub(crate) fn is_oneway(&self) -> bool {
        self.is_oneway
    }

    pub(crate) fn error(&self, code: ResponseCode, remark: impl Into<String>) -> RemotingCommand {
        RemotingCommand {
            code: code.0,
            language: eruca_protocol::Language::Java,
            version: eruca_protocol::VERSION,
            opaque: self.opaque,
            flag: FLAG_RESPONSE,
            remark: Some(remark.into()),
            ext_fields: eruca_protocol::ExtFields::new(),
            encoding: self.encoding,
            body: bytes::Bytes::new(),
        }
    }
}
