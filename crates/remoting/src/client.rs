//! The side that asks: one connection per address, made on demand.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use eruca_protocol::{RemotingCommand, ResponseCode};

use crate::{
    Caller, CommandService, InvokeError, Reply, TaskGroup,
    client_slot::Slot,
    limits::{Limits, OWED_REPLIES_MAX, Shared},
};

/// Addresses for which a slot is kept; beyond, slots without an open connection are dropped.
const SLOTS_KEPT: usize = 1024;

/// What a [`Client`] allows.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Of whom logs speak.
    pub name: &'static str,
    /// A longer frame closes its connection. Java: 16 MiB.
    pub max_frame_bytes: usize,
    /// Java: 3 s. A call whose own time-out is shorter waits no longer than that.
    pub connect_timeout: Duration,
    /// Neither reading nor writing for so long closes a connection. Java: 120 s.
    pub idle_timeout: Duration,
    /// With more unsent bytes for one peer, requests fail with [`InvokeError::Overloaded`].
    pub unsent_max_bytes: usize,
    /// Unsent bytes that make no progress for so long close a connection.
    pub stall_timeout: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            name: "client",
            max_frame_bytes: 16 << 20,
            connect_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(120),
            unsent_max_bytes: 64 << 20,
            stall_timeout: Duration::from_secs(30),
        }
    }
}

/// A pool of connections, one for each address. Requests are pipelined; answers may come in any order.
///
/// Cheap to clone; to be used inside a Tokio runtime, on which its connections then live. Dropping the last clone
/// closes the connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    connect_timeout: Duration,
    service: Arc<dyn CommandService>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    tasks: TaskGroup,
    closed: AtomicBool,
}

impl Client {
    /// A client without connections. `service` answers what peers ask of us; without one they are told that we
    /// support no requests.
    pub fn new(config: ClientConfig, service: Option<Arc<dyn CommandService>>) -> Client {
        let limits = Limits {
            name: config.name,
            frame_max_bytes: config.max_frame_bytes,
            // A client goes on reading whatever it has to send: two ends that both wait for the other to read
            // would wait for ever.
            output_high_water_bytes: usize::MAX,
            request_queue_max_bytes: config.unsent_max_bytes,
            output_max_bytes: config.unsent_max_bytes.saturating_mul(2),
            stall_timeout: config.stall_timeout,
            idle_timeout: config.idle_timeout,
            owed_replies_max: OWED_REPLIES_MAX,
        };
        let inner = Inner {
            shared: Shared::new(limits, usize::MAX),
            connect_timeout: config.connect_timeout,
            service: service.unwrap_or_else(|| Arc::new(NoService)),
            slots: Mutex::new(HashMap::new()),
            tasks: TaskGroup::new(),
            closed: AtomicBool::new(false),
        };
        Client { inner: Arc::new(inner) }
    }

    /// Asks the peer at `addr` (`host:port`) and waits for its answer, at most for `timeout`, connecting included.
    ///
    /// A peer that answers `GO_AWAY` is connected to anew and asked once more. The answer's code may be an error of
    /// the protocol: that is the caller's business. Dropping the future gives the answer up.
    ///
    /// # Errors
    /// See [`InvokeError`].
    pub async fn invoke(
        &self,
        addr: &str,
        request: RemotingCommand,
        timeout: Duration,
    ) -> Result<RemotingCommand, InvokeError> {
        let end = Instant::now() + timeout;
        let caller = self.connect(addr, timeout).await?;
        let answer = caller.invoke_as(addr, request.clone(), left(end)).await?;
        if answer.response_code() != ResponseCode::GO_AWAY {
            return Ok(answer);
        }
        self.leave(addr, &caller);
        let gone = || InvokeError::GoAway { addr: addr.into() };
        let caller = self.connect(addr, left(end)).await.map_err(|_| gone())?;
        let answer = caller.invoke_as(addr, request, left(end)).await?;
        if answer.response_code() == ResponseCode::GO_AWAY { Err(gone()) } else { Ok(answer) }
    }

    /// Sends a request that wants no answer: returns when it is queued for the peer at `addr`.
    ///
    /// # Errors
    /// See [`InvokeError`].
    pub async fn oneway(&self, addr: &str, request: RemotingCommand) -> Result<(), InvokeError> {
        let caller = self.connect(addr, self.inner.connect_timeout).await?;
        caller.notify(request).map_err(|error| InvokeError::from_notify(addr, error))
    }

    /// The connection to `addr`, made now if there is none. Callers at the same time share one attempt.
    ///
    /// # Errors
    /// [`InvokeError::Connect`], [`InvokeError::Timeout`]; [`InvokeError::Closed`] after [`Client::close`].
    pub async fn connect(&self, addr: &str, timeout: Duration) -> Result<Caller, InvokeError> {
        let slot = self.slot(addr)?;
        if let Some(caller) = slot.open_caller() {
            return Ok(caller);
        }
        let inner = &self.inner;
        let timeout = timeout.min(inner.connect_timeout);
        let caller = slot.connect(addr, timeout, &inner.shared, &inner.service, &inner.tasks).await?;
        // Close may have come meanwhile, and have missed this connection.
        if inner.closed.load(Ordering::Acquire) {
            caller.close();
            return Err(InvokeError::Closed { addr: addr.into() });
        }
        Ok(caller)
    }

    /// Closes the connection to `addr`, if there is one; its waiters fail.
    pub fn disconnect(&self, addr: &str) {
        let slot = self.slots().get(addr).cloned();
        if let Some(caller) = slot.and_then(|slot| slot.open_caller()) {
            caller.close();
        }
    }

    /// Closes all connections for good: waiters and later calls fail with [`InvokeError::Closed`].
    pub fn close(&self) {
        self.inner.closed.store(true, Ordering::Release);
        let slots = std::mem::take(&mut *self.slots());
        slots.values().filter_map(|slot| slot.open_caller()).for_each(|caller| caller.close());
    }

    /// A peer that shuts down gets no further request on this connection; answers it owes may still come.
    fn leave(&self, addr: &str, caller: &Caller) {
        if let Some(slot) = self.slots().get(addr) {
            slot.leave(caller);
        }
    }

    fn slot(&self, addr: &str) -> Result<Arc<Slot>, InvokeError> {
        let mut slots = self.slots();
        if self.inner.closed.load(Ordering::Acquire) {
            return Err(InvokeError::Closed { addr: addr.into() });
        }
        if let Some(slot) = slots.get(addr) {
            return Ok(slot.clone());
        }
        if slots.len() >= SLOTS_KEPT {
            slots.retain(|_, slot| slot.is_in_use());
        }
        let slot = Arc::new(Slot::default());
        slots.insert(addr.into(), slot.clone());
        Ok(slot)
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({} addresses)", self.slots().len())
    }
}

fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
}

/// Serves nothing.
struct NoService;

impl CommandService for NoService {
    fn call(&self, _caller: &Caller, request: RemotingCommand) -> Reply {
        let remark = format!(" request type {} not supported", request.code);
        Reply::Now(request.reply_error(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, remark))
    }
}
