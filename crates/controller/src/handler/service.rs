//! The controller as a service: code → handler.

use std::{future::Future, sync::Arc};

use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    request::{BrokerHeartbeatRequest, ControllerGetMetadataInfoResponse},
};
use eruca_remoting::{Caller, CommandService, Reply, TaskGroup};
use tokio::sync::Semaphore;

use super::{
    config, group,
    refusal::{Answered, Refusal},
};
use crate::{ControllerKeys, config::ControllerType, core::Core, liveness::BROKERS_MAX, raft::RAFT_CODES};

/// Requests of brokers that wait for the Raft group at one time.
const WAITING_MAX: usize = 1_024;
/// The same of other controllers, which must not be kept out by brokers.
const MEMBER_CALLS_MAX: usize = 256;

/// A controller's answers.
pub(crate) struct Controller {
    core: Arc<Core>,
    tasks: TaskGroup,
    waiting: Arc<Semaphore>,
    member_calls: Arc<Semaphore>,
}

impl Controller {
    pub(crate) fn new(core: Arc<Core>) -> Controller {
        Controller {
            core,
            tasks: TaskGroup::new(),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            member_calls: Arc::new(Semaphore::new(MEMBER_CALLS_MAX)),
        }
    }

    fn heartbeat(&self, caller: &Caller, request: &RemotingCommand) -> Answered {
        let header: BrokerHeartbeatRequest = request.header()?;
        let Some(broker_id) = header.broker_id else {
            let code = ResponseCode::CONTROLLER_INVALID_REQUEST;
            return Err(Refusal::new(code, "Heart beat with empty brokerId"));
        };
        let now = self.core.clock.now();
        if !self.core.liveness().heartbeat(&header, broker_id, caller.id(), now) {
            let remark = format!("the controller listens to {BROKERS_MAX} brokers, which is its limit");
            return Err(Refusal::new(ResponseCode::CONTROLLER_INVALID_REQUEST, remark));
        }
        if !caller.is_open() {
            // It went while it spoke: `disconnected` may have been before.
            self.disconnected(caller);
        }
        Ok(request.reply(ResponseCode::SUCCESS).with_remark("Heart beat success"))
    }

    fn metadata(&self, request: &RemotingCommand) -> RemotingCommand {
        let node = &self.core.node;
        let leader = node.leader();
        let is_j_raft = ControllerKeys::clone(&self.core.keys()).controller_type == ControllerType::JRaft;
        let peers = node.peers().iter().map(|(_, peer)| match is_j_raft {
            true => format!("{};", peer.addr),
            false => format!("{}:{};", peer.name, peer.addr),
        });
        request.reply_with(&ControllerGetMetadataInfoResponse {
            group: Some(node.peers().group.clone()),
            controller_leader_id: leader.map(|peer| peer.name.clone()),
            controller_leader_address: leader.map(|peer| peer.addr.clone()),
            is_leader: node.is_leader(),
            peers: Some(peers.collect()),
        })
    }

    /// Answers later, unless too many wait already.
    fn later<F>(
        &self,
        caller: &Caller,
        request: RemotingCommand,
        permits: &Arc<Semaphore>,
        answer: impl FnOnce(Arc<Core>, RemotingCommand) -> F,
    ) -> Reply
    where
        F: Future<Output = RemotingCommand> + Send + 'static,
    {
        let Ok(permit) = Arc::clone(permits).try_acquire_owned() else {
            let remark =
                "the controller is busy: too many requests wait for the other controllers; try again";
            return Reply::Now(request.reply_error(ResponseCode::SYSTEM_BUSY, remark));
        };
        let responder = caller.responder(&request);
        let answered = answer(Arc::clone(&self.core), request);
        self.tasks.spawn("controller request", async move {
            let reply = answered.await;
            drop(permit);
            responder.send(reply);
        });
        Reply::Later
    }
}

fn or_refused(answered: Answered, request: &RemotingCommand) -> RemotingCommand {
    answered.unwrap_or_else(|refusal| request.reply_error(refusal.code, refusal.remark))
}

impl CommandService for Controller {
    fn call(&self, caller: &Caller, request: RemotingCommand) -> Reply {
        match request.request_code() {
            RequestCode::BROKER_HEARTBEAT => {
                Reply::Now(or_refused(self.heartbeat(caller, &request), &request))
            }
            RequestCode::CONTROLLER_GET_METADATA_INFO => Reply::Now(self.metadata(&request)),
            RequestCode::GET_CONTROLLER_CONFIG => Reply::Now(config::list(&self.core, &request)),
            RequestCode::UPDATE_CONTROLLER_CONFIG => {
                Reply::Now(or_refused(config::update(&self.core, &request), &request))
            }
            RequestCode::CONTROLLER_ALTER_SYNC_STATE_SET
            | RequestCode::CONTROLLER_ELECT_MASTER
            | RequestCode::CONTROLLER_REGISTER_BROKER
            | RequestCode::CONTROLLER_GET_REPLICA_INFO
            | RequestCode::CONTROLLER_GET_SYNC_STATE_DATA
            | RequestCode::CLEAN_BROKER_DATA
            | RequestCode::CONTROLLER_GET_NEXT_BROKER_ID
            | RequestCode::CONTROLLER_APPLY_BROKER_ID => {
                self.later(caller, request, &self.waiting, |core, request| async move {
                    or_refused(group::handle(&core, &request).await, &request)
                })
            }
            code if RAFT_CODES.contains(&code) => {
                self.later(caller, request, &self.member_calls, |core, request| async move {
                    core.node.serve(&request).await
                })
            }
            _ => Reply::Now(request.reply_error(
                ResponseCode::REQUEST_CODE_NOT_SUPPORTED,
                format!(" request type {} not supported", request.code),
            )),
        }
    }

    fn disconnected(&self, caller: &Caller) {
        self.core.disconnected(caller.id());
    }
}
