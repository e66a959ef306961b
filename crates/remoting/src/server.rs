//! A listening server: sockets spread over shards, limits, shutdown.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize},
    time::Duration,
};

use crate::{
    BindError, CommandService,
    accept::Listener,
    bind,
    limits::{Limits, OWED_REPLIES_MAX, Shared},
    shard::{Shard, ShardSettings},
};

/// How a [`Server`] listens and what it allows.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where to listen. Port 0 takes a free one, see [`Server::local_addrs`].
    pub listen: Vec<SocketAddr>,
    /// Threads that serve connections; about one for each CPU.
    pub shards: usize,
    /// A longer frame closes its connection. Java: 16 MiB.
    pub max_frame_bytes: usize,
    /// More connections are refused, with a line in the log.
    pub max_connections: usize,
    /// Bytes that all connections together may hold in half frames and in answers that were not sent yet. Above it
    /// nothing new is read; above twice as much, connections with half frames are closed.
    pub max_in_flight_bytes: usize,
    /// Neither reading nor writing for so long closes a connection. Java: 120 s.
    pub idle_timeout: Duration,
    /// With more unsent output, a connection is not read from.
    pub output_high_water_bytes: usize,
    /// With more unsent output (late replies can pile up above the high water), a connection is closed.
    pub output_max_bytes: usize,
    /// Unsent output that makes no progress for so long closes a connection.
    pub stall_timeout: Duration,
    /// Of whom logs and thread names speak: `namesrv`, `broker`.
    pub name: &'static str,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            listen: Vec::new(),
            shards: 1,
            max_frame_bytes: 16 << 20,
            max_connections: 100_000,
            max_in_flight_bytes: 256 << 20,
            idle_timeout: Duration::from_secs(120),
            output_high_water_bytes: 1 << 20,
            output_max_bytes: 64 << 20,
            stall_timeout: Duration::from_secs(30),
            name: "server",
        }
    }
}

/// A running server: owns its threads and sockets. Dropped, it shuts down without grace.
#[derive(Debug)]
pub struct Server {
    local_addrs: Vec<SocketAddr>,
    shards: Mutex<Vec<Shard>>,
    connections: Arc<AtomicUsize>,
    shared: Arc<Shared>,
}

impl Server {
    /// Listens on every address, or on none, and serves from now on.
    ///
    /// # Errors
    /// [`BindError`], also when the system gives no thread for a shard.
    pub fn bind(config: ServerConfig, service: Arc<dyn CommandService>) -> Result<Server, BindError> {
        let name = config.name;
        let sockets = config
            .listen
            .iter()
            .map(|addr| bind::listen(name, *addr))
            .collect::<Result<Vec<_>, BindError>>()?;
        let first_addr = config.listen.first().copied().unwrap_or_else(|| ([0, 0, 0, 0], 0).into());
        let no_thread = |source| BindError {
            name,
            addr: first_addr,
            source,
            remedy: "the system gives no thread or event queue: raise the limits of processes and open files"
                .into(),
        };
        let local_addrs = sockets
            .iter()
            .map(std::net::TcpListener::local_addr)
            .collect::<Result<_, _>>()
            .map_err(no_thread)?;
        let limits = Limits {
            name,
            frame_max_bytes: config.max_frame_bytes,
            output_high_water_bytes: config.output_high_water_bytes,
            request_queue_max_bytes: config.output_high_water_bytes,
            output_max_bytes: config.output_max_bytes.max(config.output_high_water_bytes),
            stall_timeout: config.stall_timeout,
            idle_timeout: config.idle_timeout,
            owed_replies_max: OWED_REPLIES_MAX,
        };
        let shared = Shared::new(limits, config.max_in_flight_bytes);
        let settings = ShardSettings { shared: shared.clone(), service };
        let shards = (0..config.shards.max(1))
            .map(|number| Shard::start(number, settings.clone()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(no_thread)?;
        let connections = Arc::new(AtomicUsize::new(0));
        let doors: Arc<[_]> = shards.iter().map(Shard::door).collect();
        for socket in sockets {
            let listener = Listener {
                name,
                socket,
                max_connections: config.max_connections,
                connections: connections.clone(),
                doors: doors.clone(),
            };
            // The first shard accepts for all; a connection goes to the shard that has the fewest.
            if let Some(shard) = shards.first() {
                shard.accept(listener);
            }
        }
        Ok(Server { local_addrs, shards: Mutex::new(shards), connections, shared })
    }

    /// Where it listens, in the order of [`ServerConfig::listen`].
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Bytes that all connections hold now, of [`ServerConfig::max_in_flight_bytes`].
    pub fn in_flight_bytes(&self) -> usize {
        self.shared.budget.used_bytes()
    }

    /// Stops listening at once and closes every connection as soon as it owes no reply, at the latest after `grace`.
    /// New requests of peers that understand it (version above 475) are answered with `GO_AWAY`.
    ///
    /// Blocks until all threads have ended. Does nothing the second time.
    pub fn shutdown(&self, grace: Duration) {
        self.shared.drain();
        let mut shards = std::mem::take(&mut *self.shards.lock().unwrap_or_else(PoisonError::into_inner));
        shards.iter().for_each(|shard| shard.drain(grace));
        shards.iter_mut().for_each(Shard::join);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}
