//! What others say of the group, and are told of it.

use std::sync::Arc;

use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, EpochEntry, EpochEntryCache, SyncStateSet},
    request::{NotifyBrokerRoleChangedRequest, NotifyBrokerRoleChangedResponse},
};
use eruca_remoting::{Caller, Reply};

use super::{ask::view, hand_over::HandOver, manager::ReplicasManager};
use crate::{HandlerError, registration::Identity, role::RoleState};

/// Why a master that may have been replaced does not acknowledge.
pub(crate) const NO_LEASE: &str = "this broker has not heard from its controllers for 80% of controllerHeartBeatTimeoutMills, so that \
                                   another one may be master";

/// Answers requests of the controller and about it.
#[derive(Debug)]
pub(crate) struct ControllerHandler {
    /// `None` without a controller.
    pub(crate) manager: Option<Arc<ReplicasManager>>,
    pub(crate) identity: Identity,
    pub(crate) role: Arc<RoleState>,
}

impl ControllerHandler {
    fn manager(&self) -> Result<&Arc<ReplicasManager>, HandlerError> {
        self.manager.as_ref().ok_or_else(|| {
            HandlerError::system_error(
                "this broker's group has no controller (enableControllerMode=false): there are no epochs, and nobody changes its \
                 role",
            )
        })
    }

    /// What is stored without waiting for slaves is not taken by a master that may have been replaced. (Sends look for themselves: with
    /// `allAckInSyncStateSet` they need no word of the controller.)
    ///
    /// # Errors
    /// It may have been.
    pub(crate) fn check_lease(&self, code: RequestCode) -> Result<(), HandlerError> {
        let stores = matches!(
            code,
            RequestCode::END_TRANSACTION | RequestCode::CONSUMER_SEND_MSG_BACK | RequestCode::RECALL_MESSAGE
        );
        match &self.manager {
            Some(manager) if stores && self.role.is_master() && !manager.has_lease() => {
                Err(HandlerError::new(
                    ResponseCode::SERVICE_NOT_AVAILABLE,
                    format!("{NO_LEASE}: ask the broker that the route names"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// `NOTIFY_BROKER_ROLE_CHANGED`, one-way from a controller; answered later where it asks to hand over.
    pub(crate) fn role_changed(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        let manager = self.manager()?;
        let header: NotifyBrokerRoleChangedRequest = request.header()?;
        if let Some(to) = header.hand_over_to {
            let epoch = header.master_epoch.unwrap_or(-1);
            let responder = caller.responder(request);
            let request = request.clone();
            let answer = Box::new(move |lacking_bytes: Option<u64>| {
                let lacking_bytes = lacking_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
                responder.send(request.reply_with(&NotifyBrokerRoleChangedResponse { lacking_bytes }));
            });
            manager.hand_over(HandOver { to, epoch, answer });
            return Ok(Reply::Later);
        }
        let set: SyncStateSet = match request.body.is_empty() {
            true => SyncStateSet::default(),
            false => body::from_json(&request.body)?,
        };
        let set = SyncStateSet {
            sync_state_set_epoch: header.sync_state_set_epoch.unwrap_or(set.sync_state_set_epoch),
            ..set
        };
        manager.notify(view(header.master_broker_id.zip(header.master_address), header.master_epoch, set));
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// `GET_BROKER_EPOCH_CACHE`.
    pub(crate) fn epochs(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let manager = self.manager()?;
        let (epochs, end) = (manager.group().epochs(), manager.log_end().to_i64());
        let entries = epochs.entries();
        let ends = entries.iter().skip(1).map(|next| next.start.to_i64()).chain([i64::MAX]);
        let epoch_list = entries
            .iter()
            .zip(ends)
            .map(|(epoch, end_offset)| EpochEntry {
                epoch: epoch.number,
                start_offset: epoch.start.to_i64(),
                end_offset,
            })
            .collect();
        let cache = EpochEntryCache {
            cluster_name: self.identity.cluster_name.clone(),
            broker_name: self.identity.broker_name.clone(),
            broker_id: self.role.now().broker_id,
            epoch_list,
            max_offset: end,
        };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&cache))))
    }
}
