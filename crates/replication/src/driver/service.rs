//! The threads, started and stopped.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::watch;

use super::{from_master, replicas::Replicas, to_slave};

/// Most slaves at once: far more than any group has.
const SLAVES_MAX: usize = 64;
/// Pause between two looks at whether slaves are in sync.
const JUDGE_PERIOD: Duration = Duration::from_secs(1);
/// Pause after a connection that could not be accepted (too many open files, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What replication is started with.
#[derive(Debug)]
pub struct ReplicationParts {
    /// What is shared.
    pub replicas: Arc<Replicas>,
    /// Where slaves come in.
    pub listener: TcpListener,
    /// `host:port` of the HA service of the master whose log is copied; `None` while there is none, and for a master.
    pub master: watch::Receiver<Option<String>>,
}

/// The running threads; [`Replication::stop`] ends them and waits.
#[derive(Debug)]
pub struct Replication {
    replicas: Arc<Replicas>,
    listen: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Replication {
    /// Starts them.
    ///
    /// # Errors
    /// A thread cannot be started, or the listener cannot be used.
    pub fn start(parts: ReplicationParts) -> io::Result<Replication> {
        let ReplicationParts { replicas, listener, master } = parts;
        let (stop, stopped) = watch::channel(false);
        let listen = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let service = Replication { replicas: replicas.clone(), listen, stop, threads: Mutex::default() };
        service.thread("eruca-ha", {
            let (replicas, mut stopped) = (replicas.clone(), stopped.clone());
            move || {
                let mut slaves = Slaves { replicas, stopped: stopped.clone(), threads: Vec::new(), next: 0 };
                runtime.block_on(async {
                    tokio::select! {
                        () = slaves.serve(listener) => {}
                        _ = stopped.wait_for(|stop| *stop) => {}
                    }
                });
                slaves.threads.into_iter().for_each(join);
            }
        })?;
        service.thread("eruca-ha-copy", move || from_master::run(&replicas, master, stopped))?;
        Ok(service)
    }

    /// Where slaves come in.
    pub fn listen_addr(&self) -> SocketAddr {
        self.listen
    }

    /// The slaves, and the own copy.
    pub fn replicas(&self) -> &Arc<Replicas> {
        &self.replicas
    }

    fn thread(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Ends all connections and waits. A second call does nothing.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        threads.into_iter().for_each(join);
        self.replicas.give_up("the broker stops");
    }
}

impl Drop for Replication {
    fn drop(&mut self) {
        self.stop();
    }
}

fn join(thread: JoinHandle<()>) {
    let name = thread.thread().name().unwrap_or_default().to_owned();
    if thread.join().is_err() {
        tracing::error!(thread = name, "thread ended with a panic");
    }
}

/// The thread that accepts slaves.
struct Slaves {
    replicas: Arc<Replicas>,
    stopped: watch::Receiver<bool>,
    threads: Vec<JoinHandle<()>>,
    next: u64,
}

impl Slaves {
    async fn serve(&mut self, listener: TcpListener) {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "no slave can come in: the listener of haListenPort cannot be used");
                return;
            }
        };
        let mut judged = tokio::time::interval(JUDGE_PERIOD);
        judged.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let next = self.replicas.expire();
            let left = next.map(|at| u64::try_from(at.ms_since(self.replicas.now())).unwrap_or(0));
            let has_slaves = self.replicas.connections() > 0;
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.accept(stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "a slave could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                () = self.replicas.waits.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(left.unwrap_or(0))), if left.is_some() => {}
                _ = judged.tick(), if has_slaves => self.replicas.judge(),
            }
        }
    }

    fn accept(&mut self, stream: tokio::net::TcpStream, peer: SocketAddr) {
        self.threads.retain(|thread| !thread.is_finished());
        if self.threads.len() >= SLAVES_MAX {
            tracing::warn!(%peer, limit = SLAVES_MAX, "a slave is sent away: so many are connected already");
            return;
        }
        let session = self.next;
        self.next += 1;
        let (replicas, stopped) = (self.replicas.clone(), self.stopped.clone());
        let started = stream.into_std().and_then(|stream| {
            std::thread::Builder::new()
                .name("eruca-ha-slave".to_owned())
                .spawn(move || to_slave::serve(&replicas, session, stream, peer, stopped))
        });
        match started {
            Ok(thread) => self.threads.push(thread),
            Err(error) => tracing::error!(%peer, %error, "a slave cannot be served"),
        }
    }
}
