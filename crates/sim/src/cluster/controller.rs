//! The controller: its real state machine. That several of them agree is Raft's part, and not played here: there is one, which
//! restarts now and then and has heard of nobody then.

use std::collections::BTreeMap;

use eruca_controller::state::{self, Candidate, Command, Group, Liveness, Replicas};
use eruca_message::Timestamp;
use eruca_protocol::ResponseCode;
use eruca_replication::auto_switch::{Answer, Ask, GroupView};

use super::scenario::DEAD_AFTER_MS;

const CLUSTER: &str = "cluster";
const NAME: &str = "group";

pub(super) struct Controller {
    replicas: Replicas,
    heard: BTreeMap<i64, (Timestamp, Candidate)>,
    settled_at: Timestamp,
    /// How often somebody else became master.
    pub(super) changes: u64,
}

impl Controller {
    pub(super) fn new(now: Timestamp) -> Controller {
        let settled_at = now.add_ms(DEAD_AFTER_MS);
        Controller { replicas: Replicas::default(), heard: BTreeMap::new(), settled_at, changes: 0 }
    }

    /// Whoever leads now has heard nobody yet.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.heard.clear();
        self.settled_at = now.add_ms(DEAD_AFTER_MS);
    }

    pub(super) fn heartbeat(&mut self, id: i64, candidate: Candidate, now: Timestamp) {
        self.heard.insert(id, (now, candidate));
    }

    /// A broker's connection ended.
    pub(super) fn lost(&mut self, id: i64) {
        self.heard.remove(&id);
    }

    fn liveness(&self, now: Timestamp) -> Liveness {
        let is_alive = |at: Timestamp| now.ms_since(at) <= DEAD_AFTER_MS;
        let alive = self.heard.iter().filter(|(_, (at, _))| is_alive(*at));
        Liveness {
            alive: alive.map(|(id, (_, candidate))| (*id, *candidate)).collect(),
            is_settling: now < self.settled_at,
            ..Liveness::default()
        }
    }

    pub(super) fn group(&self) -> Option<&Group> {
        self.replicas.group(NAME)
    }

    /// How things are, as the controller tells it by itself.
    pub(super) fn view(&self) -> Option<GroupView> {
        let group = self.group()?;
        Some(view(group.master(), Some(group.master_epoch), Some(group.sync_state_set())))
    }

    /// Elects where the master is dead. Whether there was an election.
    pub(super) fn tick(&mut self, now: Timestamp) -> bool {
        let liveness = self.liveness(now);
        if !self.group().is_some_and(|group| group.wants_election(&liveness, false)) {
            return false;
        }
        let (broker_name, broker_id) = (NAME.to_owned(), None);
        let command =
            Command::ElectMaster { broker_name, broker_id, designate: false, unclean: false, liveness };
        self.apply(&command);
        true
    }

    fn apply(&mut self, command: &Command) -> state::Answer {
        let before = self.group().and_then(|group| group.master);
        let answer = self.replicas.apply(command);
        let after = self.group().and_then(|group| group.master);
        self.changes += u64::from(after.is_some() && before != after);
        answer
    }

    pub(super) fn answer(&mut self, address: &str, ask: &Ask, now: Timestamp) -> Answer {
        let liveness = self.liveness(now);
        let broker_name = NAME.to_owned();
        let command = match ask {
            Ask::NextId => return Answer::NextId(self.replicas.next_broker_id(NAME)),
            Ask::View => return self.view().map_or(Answer::Unknown, Answer::View),
            Ask::Apply { id, check_code } => Command::ApplyBrokerId {
                cluster: CLUSTER.to_owned(),
                broker_name,
                broker_id: *id,
                register_check_code: check_code.clone(),
            },
            Ask::Register { id } => Command::RegisterBroker {
                broker_name,
                broker_id: *id,
                broker_address: address.to_owned(),
                liveness,
            },
            Ask::Elect { id } => Command::ElectMaster {
                broker_name,
                broker_id: Some(*id),
                designate: false,
                unclean: false,
                liveness,
            },
            Ask::Alter { id, epoch, proposal } => Command::AlterSyncStateSet {
                broker_name,
                master_broker_id: *id,
                master_epoch: *epoch,
                ids: proposal.members.clone(),
                sync_state_set_epoch: proposal.set_epoch,
                liveness,
            },
        };
        let answer = self.apply(&command);
        understand(ask, answer)
    }
}

/// As a broker reads it.
fn understand(ask: &Ask, answer: state::Answer) -> Answer {
    use ResponseCode as Code;
    let code = ResponseCode(answer.code);
    match (ask, code) {
        (_, Code::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED | Code::CONTROLLER_BROKER_METADATA_NOT_EXIST) => {
            Answer::Unknown
        }
        (Ask::Apply { .. }, Code::SUCCESS) => Answer::Applied,
        (Ask::Apply { .. }, Code::CONTROLLER_BROKER_ID_INVALID) => Answer::IdTaken,
        (Ask::Register { .. }, Code::SUCCESS)
        | (Ask::Elect { .. }, Code::SUCCESS | Code::CONTROLLER_MASTER_STILL_EXIST) => {
            let epoch = answer.master.as_ref().map(|master| master.epoch);
            Answer::View(view(answer.master, epoch, answer.sync_state_set))
        }
        (Ask::Alter { epoch, .. }, Code::SUCCESS) => {
            Answer::View(view(None, Some(*epoch), answer.sync_state_set))
        }
        _ => Answer::Refused,
    }
}

fn view(
    master: Option<state::Master>,
    epoch: Option<i32>,
    set: Option<state::SyncStateSetView>,
) -> GroupView {
    GroupView {
        master: master.map(|master| (master.broker_id, master.address)),
        epoch: epoch.unwrap_or(0),
        set_epoch: set.as_ref().map_or(0, |set| set.epoch),
        members: set.map(|set| set.ids).unwrap_or_default(),
    }
}
