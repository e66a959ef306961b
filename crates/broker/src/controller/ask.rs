//! What the controller is asked, as requests, and what its answers say.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, ElectMasterResponseBody, SyncStateSet},
    request::{
        ControllerAlterSyncStateSetRequest, ControllerApplyBrokerIdRequest, ControllerElectMasterRequest,
        ControllerElectMasterResponse, ControllerGetMetadataInfoResponse, ControllerGetNextBrokerIdRequest,
        ControllerGetNextBrokerIdResponse, ControllerGetReplicaInfoRequest, ControllerGetReplicaInfoResponse,
        ControllerRegisterBrokerRequest, ControllerRegisterBrokerResponse,
    },
};
use eruca_replication::auto_switch::{Answer, Ask, GroupView};

use crate::registration::{Identity, LazyClient};

/// How long a controller may take: it may have to ask the others of its group.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long one may take that is only asked who leads.
const LEADER_TIMEOUT: Duration = Duration::from_secs(1);

/// The controllers of a cluster.
#[derive(Debug)]
pub(super) struct Controllers {
    addresses: Vec<String>,
    client: LazyClient,
    leader: Mutex<Option<String>>,
}

impl Controllers {
    pub(super) fn new(addresses: Vec<String>) -> Self {
        Controllers { addresses, client: LazyClient::new("controllers"), leader: Mutex::default() }
    }

    pub(super) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The one that led when it was last asked.
    fn leader(&self) -> Option<String> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_leader(&self, leader: Option<String>) {
        *self.leader.lock().unwrap_or_else(PoisonError::into_inner) = leader;
    }

    /// Asks them all who leads; `None` where nobody says so.
    async fn find_leader(&self) -> Option<String> {
        for address in &self.addresses {
            let request = RemotingCommand::request_without_header(RequestCode::CONTROLLER_GET_METADATA_INFO);
            let Ok(answer) = self.client.get().invoke(address, request, LEADER_TIMEOUT).await else {
                continue;
            };
            let Ok(info) = answer.header::<ControllerGetMetadataInfoResponse>() else { continue };
            let leader = info.controller_leader_address.filter(|leader| !leader.is_empty());
            if leader.is_some() {
                return leader;
            }
        }
        None
    }

    /// What the leading controller says; why nothing, in words, where none does.
    async fn invoke(&self, request: &RemotingCommand) -> Result<RemotingCommand, String> {
        let mut why = "no controller says who leads them".to_owned();
        for _ in 0..2 {
            let known = self.leader();
            let leader = match known {
                Some(leader) => leader,
                None => match self.find_leader().await {
                    Some(leader) => leader,
                    None => return Err(why),
                },
            };
            match self.client.get().invoke(&leader, request.clone(), TIMEOUT).await {
                Ok(answer) if answer.response_code() != ResponseCode::CONTROLLER_NOT_LEADER => {
                    self.set_leader(Some(leader));
                    return Ok(answer);
                }
                Ok(_) => why = format!("{leader} leads no more"),
                Err(error) => why = error.to_string(),
            }
            self.set_leader(None);
        }
        Err(why)
    }

    /// Asks, and what that came to; with words where it is no answer.
    pub(super) async fn ask(&self, ask: &Ask, broker: &Identity, now_ms: i64) -> (Answer, Option<String>) {
        match self.invoke(&request(ask, broker, now_ms)).await {
            Ok(answer) => {
                let said = answer.remark.clone().filter(|_| answer.response_code() != ResponseCode::SUCCESS);
                match understand(ask, &answer) {
                    Some(understood) => (understood, said),
                    None => (Answer::Silence, Some("the controller's answer is not understood".to_owned())),
                }
            }
            Err(why) => (Answer::Silence, Some(why)),
        }
    }
}

