//! One member of the group: starts, answers what only the leader may, says who leads.

use std::{collections::BTreeMap, fs::File, path::Path, sync::Arc, time::Duration};

use eruca_protocol::RemotingCommand;
use eruca_remoting::Client;
use openraft::{
    Config, ServerState, SnapshotPolicy,
    error::{ClientWriteError, RaftError},
};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{
    DiskError, Peer, Peers, log_file,
    log_store::LogStore,
    machine::Machine,
    network::{self, Network},
    types::Raft,
};
use crate::state::{Answer, Command, Replicas};

/// Entries since the last snapshot after which there is another one.
const SNAPSHOT_EVERY: u64 = 1_000;
/// Entries that a snapshot has and the log keeps, for members that are a little behind.
const ENTRIES_KEPT: u64 = 200;
/// Bytes of a snapshot in one call.
const SNAPSHOT_PIECE_BYTES: u64 = 1 << 20;

/// How soon members act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaftTimes {
    /// Between two signs of life of the leader.
    pub heartbeat: Duration,
    /// Without one for so long (up to twice as long, at random) a member wants to lead.
    pub election: Duration,
}

/// Why a member does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its files cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The directory belongs to another group.
    #[error(
        "{dir}: the directory is that of {stored}, the keys say {asked}: members cannot change while the group's \
         data stays; move the directories of all members away to begin anew (brokers need new ids then)"
    )]
    OtherGroup {
        /// The directory.
        dir: String,
        /// Whose it is.
        stored: String,
        /// Whose it should be.
        asked: String,
    },
    /// The library refuses.
    #[error("the Raft group does not start: {0}")]
    Raft(String),
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Another member leads, or nobody does.
    #[error("The controller is not in leader state")]
    NotLeader,
    /// The member has failed.
    #[error("the controller cannot write its log: {0}; see its log, then restart it")]
    Failed(String),
}

/// Whose a directory is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    group: String,
    me: String,
    members: Vec<String>,
}

impl Owner {
    fn text(&self) -> String {
        format!("{} in the group {} of {}", self.me, self.group, self.members.join(", "))
    }
}

/// A running member.
pub struct RaftNode {
    raft: Raft,
    machine: Machine,
    peers: Arc<Peers>,
    _lock: File,
}

