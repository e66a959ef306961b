//! The controllers: their real state machine, and what each of them hears. That they agree is Raft's part, and not played here: what is
//! decided all know at once. One leads, and answers; another one takes over now and then, and one that restarts has heard of nobody.

use std::collections::VecDeque;

use eruca_controller::{
    liveness::LivenessTable,
    state::{self, Candidate, Command, Group, Liveness, Replicas},
};
use eruca_message::Timestamp;
use eruca_protocol::{ResponseCode, request::BrokerHeartbeatRequest};
use eruca_replication::auto_switch::{Answer, Ask, GroupView};

use super::scenario::{BROKERS, CONTROLLERS, DEAD_AFTER_MS};

const CLUSTER: &str = "cluster";
const NAME: &str = "group";

/// Views that were true before and that are still under way.
const OLD_VIEWS: usize = 4;

pub(super) struct Controllers {
    replicas: Replicas,
    /// By controller: whom it hears.
    heard: Vec<LivenessTable>,
    leader: usize,
    term: u64,
    old_views: VecDeque<GroupView>,
    /// How often somebody else became master.
    pub(super) changes: u64,
}

impl Controllers {
    pub(super) fn new(now: Timestamp) -> Controllers {
        Controllers {
            replicas: Replicas::default(),
            heard: (0..CONTROLLERS).map(|_| LivenessTable::settling_for(now, DEAD_AFTER_MS)).collect(),
            leader: 0,
            term: 1,
            old_views: VecDeque::new(),
            changes: 0,
        }
    }

    /// Where the one that leads is in the network.
    pub(super) fn place(&self) -> usize {
        BROKERS + self.leader
    }

    /// One restarts: it has heard nobody yet. The others have another one lead, where it was that.
    pub(super) fn restart(&mut self, which: usize, now: Timestamp) {
        self.heard[which] = LivenessTable::settling_for(now, DEAD_AFTER_MS);
        if which == self.leader {
            self.lead((which + 1) % CONTROLLERS, now);
        }
    }

    /// One leads from now on.
    pub(super) fn lead(&mut self, which: usize, now: Timestamp) {
        (self.leader, self.term) = (which, self.term + 1);
        let term = self.term;
        self.heard.iter_mut().for_each(|heard| heard.heed_term(term, now));
    }

    pub(super) fn heartbeat(&mut self, which: usize, id: i64, candidate: Candidate, now: Timestamp) {
        let Candidate { epoch, max_offset, priority } = candidate;
        let header = BrokerHeartbeatRequest {
            broker_name: NAME.to_owned(),
            broker_id: Some(id),
            epoch: Some(epoch),
            max_offset: Some(max_offset),
            heartbeat_timeout_mills: Some(DEAD_AFTER_MS),
            election_priority: Some(priority),
            ..BrokerHeartbeatRequest::default()
        };
        self.heard[which].heartbeat(&header, id, id.unsigned_abs(), now);
    }

    /// A broker's connections ended.
    pub(super) fn lost(&mut self, id: i64, now: Timestamp) {
        self.heard.iter_mut().for_each(|heard| drop(heard.disconnected(id.unsigned_abs(), now)));
    }

    fn liveness(&self, now: Timestamp) -> Liveness {
        self.heard[self.leader].view(NAME, now)
    }

    pub(super) fn group(&self) -> Option<&Group> {
        self.replicas.group(NAME)
    }

    /// How things are, as the controller tells it by itself.
    pub(super) fn view(&self) -> Option<GroupView> {
        let group = self.group()?;
        Some(view(group.master(), Some(group.master_epoch), Some(group.sync_state_set())))
    }

    /// How things were, as one tells it that does not know better.
    pub(super) fn old_view(&self) -> Option<GroupView> {
        self.old_views.front().cloned()
    }

    /// Elects where the master is dead. Whether there was an election.
    pub(super) fn tick(&mut self, now: Timestamp) -> bool {
        self.heard.iter_mut().for_each(|heard| drop(heard.expire(now)));
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
        let view = self.view();
        let answer = self.replicas.apply(command);
        let after = self.group().and_then(|group| group.master);
        self.changes += u64::from(after.is_some() && before != after);
        if let Some(view) = view.filter(|view| Some(view) != self.view().as_ref()) {
            self.old_views.push_back(view);
            self.old_views.drain(..self.old_views.len().saturating_sub(OLD_VIEWS));
        }
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