fn request(ask: &Ask, broker: &Identity, now_ms: i64) -> RemotingCommand {
    let (cluster_name, broker_name) = (broker.cluster_name.clone(), broker.broker_name.clone());
    match ask {
        Ask::NextId => {
            RemotingCommand::request(&ControllerGetNextBrokerIdRequest { cluster_name, broker_name })
        }
        Ask::Apply { id, check_code } => RemotingCommand::request(&ControllerApplyBrokerIdRequest {
            cluster_name,
            broker_name,
            applied_broker_id: *id,
            register_check_code: check_code.clone(),
        }),
        Ask::Register { id } => RemotingCommand::request(&ControllerRegisterBrokerRequest {
            cluster_name,
            broker_name,
            broker_id: *id,
            broker_address: broker.broker_addr.clone(),
            invoke_time: Some(now_ms),
        }),
        Ask::Elect { id } => RemotingCommand::request(&ControllerElectMasterRequest {
            cluster_name,
            broker_name,
            broker_id: *id,
            designate_elect: false,
        }),
        Ask::View => RemotingCommand::request(&ControllerGetReplicaInfoRequest { broker_name }),
        Ask::Alter { id, epoch, proposal } => {
            let set = SyncStateSet {
                sync_state_set: proposal.members.clone(),
                sync_state_set_epoch: proposal.set_epoch,
            };
            RemotingCommand::request(&ControllerAlterSyncStateSetRequest {
                broker_name,
                master_broker_id: *id,
                master_epoch: *epoch,
            })
            .with_body(body::to_json(&set))
        }
    }
}

/// `None`: it is no answer to this.
fn understand(ask: &Ask, answer: &RemotingCommand) -> Option<Answer> {
    use ResponseCode as Code;
    let code = answer.response_code();
    match (ask, code) {
        (_, Code::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED | Code::CONTROLLER_BROKER_METADATA_NOT_EXIST) => {
            Some(Answer::Unknown)
        }
        (Ask::NextId, Code::SUCCESS) => {
            let header: ControllerGetNextBrokerIdResponse = answer.header().ok()?;
            header.next_broker_id.map(Answer::NextId)
        }
        (Ask::Apply { .. }, Code::SUCCESS) => Some(Answer::Applied),
        (Ask::Apply { .. }, Code::CONTROLLER_BROKER_ID_INVALID) => Some(Answer::IdTaken),
        (Ask::Register { .. }, Code::SUCCESS) => {
            let header: ControllerRegisterBrokerResponse = answer.header().ok()?;
            let set = set_of(answer)?;
            let master = header.master_broker_id.zip(header.master_address);
            Some(Answer::View(view(master, header.master_epoch, set)))
        }
        (Ask::Elect { .. }, Code::SUCCESS | Code::CONTROLLER_MASTER_STILL_EXIST) => {
            let header: ControllerElectMasterResponse = answer.header().ok()?;
            let elected: ElectMasterResponseBody = body::from_json(&answer.body).ok()?;
            let master = header.master_broker_id.zip(header.master_address);
            let set = SyncStateSet {
                sync_state_set: elected.sync_state_set,
                sync_state_set_epoch: header.sync_state_set_epoch?,
            };
            Some(Answer::View(view(master, header.master_epoch, set)))
        }
        (Ask::View, Code::SUCCESS) => {
            let header: ControllerGetReplicaInfoResponse = answer.header().ok()?;
            let master = header.master_broker_id.zip(header.master_address);
            Some(Answer::View(view(master, header.master_epoch, set_of(answer)?)))
        }
        (Ask::Alter { epoch, .. }, Code::SUCCESS) => {
            Some(Answer::View(view(None, Some(*epoch), set_of(answer)?)))
        }
        // It had no time, or lost the lead: nobody knows what became of it.
        (_, Code::SYSTEM_ERROR | Code::SYSTEM_BUSY | Code::CONTROLLER_JRAFT_INTERNAL_ERROR) => {
            Some(Answer::Silence)
        }
        _ => Some(Answer::Refused),
    }
}

/// Empty where the answer has none: the controller does not know of one yet.
fn set_of(answer: &RemotingCommand) -> Option<SyncStateSet> {
    match answer.body.is_empty() {
        true => Some(SyncStateSet::default()),
        false => body::from_json(&answer.body).ok(),
    }
}

/// How things are, in the shape of [`GroupView`].
pub(super) fn view(master: Option<(i64, String)>, epoch: Option<i32>, set: SyncStateSet) -> GroupView {
    GroupView {
        // Java knows no master by an id below 0, or an address that is empty.
        master: master.filter(|(id, address)| *id >= 0 && !address.is_empty()),
        epoch: epoch.unwrap_or(0),
        members: set.sync_state_set,
        set_epoch: set.sync_state_set_epoch,
    }
}