impl RaftNode {
    /// Opens the files in `dir` and takes part. Needs a Tokio runtime, on which it lives then.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn start(
        dir: &Path,
        peers: Arc<Peers>,
        times: RaftTimes,
        client: Client,
    ) -> Result<RaftNode, NodeError> {
        let lock = log_file::lock(dir)?;
        check_owner(dir, &peers)?;
        let (log, machine) = (LogStore::open(dir)?, Machine::open(dir)?);
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let election = ms(times.election).max(2);
        let config = Config {
            cluster_name: peers.group.clone(),
            heartbeat_interval: ms(times.heartbeat).clamp(1, election - 1),
            election_timeout_min: election,
            election_timeout_max: election.saturating_mul(2),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_EVERY),
            max_in_snapshot_log_to_keep: ENTRIES_KEPT,
            snapshot_max_chunk_size: SNAPSHOT_PIECE_BYTES,
            install_snapshot_timeout: 5_000,
            ..Config::default()
        };
        let config = config.validate().map_err(|error| NodeError::Raft(error.to_string()))?;
        let network = Network { client, peers: Arc::clone(&peers) };
        let raft = Raft::new(peers.my_number(), Arc::new(config), network, log, machine.clone())
            .await
            .map_err(|error| NodeError::Raft(error.to_string()))?;
        let node = RaftNode { raft, machine, peers, _lock: lock };
        node.join().await?;
        Ok(node)
    }

    /// Forms the group, or goes on in it.
    async fn join(&self) -> Result<(), NodeError> {
        let failed = |error: String| NodeError::Raft(error);
        let is_formed = self.raft.is_initialized().await.map_err(|error| failed(error.to_string()))?;
        if !is_formed {
            let members: BTreeMap<u64, Peer> =
                self.peers.iter().map(|(number, peer)| (number, peer.clone())).collect();
            // All members say the same; one that another one was quicker than is told that it is formed already.
            if let Err(error @ RaftError::Fatal(_)) = self.raft.initialize(members).await {
                return Err(failed(error.to_string()));
            }
        } else if self.peers.is_single() {
            // Nobody else can be elected: no reason to wait for one.
            self.raft.trigger().elect().await.map_err(|error| failed(error.to_string()))?;
        }
        Ok(())
    }

    /// Carries a command out: through the log, or at once where it changes nothing.
    ///
    /// # Errors
    /// [`ProposeError`].
    pub async fn propose(&self, command: Command) -> Result<Answer, ProposeError> {
        self.linearize().await?;
        if let Some(answer) = self.machine.read(|replicas| replicas.answer_unchanged(&command)) {
            return Ok(answer);
        }
        match self.raft.client_write(command).await {
            Ok(written) => Ok(written.data),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Err(ProposeError::NotLeader),
            Err(error) => Err(ProposeError::Failed(error.to_string())),
        }
    }

    /// Looks at the state, in which everything is that was acknowledged before the call.
    ///
    /// # Errors
    /// [`ProposeError`].
    pub async fn read<T>(&self, look: impl FnOnce(&Replicas) -> T) -> Result<T, ProposeError> {
        self.linearize().await?;
        Ok(self.machine.read(look))
    }

    async fn linearize(&self) -> Result<(), ProposeError> {
        if !self.is_leader() {
            return match &self.raft.metrics().borrow().running_state {
                Ok(()) => Err(ProposeError::NotLeader),
                Err(fatal) => Err(ProposeError::Failed(fatal.to_string())),
            };
        }
        match self.raft.ensure_linearizable().await {
            Ok(_) => Ok(()),
            Err(RaftError::Fatal(error)) => Err(ProposeError::Failed(error.to_string())),
            Err(RaftError::APIError(_)) => Err(ProposeError::NotLeader),
        }
    }

    /// The state as far as this member has applied it, which may be old.
    pub fn peek<T>(&self, look: impl FnOnce(&Replicas) -> T) -> T {
        self.machine.read(look)
    }

    /// Whether this member believes that it leads.
    pub fn is_leader(&self) -> bool {
        self.raft.metrics().borrow().state == ServerState::Leader
    }

    /// The term of the group, as far as this member knows: another one means that somebody else may have led meanwhile.
    pub fn term(&self) -> u64 {
        self.raft.metrics().borrow().current_term
    }

    /// The member that leads, as far as this one knows.
    pub fn leader(&self) -> Option<&Peer> {
        let leader = self.raft.metrics().borrow().current_leader?;
        self.peers.get(leader)
    }

    /// The members.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Answers a call of another member.
    pub async fn serve(&self, request: &RemotingCommand) -> RemotingCommand {
        network::serve(&self.raft, &self.peers, request).await
    }

    /// Returns whenever the member has become leader or has ceased to be; tells which.
    pub async fn leadership_changed(&self, was_leader: bool) -> bool {
        let mut metrics = self.raft.metrics();
        loop {
            let (is_leader, term, failed) = {
                let now = metrics.borrow_and_update();
                (now.state == ServerState::Leader, now.current_term, now.running_state.clone().err())
            };
            if let Some(error) = failed {
                warn!(%error, "the Raft member has stopped");
                std::future::pending::<()>().await;
            }
            if is_leader != was_leader {
                info!(term, is_leader, "leadership of the controllers changed");
                return is_leader;
            }
            if metrics.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Stops taking part.
    pub async fn shutdown(&self) {
        // An error means that its task panicked: it has stopped as well.
        let _ = self.raft.shutdown().await;
    }
}

fn check_owner(dir: &Path, peers: &Peers) -> Result<(), NodeError> {
    let path = dir.join("owner");
    let asked = Owner {
        group: peers.group.clone(),
        me: peers.me().name.clone(),
        members: peers.iter().map(|(_, peer)| peer.name.clone()).collect(),
    };
    match log_file::read_value::<Owner>(&path)? {
        None => Ok(log_file::write_value(&path, &asked)?),
        Some(stored) if stored == asked => Ok(()),
        Some(stored) => Err(NodeError::OtherGroup {
            dir: dir.display().to_string(),
            stored: stored.text(),
            asked: asked.text(),
        }),
    }
}
