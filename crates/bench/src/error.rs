//! Why a load cannot be run.

use std::{io, path::PathBuf};

use eruca_client::{CallError, ConfigError, SendError, StartError};
use eruca_message::BatchError;
use eruca_protocol::FrameError;

/// Why a load could not be run. What a broker refuses while it runs is counted, not returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// Something typed contradicts something else.
    #[error("{what}: {remedy}")]
    Argument {
        /// The option and its value.
        what: String,
        /// What helps.
        remedy: &'static str,
    },
    /// A call to a name server or a broker failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A client cannot be built.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A consumer did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A first message was not taken.
    #[error(transparent)]
    Send(#[from] Box<SendError>),
    /// The cluster has no broker that takes messages.
    #[error("no broker of '{name_servers}' takes messages of topic '{topic}': {remedy}")]
    NoBroker {
        /// The name servers asked.
        name_servers: String,
        /// The topic.
        topic: String,
        /// What helps.
        remedy: &'static str,
    },
    /// A broker cannot be connected to.
    #[error("broker {addr} cannot be connected to: {source}")]
    Connect {
        /// Its address.
        addr: String,
        /// What the system says.
        source: io::Error,
    },
    /// Requests of this size cannot be written.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The entries of a batch cannot be written.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The process to be measured cannot be read.
    #[error("process {pid} cannot be measured: {source}; name a process of this machine that runs")]
    Process {
        /// Its id.
        pid: u32,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread, timer or event queue.
    #[error("the system gives no {what}: {source}; raise the limits of processes and open files")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The floor's server failed.
    #[error("echo server: {0}")]
    Echo(#[source] io::Error),
    /// The load ended without a single success.
    #[error("nothing was acknowledged: {first}")]
    Nothing {
        /// The first failure, or that there was none.
        first: String,
    },
}
