//! Requests of brokers and administrators about groups: only the controller that leads answers them.

use std::collections::{BTreeMap, BTreeSet};

use eruca_protocol::{
    HeaderFields, RemotingCommand, RequestCode, ResponseCode,
    body::{
        BrokerMemberGroup, BrokerReplicasInfo, ElectMasterResponseBody, ReplicaIdentity, ReplicasInfo,
        SyncStateSet, from_json, to_json,
    },
    request::{
        CleanBrokerDataRequest, ControllerAlterSyncStateSetRequest, ControllerAlterSyncStateSetResponse,
        ControllerApplyBrokerIdRequest, ControllerApplyBrokerIdResponse, ControllerElectMasterRequest,
        ControllerElectMasterResponse, ControllerGetNextBrokerIdRequest, ControllerGetNextBrokerIdResponse,
        ControllerGetReplicaInfoRequest, ControllerGetReplicaInfoResponse, ControllerRegisterBrokerRequest,
        ControllerRegisterBrokerResponse,
    },
};

use super::{
    hand_over::hand_over,
    refusal::{Answered, Refusal},
};
use crate::{
    core::Core,
    state::{Answer, Command, Group, Liveness, REPLICAS_MAX},
};

/// Groups that one question may name.
const NAMES_MAX: usize = 10_000;

pub(super) async fn handle(core: &Core, request: &RemotingCommand) -> Answered {
    match request.request_code() {
        RequestCode::CONTROLLER_ALTER_SYNC_STATE_SET => alter(core, request).await,
        RequestCode::CONTROLLER_ELECT_MASTER => elect(core, request).await,
        RequestCode::CONTROLLER_REGISTER_BROKER => register(core, request).await,
        RequestCode::CONTROLLER_GET_REPLICA_INFO => replica_info(core, request).await,
        RequestCode::CONTROLLER_GET_SYNC_STATE_DATA => sync_state_data(core, request).await,
        RequestCode::CLEAN_BROKER_DATA => clean(core, request).await,
        RequestCode::CONTROLLER_GET_NEXT_BROKER_ID => next_broker_id(core, request).await,
        _ => apply_broker_id(core, request).await,
    }
}

/// A reply with the answer's code and remark, and this header.
fn reply<H: HeaderFields>(request: &RemotingCommand, answer: &Answer, header: &H) -> RemotingCommand {
    let mut reply = request.reply_with(header);
    reply.code = answer.code;
    reply.remark.clone_from(&answer.remark);
    reply
}

async fn alter(core: &Core, request: &RemotingCommand) -> Answered {
    let header: ControllerAlterSyncStateSetRequest = request.header()?;
    let body: SyncStateSet = from_json(&request.body)?;
    if body.sync_state_set.len() > REPLICAS_MAX {
        let remark = format!(
            "syncStateSet has {} brokers, at most {REPLICAS_MAX} are allowed",
            body.sync_state_set.len()
        );
        return Err(Refusal::new(ResponseCode::CONTROLLER_INVALID_REQUEST, remark));
    }
    let command = Command::AlterSyncStateSet {
        liveness: core.view(&header.broker_name),
        broker_name: header.broker_name,
        master_broker_id: header.master_broker_id,
        master_epoch: header.master_epoch,
        ids: body.sync_state_set,
        sync_state_set_epoch: body.sync_state_set_epoch,
    };
    let answer = core.propose(command).await?;
    let Some(set) = &answer.sync_state_set else {
        // Java sends the header with 0 beside a refusal.
        return Ok(reply(request, &answer, &ControllerAlterSyncStateSetResponse::default()));
    };
    let header = ControllerAlterSyncStateSetResponse { new_sync_state_set_epoch: set.epoch };
    Ok(reply(request, &answer, &header).with_body(set.to_body()))
}

async fn elect(core: &Core, request: &RemotingCommand) -> Answered {
    let header: ControllerElectMasterRequest = request.header()?;
    if header.designate_elect {
        hand_over(core, &header.broker_name, header.broker_id).await?;
    }
    let command = Command::ElectMaster {
        liveness: core.view(&header.broker_name),
        broker_name: header.broker_name.clone(),
        broker_id: Some(header.broker_id).filter(|id| *id != -1),
        designate: header.designate_elect,
        unclean: core.keys().enable_elect_unclean_master,
    };
    let answer = core.propose(command).await?;
    if answer.is_ok() {
        core.elected(&header.broker_name, &answer);
    }
    let response = ControllerElectMasterResponse {
        master_broker_id: answer.master.as_ref().map(|master| master.broker_id),
        master_address: answer.master.as_ref().map(|master| master.address.clone()),
        master_epoch: answer.master.as_ref().map(|master| master.epoch),
        sync_state_set_epoch: answer.sync_state_set.as_ref().map(|set| set.epoch),
    };
    let reply = reply(request, &answer, &response);
    let Some(set) = answer.sync_state_set else { return Ok(reply) };
    let group = BrokerMemberGroup {
        broker_addrs: answer.members,
        broker_name: header.broker_name,
        cluster: answer.cluster,
    };
    let brokers = Some(group).filter(|group| !group.broker_addrs.is_empty());
    let body = ElectMasterResponseBody { broker_member_group: brokers, sync_state_set: set.ids };
    Ok(reply.with_body(to_json(&body)))
}

