//! Accepting sockets and spreading them over the shards.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, sync::mpsc};
use tracing::{error, warn};

/// Pause after the system refused a socket (mostly: no free file descriptor), which a retry at once cannot help.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Refused connections are logged at most so often.
const REFUSAL_LOG_PERIOD: Duration = Duration::from_secs(1);

/// A listening socket and where its connections go.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) name: &'static str,
    pub(crate) socket: std::net::TcpListener,
    pub(crate) max_connections: usize,
    /// Of the whole server.
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) doors: Arc<[Door]>,
}

/// The way into a shard.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    /// Connections of the shard.
    pub(crate) load: Arc<AtomicUsize>,
}

/// A socket on its way to a shard.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) stream: TcpStream,
    pub(crate) peer_addr: SocketAddr,
    pub(crate) place: Place,
}

/// A place among the connections that are allowed; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Place {
    counts: [Arc<AtomicUsize>; 2],
}

impl Place {
    fn take(server: &Arc<AtomicUsize>, shard: &Arc<AtomicUsize>) -> Place {
        let counts = [server.clone(), shard.clone()];
        counts.iter().for_each(|count| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        Place { counts }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counts.iter().for_each(|count| {
            count.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

impl Listener {
    /// Accepts until it is dropped.
    pub(crate) async fn run(self) {
        let name = self.name;
        let listener = match TcpListener::from_std(self.socket) {
            Ok(listener) => listener,
            Err(error) => return error!(server = name, %error, "cannot watch the listening socket"),
        };
        let mut refusals = Refusals::default();
        loop {
            let (stream, peer_addr) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    if !is_of_one_connection(&error) {
                        warn!(server = name, %error, "cannot accept connections; is the limit of open files too low?");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                    continue;
                }
            };
            // Only this task adds, so that the limit cannot be overshot. (With two listeners, by one.)
            if self.connections.load(Ordering::Relaxed) >= self.max_connections {
                refusals.note(name, peer_addr, self.max_connections);
                continue;
            }
            let Some(door) = self.doors.iter().min_by_key(|door| door.load.load(Ordering::Relaxed)) else {
                return;
            };
            let place = Place::take(&self.connections, &door.load);
            let Ok(stream) = stream.set_nodelay(true).and_then(|()| stream.into_std()) else { continue };
            // An error means that the shard is gone: the server is shutting down.
            let _ = door.arrivals.send(Arrival { stream, peer_addr, place }).await;
        }
    }
}

/// Whether only the connection that was to be accepted is at fault, e.g. because its peer has left already.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// Refused connections, so that many of them do not fill the log.
#[derive(Debug, Default)]
struct Refusals {
    logged_at: Option<Instant>,
    unlogged: u64,
}

impl Refusals {
    fn note(&mut self, name: &str, peer: SocketAddr, limit: usize) {
        if self.logged_at.is_some_and(|at| at.elapsed() < REFUSAL_LOG_PERIOD) {
            self.unlogged += 1;
            return;
        }
        let others = std::mem::take(&mut self.unlogged);
        warn!(server = name, %peer, limit, others, "connection refused: the limit of connections is reached");
        self.logged_at = Some(Instant::now());
    }
}
