//! What all parts of a running controller share: the member of the Raft group, heartbeats, keys; elections.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use eruca_message::{Clock, Timestamp};
use eruca_protocol::{RemotingCommand, ResponseCode, request::NotifyBrokerRoleChangedRequest};
use eruca_remoting::Client;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::{
    ControllerKeys,
    liveness::{BrokerKey, LivenessTable},
    raft::{ProposeError, RaftNode},
    state::{Answer, Command, Liveness, Master, Replicas, SyncStateSetView},
};

/// No request waits longer for the Raft group. Java: 5 s.
const GROUP_WAIT: Duration = Duration::from_secs(5);

pub(crate) struct Core {
    pub(crate) node: RaftNode,
    pub(crate) keys: RwLock<Arc<ControllerKeys>>,
    pub(crate) clock: Arc<dyn Clock>,
    liveness: Mutex<LivenessTable>,
    /// Oneway requests for brokers.
    notices: mpsc::Sender<(String, RemotingCommand)>,
    /// For questions to them.
    pub(crate) client: Client,
    /// Brokers that are gone.
    gone: mpsc::Sender<BrokerKey>,
    /// This controller closes the connections itself: they say nothing of brokers.
    is_stopping: AtomicBool,
}

/// Why the group did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupError {
    #[error(transparent)]
    Propose(#[from] ProposeError),
    #[error(
        "the controllers did not agree within {} s: fewer than half of them answer, or their disks are slow",
        GROUP_WAIT.as_secs()
    )]
    Timeout,
}

impl Core {
    pub(crate) fn new(
        node: RaftNode,
        keys: ControllerKeys,
        clock: Arc<dyn Clock>,
        client: Client,
        notices: mpsc::Sender<(String, RemotingCommand)>,
        gone: mpsc::Sender<BrokerKey>,
    ) -> Core {
        let liveness = Mutex::new(LivenessTable::new(clock.now()));
        let is_stopping = AtomicBool::new(false);
        Core { node, keys: RwLock::new(Arc::new(keys)), clock, liveness, client, notices, gone, is_stopping }
    }

    /// From now on nobody is taken for dead: the connections are about to be closed.
    pub(crate) fn stopping(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    pub(crate) fn keys(&self) -> Arc<ControllerKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn liveness(&self) -> MutexGuard<'_, LivenessTable> {
        // Each change is one insert or one removal, which later heartbeats repair.
        let mut liveness = self.liveness.lock().unwrap_or_else(PoisonError::into_inner);
        liveness.heed_term(self.node.term(), self.clock.now());
        liveness
    }

    /// What is known of a group now.
    pub(crate) fn view(&self, broker_name: &str) -> Liveness {
        self.liveness().view(broker_name, self.clock.now())
    }

    pub(crate) async fn propose(&self, command: Command) -> Result<Answer, GroupError> {
        let answer = tokio::time::timeout(GROUP_WAIT, self.node.propose(command)).await;
        Ok(answer.map_err(|_elapsed| GroupError::Timeout)??)
    }

    pub(crate) async fn read<T>(&self, look: impl FnOnce(&Replicas) -> T) -> Result<T, GroupError> {
        let found = tokio::time::timeout(GROUP_WAIT, self.node.read(look)).await;
        Ok(found.map_err(|_elapsed| GroupError::Timeout)??)
    }

    /// A connection is gone, and with it the brokers that sent their heartbeats on it.
    pub(crate) fn disconnected(&self, connection_id: u64) {
        if self.is_stopping() {
            return;
        }
        let gone = self.liveness().disconnected(connection_id, self.clock.now());
        for key in gone {
            info!(broker = key.0, id = key.1, "the connection of a broker is gone");
            self.report_gone(key);
        }
    }

    /// Looks for brokers whose heartbeats stopped.
    pub(crate) fn expire_step(&self, now: Timestamp) {
        let gone = self.liveness().expire(now);
        for key in gone {
            warn!(broker = key.0, id = key.1, "the heartbeats of a broker stopped");
            self.report_gone(key);
        }
    }

    fn report_gone(&self, key: BrokerKey) {
        if self.gone.try_send(key).is_err() {
            debug!("many brokers are gone at once; groups without a master are found by the next scan");
        }
    }

    /// A broker is gone: a new master is elected where it was one.
    pub(crate) async fn broker_gone(&self, (broker_name, broker_id): BrokerKey) {
        let was_master = self.node.peek(|replicas| {
            replicas.group(&broker_name).is_some_and(|group| group.master == Some(broker_id))
        });
        if was_master && self.node.is_leader() {
            self.elect(broker_name).await;
        }
    }

    /// Elects masters for the groups that have none which is alive.
    pub(crate) async fn scan_masters(&self) {
        if !self.node.is_leader() {
            return;
        }
        let unclean = self.keys().enable_elect_unclean_master;
        let without: Vec<String> = self.node.peek(|replicas| {
            let wanted =
                replicas.groups().filter(|(name, group)| group.wants_election(&self.view(name), unclean));
            wanted.map(|(name, _)| name.to_owned()).collect()
        });
        for broker_name in without {
            self.elect(broker_name).await;
        }
    }

    async fn elect(&self, broker_name: String) {
        if self.is_stopping() {
            return;
        }
        let command = Command::ElectMaster {
            liveness: self.view(&broker_name),
            broker_name: broker_name.clone(),
            broker_id: None,
            designate: false,
            unclean: self.keys().enable_elect_unclean_master,
        };
        match self.propose(command).await {
            Ok(answer) if answer.is_ok() => self.elected(&broker_name, &answer),
            Ok(answer) if answer.code == ResponseCode::CONTROLLER_MASTER_STILL_EXIST.0 => {}
            Ok(answer) => {
                let why = answer.remark.unwrap_or_default();
                warn!(broker_name, why, "no master was elected");
            }
            Err(GroupError::Propose(ProposeError::NotLeader)) => {}
            Err(error) => warn!(broker_name, %error, "no master was elected"),
        }
    }

    /// Tells the brokers of a group who was elected.
    pub(crate) fn elected(&self, broker_name: &str, answer: &Answer) {
        let (Some(master), Some(set)) = (&answer.master, &answer.sync_state_set) else { return };
        info!(
            broker_name,
            id = master.broker_id,
            addr = master.address,
            epoch = master.epoch,
            "master elected"
        );
        if !self.keys().notify_broker_role_changed {
            return;
        }
        let notice = role_notice(master, set, None);
        let liveness = self.view(broker_name);
        for (_, addr) in answer.members.iter().filter(|(id, _)| liveness.is_alive(**id)) {
            if self.notices.try_send((addr.clone(), notice.clone())).is_err() {
                debug!(addr, "notice dropped: too many wait; the broker asks by itself a little later");
            }
        }
    }
}

/// Who is master of a group, for its brokers; with `hand_over_to` the question to prepare for that one.
pub(crate) fn role_notice(
    master: &Master,
    set: &SyncStateSetView,
    hand_over_to: Option<i64>,
) -> RemotingCommand {
    let header = NotifyBrokerRoleChangedRequest {
        master_address: Some(master.address.clone()),
        master_epoch: Some(master.epoch),
        sync_state_set_epoch: Some(set.epoch),
        master_broker_id: Some(master.broker_id),
        hand_over_to,
    };
    RemotingCommand::request(&header).with_body(set.to_body())
}