async fn register(core: &Core, request: &RemotingCommand) -> Answered {
    let header: ControllerRegisterBrokerRequest = request.header()?;
    let command = Command::RegisterBroker {
        liveness: core.view(&header.broker_name),
        broker_name: header.broker_name.clone(),
        broker_id: header.broker_id,
        broker_address: header.broker_address,
    };
    let answer = core.propose(command).await?;
    let master = answer.master.as_ref();
    let response = ControllerRegisterBrokerResponse {
        cluster_name: header.cluster_name,
        broker_name: header.broker_name,
        master_broker_id: master.map(|master| master.broker_id),
        master_address: master.map(|master| master.address.clone()),
        master_epoch: master.map(|master| master.epoch),
        sync_state_set_epoch: master.and(answer.sync_state_set.as_ref()).map(|set| set.epoch),
    };
    let reply = reply(request, &answer, &response);
    Ok(match &answer.sync_state_set {
        Some(set) => reply.with_body(set.to_body()),
        None => reply,
    })
}

async fn replica_info(core: &Core, request: &RemotingCommand) -> Answered {
    let header: ControllerGetReplicaInfoRequest = request.header()?;
    let found = core.read(|replicas| {
        let group = replicas.group(&header.broker_name)?;
        Some((group.master(), group.master_epoch, group.sync_state_set()))
    });
    let Some((master, master_epoch, set)) = found.await? else {
        let code = ResponseCode::CONTROLLER_BROKER_METADATA_NOT_EXIST;
        return Err(Refusal::new(code, "Broker metadata is not existed"));
    };
    let response = ControllerGetReplicaInfoResponse {
        master_broker_id: master.as_ref().map(|master| master.broker_id),
        master_address: master.map(|master| master.address),
        master_epoch: Some(master_epoch),
    };
    Ok(request.reply_with(&response).with_body(set.to_body()))
}

async fn sync_state_data(core: &Core, request: &RemotingCommand) -> Answered {
    let names: Vec<String> = from_json(&request.body)?;
    if names.len() > NAMES_MAX {
        let remark = format!("the question names {} brokers, at most {NAMES_MAX} are allowed", names.len());
        return Err(Refusal::new(ResponseCode::CONTROLLER_INVALID_REQUEST, remark));
    }
    let groups: Vec<(String, Group)> = core
        .read(|replicas| {
            names
                .into_iter()
                .filter_map(|name| Some((name.clone(), replicas.group(&name)?.clone())))
                .collect()
        })
        .await?;
    let table: BTreeMap<String, ReplicasInfo> = groups
        .into_iter()
        .map(|(name, group)| {
            let info = replicas_info(&name, &group, &core.view(&name));
            (name, info)
        })
        .collect();
    let body = to_json(&BrokerReplicasInfo { replicas_info_table: table });
    Ok(request.reply(ResponseCode::SUCCESS).with_body(body))
}

fn replicas_info(broker_name: &str, group: &Group, liveness: &Liveness) -> ReplicasInfo {
    let identity = |(id, address): (i64, String)| ReplicaIdentity {
        broker_name: broker_name.to_owned(),
        broker_id: id,
        broker_address: address,
        alive: Some(liveness.is_alive(id)),
    };
    let (in_sync, others): (Vec<_>, Vec<_>) =
        group.members().into_iter().partition(|(id, _)| group.sync_state_set.contains(id));
    let master = group.master();
    ReplicasInfo {
        master_broker_id: master.as_ref().map(|master| master.broker_id),
        master_address: master.map(|master| master.address),
        master_epoch: group.master_epoch,
        sync_state_set_epoch: group.sync_state_set_epoch,
        in_sync_replicas: in_sync.into_iter().map(identity).collect(),
        not_in_sync_replicas: others.into_iter().map(identity).collect(),
    }
}

async fn clean(core: &Core, request: &RemotingCommand) -> Answered {
    let header: CleanBrokerDataRequest = request.header()?;
    let ids = header.broker_controller_ids_to_clean.as_deref().map(str::trim).filter(|ids| !ids.is_empty());
    let ids = ids.map(read_ids).transpose()?;
    let command = Command::CleanBrokerData {
        liveness: core.view(&header.broker_name),
        broker_name: header.broker_name,
        ids,
        clean_living: header.is_clean_living_broker,
    };
    let answer = core.propose(command).await?;
    let mut reply = request.reply(ResponseCode(answer.code));
    reply.remark = answer.remark;
    Ok(reply)
}

/// `1;2;3`
fn read_ids(text: &str) -> Result<BTreeSet<i64>, Refusal> {
    let parse = |part: &str| {
        part.parse().map_err(|_error| {
            let remark = format!(
                "Please set the option <brokerControllerIdsToClean> according to the format, '{}' is no id: it must \
                 be like 1;2;3",
                part.chars().take(64).collect::<String>()
            );
            Refusal::new(ResponseCode::CONTROLLER_INVALID_CLEAN_BROKER_METADATA, remark)
        })
    };
    text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(parse).collect()
}

async fn next_broker_id(core: &Core, request: &RemotingCommand) -> Answered {
    let header: ControllerGetNextBrokerIdRequest = request.header()?;
    let next = core.read(|replicas| replicas.next_broker_id(&header.broker_name)).await?;
    Ok(request.reply_with(&ControllerGetNextBrokerIdResponse {
        cluster_name: header.cluster_name,
        broker_name: header.broker_name,
        next_broker_id: Some(next),
    }))
}

async fn apply_broker_id(core: &Core, request: &RemotingCommand) -> Answered {
    let header: ControllerApplyBrokerIdRequest = request.header()?;
    let command = Command::ApplyBrokerId {
        cluster: header.cluster_name.clone(),
        broker_name: header.broker_name.clone(),
        broker_id: header.applied_broker_id,
        register_check_code: header.register_check_code,
    };
    let answer = core.propose(command).await?;
    let response = ControllerApplyBrokerIdResponse {
        cluster_name: Some(header.cluster_name),
        broker_name: Some(header.broker_name),
    };
    Ok(reply(request, &answer, &response))
}
