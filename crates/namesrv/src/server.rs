//! A name server that listens: its socket, and one thread that looks for silent brokers and sends notices.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use eruca_message::Clock;
use eruca_protocol::RemotingCommand;
use eruca_remoting::{BindError, Client, ClientConfig, Server, ServerConfig, TaskGroup};
use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use crate::{BrokerNotifier, KvConfigError, Namesrv, NamesrvConfig};

/// Notices that wait to be sent; more are dropped, brokers find out by themselves a little later.
const NOTICES_MAX: usize = 1_000;

/// Why a name server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `bindAddress` is not an address.
    #[error(
        "bindAddress: '{value}' is not allowed, it must be an IP address such as 0.0.0.0, 127.0.0.1 or ::"
    )]
    Address {
        /// The value.
        value: String,
    },
    /// The key-value configuration cannot be used.
    #[error(transparent)]
    KvConfig(#[from] KvConfigError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives no thread.
    #[error("the name server's control thread cannot start: {0}; raise the limit of processes")]
    Thread(#[from] io::Error),
}

/// A running name server. Dropped, it stops without grace.
pub struct NamesrvServer {
    namesrv: Arc<Namesrv>,
    server: Server,
    control: Option<Control>,
}

impl NamesrvServer {
    /// Listens and serves. Of `server` the limits count; address, name and idle time come from `config`.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(
        config: NamesrvConfig,
        server: ServerConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<NamesrvServer, StartError> {
        let keys = &config.keys;
        let ip: IpAddr = keys
            .bind_address
            .parse()
            .map_err(|_| StartError::Address { value: keys.bind_address.clone() })?;
        let server = ServerConfig {
            listen: vec![SocketAddr::new(ip, keys.listen_port)],
            idle_timeout: Duration::from_secs(keys.server_channel_max_idle_time_seconds.into()),
            name: "namesrv",
            ..server
        };
        let (notices, waiting) = mpsc::channel(NOTICES_MAX);
        let namesrv = Arc::new(Namesrv::new(config, Arc::clone(&clock), Arc::new(Notices(notices)))?);
        let control = Control::start(Arc::clone(&namesrv), clock, waiting)?;
        let server = Server::bind(server, Arc::clone(&namesrv) as _)?;
        Ok(NamesrvServer { namesrv, server, control: Some(control) })
    }

    /// Where it listens.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.server.local_addrs()
    }

    /// What answers.
    pub fn namesrv(&self) -> &Arc<Namesrv> {
        &self.namesrv
    }

    /// Stops listening, lets connections end for at most `grace`, and waits for the threads.
    pub fn shutdown(mut self, grace: Duration) {
        self.server.shutdown(grace);
        if let Some(control) = self.control.take() {
            control.stop();
        }
    }
}

impl Drop for NamesrvServer {
    fn drop(&mut self) {
        if let Some(control) = self.control.take() {
            control.stop();
        }
    }
}

/// Puts notices into the queue of the control thread.
struct Notices(mpsc::Sender<(String, RemotingCommand)>);

impl BrokerNotifier for Notices {
    fn notify(&self, addr: &str, request: RemotingCommand) {
        if self.0.try_send((addr.to_owned(), request)).is_err() {
            debug!(addr, "notice dropped: too many wait, or the name server stops");
        }
    }
}

/// The control thread.
struct Control {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Control {
    fn start(
        namesrv: Arc<Namesrv>,
        clock: Arc<dyn Clock>,
        notices: mpsc::Receiver<(String, RemotingCommand)>,
    ) -> io::Result<Control> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("namesrv-control".to_owned()).spawn(move || {
            runtime.block_on(async {
                let tasks = TaskGroup::new();
                tasks.spawn("expire brokers", expire_brokers(namesrv, clock));
                tasks.spawn("send notices", send_notices(notices));
                // An error means that the server was dropped: stop as well.
                let _ = stopped.await;
                tasks.shutdown().await;
            });
        })?;
        Ok(Control { stop, thread })
    }

    fn stop(self) {
        // An error means that the thread has ended already.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

async fn expire_brokers(namesrv: Arc<Namesrv>, clock: Arc<dyn Clock>) {
    loop {
        let interval_ms = namesrv.keys().scan_not_active_broker_interval;
        tokio::time::sleep(Duration::from_millis(interval_ms)).await;
        namesrv.expire_step(clock.now());
    }
}

async fn send_notices(mut notices: mpsc::Receiver<(String, RemotingCommand)>) {
    let client = Client::new(ClientConfig { name: "namesrv", ..ClientConfig::default() }, None);
    while let Some((addr, request)) = notices.recv().await {
        if let Err(error) = client.oneway(&addr, request).await {
            debug!(addr, %error, "notice not delivered");
        }
    }
}
