//! One thread of a server: a current-thread runtime and the connections that live on it.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, atomic::AtomicUsize},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{net::TcpStream, runtime, sync::mpsc, task, task::JoinSet};
use tracing::{debug, error};

use crate::{
    CommandService,
    accept::{Arrival, Door, Listener},
    connection::Connection,
    limits::Shared,
    link::Link,
    mailbox::Mailbox,
};

/// Accepted sockets that may wait for a busy shard, beside the system's backlog.
const ARRIVALS_MAX: usize = 256;

/// What all shards of a server have in common.
#[derive(Clone)]
pub(crate) struct ShardSettings {
    pub(crate) shared: Arc<Shared>,
    pub(crate) service: Arc<dyn CommandService>,
}

/// A running shard, as its server holds it.
#[derive(Debug)]
pub(crate) struct Shard {
    door: Door,
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<JoinHandle<()>>,
}

/// What a server tells its shard: at most one of each kind for every listener and shutdown.
#[derive(Debug)]
enum Order {
    Accept(Listener),
    Drain(Duration),
}

impl Shard {
    pub(crate) fn start(number: usize, settings: ShardSettings) -> io::Result<Shard> {
        let (arrivals_in, arrivals) = mpsc::channel(ARRIVALS_MAX);
        let (orders_in, orders) = mpsc::unbounded_channel();
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let name = format!("{}-{number}", settings.shared.limits.name);
        let life = ShardLife {
            settings,
            arrivals,
            orders,
            mailbox: Arc::default(),
            connections: JoinSet::new(),
            links: HashMap::new(),
        };
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            let mailbox = life.mailbox.clone();
            runtime.block_on(life.run());
            mailbox.close();
            // Dropping the runtime drops what did not end within the grace: every connection has its end told.
            drop(runtime);
        })?;
        let door = Door { arrivals: arrivals_in, load: Arc::new(AtomicUsize::new(0)) };
        Ok(Shard { door, orders: orders_in, thread: Some(thread) })
    }

    pub(crate) fn door(&self) -> Door {
        self.door.clone()
    }

    /// Has the shard accept on this listener until it drains.
    pub(crate) fn accept(&self, listener: Listener) {
        // A shard whose thread has ended accepts nothing.
        let _ = self.orders.send(Order::Accept(listener));
    }

    /// Has the shard end its connections, see [`crate::Server::shutdown`].
    pub(crate) fn drain(&self, grace: Duration) {
        let _ = self.orders.send(Order::Drain(grace));
    }

    /// Waits for the thread to end.
    pub(crate) fn join(&mut self) {
        if let Some(Err(_panic)) = self.thread.take().map(JoinHandle::join) {
            error!("a shard's thread panicked");
        }
    }
}

/// The shard, as its own thread has it.
struct ShardLife {
    settings: ShardSettings,
    arrivals: mpsc::Receiver<Arrival>,
    orders: mpsc::UnboundedReceiver<Order>,
    mailbox: Arc<Mailbox>,
    connections: JoinSet<()>,
    links: HashMap<task::Id, Arc<Link>>,
}

impl ShardLife {
    async fn run(mut self) {
        let mut helpers = JoinSet::new();
        let mailbox = self.mailbox.clone();
        helpers.spawn(async move { mailbox.deliver().await });
        let mut listeners = JoinSet::new();
        let grace = loop {
            tokio::select! {
                biased;
                order = self.orders.recv() => match order {
                    Some(Order::Accept(listener)) => {
                        listeners.spawn(listener.run());
                    }
                    Some(Order::Drain(grace)) => break grace,
                    None => break Duration::ZERO,
                },
                Some(arrival) = self.arrivals.recv() => self.welcome(arrival),
                Some(ended) = self.connections.join_next_with_id() => self.note_end(ended),
            }
        };
        listeners.shutdown().await;
        self.links.values().for_each(Link::nudge);
        let all_ended = async {
            while let Some(ended) = self.connections.join_next_with_id().await {
                self.links.remove(&match ended {
                    Ok((id, ())) => id,
                    Err(error) => error.id(),
                });
            }
        };
        if tokio::time::timeout(grace, all_ended).await.is_err() {
            let connections = self.connections.len();
            debug!(connections, "closing connections that did not end within the grace period");
        }
    }

    fn welcome(&mut self, arrival: Arrival) {
        let Arrival { stream, peer_addr, place } = arrival;
        // An error here means that the peer has left already, or the system has no room to watch the socket.
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        let Ok(local_addr) = stream.local_addr() else { return };
        let link = Link::new(peer_addr, local_addr, self.settings.shared.clone(), Some(self.mailbox.clone()));
        let connection = Connection::new(stream, link.clone(), self.settings.service.clone());
        let task = self.connections.spawn(async move {
            connection.run().await;
            drop(place);
        });
        self.links.insert(task.id(), link);
    }

    fn note_end(&mut self, ended: Result<(task::Id, ()), task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                error!(%error, "a connection's task panicked");
                error.id()
            }
        };
        self.links.remove(&id);
    }
}
