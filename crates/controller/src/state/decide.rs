//! What a command is answered and what it changes. Codes and their order are those of Java's `ReplicasInfoManager`.

use std::collections::BTreeSet;

use eruca_protocol::ResponseCode;

use super::{
    Answer, Command, GROUPS_MAX, Group, Liveness, REPLICAS_MAX, Replica, Replicas, elect::elect,
    replicas::Change,
};

/// A longer cluster name, broker name, address or check code is refused.
const TEXT_MAX_BYTES: usize = 255;

pub(super) type Decision = (Answer, Option<Change>);

/// Answers without changing anything.
pub(super) fn decide(state: &Replicas, command: &Command) -> Decision {
    let group = state.group(command.broker_name());
    match command {
        Command::AlterSyncStateSet {
            master_broker_id,
            master_epoch,
            ids,
            sync_state_set_epoch,
            liveness,
            ..
        } => alter(group, (*master_broker_id, *master_epoch), ids, *sync_state_set_epoch, liveness),
        Command::ElectMaster { broker_name, broker_id, designate, unclean, liveness } => {
            let Some(group) = group else {
                return refuse(
                    ResponseCode::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED,
                    "Broker hasn't been registered",
                );
            };
            elect_master(broker_name, group, *broker_id, *designate, *unclean, liveness)
        }
        Command::ApplyBrokerId { cluster, broker_name, broker_id, register_check_code } => {
            apply_broker_id(state, cluster, broker_name, *broker_id, register_check_code)
        }
        Command::RegisterBroker { broker_name, broker_id, broker_address, liveness } => {
            register(group, broker_name, *broker_id, broker_address, liveness)
        }
        Command::CleanBrokerData { broker_name, ids, clean_living, liveness } => {
            let ids = ids.as_ref().filter(|ids| !ids.is_empty());
            clean(group, broker_name, ids, *clean_living, liveness)
        }
    }
}

fn refuse(code: ResponseCode, remark: impl Into<String>) -> Decision {
    (Answer::refused(code, remark), None)
}

fn alter(
    group: Option<&Group>,
    (master_broker_id, master_epoch): (i64, i32),
    ids: &BTreeSet<i64>,
    set_epoch: i32,
    liveness: &Liveness,
) -> Decision {
    use ResponseCode as Code;
    let rejected =
        |code, what: String| refuse(code, format!("Rejecting alter syncStateSet request because {what}"));
    let Some(group) = group else {
        return refuse(Code::CONTROLLER_ALTER_SYNC_STATE_SET_FAILED, "Broker metadata is not existed");
    };
    if group.sync_state_set == *ids {
        let remark = "The newSyncStateSet is equal with oldSyncStateSet, no needed to update syncStateSet";
        return refuse(Code::CONTROLLER_ALTER_SYNC_STATE_SET_FAILED, remark);
    }
    if group.master != Some(master_broker_id) {
        let now = group.master.map_or_else(|| "null".to_owned(), |id| id.to_string());
        let what = format!("the current leader is:{{{now}}}, not {{{master_broker_id}}}");
        return rejected(Code::CONTROLLER_INVALID_MASTER, what);
    }
    if group.master_epoch != master_epoch {
        let what = format!("the current master epoch is:{{{}}}, not {{{master_epoch}}}", group.master_epoch);
        return rejected(Code::CONTROLLER_FENCED_MASTER_EPOCH, what);
    }
    if group.sync_state_set_epoch != set_epoch {
        let what = format!(
            "the current syncStateSet epoch is:{{{}}}, not {{{set_epoch}}}",
            group.sync_state_set_epoch
        );
        return rejected(Code::CONTROLLER_FENCED_SYNC_STATE_SET_EPOCH, what);
    }
    for id in ids {
        if !group.replicas.contains_key(id) {
            return rejected(Code::CONTROLLER_INVALID_REPLICAS, format!("the replicas {{{id}}} don't exist"));
        }
        if !liveness.is_alive(*id) {
            return rejected(Code::CONTROLLER_BROKER_NOT_ALIVE, format!("the replicas {{{id}}} don't alive"));
        }
    }
    if !ids.contains(&master_broker_id) {
        let what = format!("the newSyncStateSet don't contains origin leader {{{master_broker_id}}}");
        return rejected(Code::CONTROLLER_ALTER_SYNC_STATE_SET_FAILED, what);
    }
    if set_epoch == i32::MAX {
        return rejected(Code::CONTROLLER_ALTER_SYNC_STATE_SET_FAILED, EPOCHS_ARE_USED_UP.to_owned());
    }
    let mut answer = Answer::ok();
    answer.sync_state_set = Some(super::SyncStateSetView { ids: ids.clone(), epoch: set_epoch + 1 });
    (answer, Some(Change::SyncStateSet(ids.clone())))
}

const EPOCHS_ARE_USED_UP: &str =
    "its epoch has reached 2147483647; clean the group's metadata and register its brokers anew";

fn elect_master(
    broker_name: &str,
    group: &Group,
    broker_id: Option<i64>,
    designate: bool,
    unclean: bool,
    liveness: &Liveness,
) -> Decision {
    if let Some(id) = broker_id.filter(|id| !group.replicas.contains_key(id)) {
        let remark = format!("BrokerId: {id} hasn't been registered in broker-set: {broker_name}");
        return refuse(ResponseCode::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED, remark);
    }
    if group.master_epoch == i32::MAX || group.sync_state_set_epoch == i32::MAX {
        return refuse(ResponseCode::CONTROLLER_ELECT_MASTER_FAILED, EPOCHS_ARE_USED_UP);
    }
    // Whoever asks first in a new group becomes its master.
    let first = broker_id.filter(|_| group.master_epoch == 0);
    let is_master_unheard = group.master.is_some_and(|master| liveness.is_unheard(master));
    if first.is_none() && !designate && is_master_unheard {
        let remark = format!(
            "The controller has become leader only now and waits for a heartbeat of the master of broker \
             {broker_name}; ask again"
        );
        return refuse(ResponseCode::CONTROLLER_ELECT_MASTER_FAILED, remark);
    }
    let preferred = broker_id.filter(|_| designate);
    // A master that asks by itself was restarted: it may have lost what others already have, so that what it writes now needs an
    // epoch of its own, and it is master only where no other log is longer.
    let begins_anew = !designate && broker_id.is_some() && broker_id == group.master;
    let vacant = begins_anew.then(|| Group { master: None, ..group.clone() });
    let candidates = vacant.as_ref().unwrap_or(group);
    let elected = first.or_else(|| elect(candidates, liveness, preferred, unclean));
    let mut answer = Answer::ok();
    match (elected, group.master) {
        (Some(elected), Some(master)) if elected == master && !begins_anew => {
            let remark = format!(
                "The old master {master} is still alive, not need to elect new master for broker {broker_name}"
            );
            answer = Answer::refused(ResponseCode::CONTROLLER_MASTER_STILL_EXIST, remark);
            answer.master = group.master();
            answer.sync_state_set = Some(group.sync_state_set());
            (answer, None)
        }
        (Some(elected), _) => {
            let mut after = group.clone();
            after.set_master(Some(elected));
            after.set_sync_state_set(BTreeSet::from([elected]));
            answer.master = after.master();
            answer.sync_state_set = Some(after.sync_state_set());
            answer.members = after.members();
            answer.cluster = after.cluster;
            (answer, Some(Change::Master(elected)))
        }
        (None, master) if broker_id.is_none() => {
            let remark = "Old master has down and failed to elect a new broker master";
            answer = Answer::refused(ResponseCode::CONTROLLER_MASTER_NOT_AVAILABLE, remark);
            (answer, master.map(|_| Change::NoMaster))
        }
        (None, _) => refuse(ResponseCode::CONTROLLER_ELECT_MASTER_FAILED, "Failed to elect a new master"),
    }
}

fn apply_broker_id(
    state: &Replicas,
    cluster: &str,
    broker_name: &str,
    broker_id: i64,
    check_code: &str,
) -> Decision {
    let texts = [("clusterName", cluster), ("brokerName", broker_name), ("registerCheckCode", check_code)];
    if let Some((what, text)) = texts.iter().find(|(_, text)| text.is_empty() || text.len() > TEXT_MAX_BYTES)
    {
        let remark = format!("{what} has {} bytes, it must have from 1 to {TEXT_MAX_BYTES}", text.len());
        return refuse(ResponseCode::CONTROLLER_INVALID_REQUEST, remark);
    }
    let group = state.group(broker_name);
    if let Some(replica) = group.and_then(|group| group.replicas.get(&broker_id)) {
        return match replica.register_check_code == check_code {
            true => (Answer::ok(), None),
            false => refuse(
                ResponseCode::CONTROLLER_BROKER_ID_INVALID,
                format!("Fail to apply brokerId: {broker_id} in broker-set: {broker_name}"),
            ),
        };
    }
    let next = state.next_broker_id(broker_name);
    if broker_id != next {
        let remark = match group {
            None => format!(
                "Broker-set: {broker_name} hasn't been registered in controller, but broker try to apply \
                 brokerId: {broker_id}"
            ),
            Some(_) => format!(
                "Fail to apply brokerId: {broker_id} in broker-set: {broker_name}, the next one is {next}"
            ),
        };
        return refuse(ResponseCode::CONTROLLER_BROKER_ID_INVALID, remark);
    }
    if group.is_none() && state.len() >= GROUPS_MAX {
        let remark = format!("The controller knows {GROUPS_MAX} broker-sets, which is its limit");
        return refuse(ResponseCode::CONTROLLER_INVALID_REQUEST, remark);
    }
    if group.is_some_and(|group| group.replicas.len() >= REPLICAS_MAX) {
        let remark = format!(
            "broker-set: {broker_name} has {REPLICAS_MAX} brokers, which is the limit; remove what is gone with \
             cleanBrokerMetadata"
        );
        return refuse(ResponseCode::CONTROLLER_INVALID_REQUEST, remark);
    }
    let address = check_code.split(';').next().unwrap_or_default().to_owned();
    let replica = Replica { address, register_check_code: check_code.to_owned() };
    (Answer::ok(), Some(Change::NewReplica { cluster: cluster.to_owned(), id: broker_id, replica }))
}

fn register(
    group: Option<&Group>,
    broker_name: &str,
    broker_id: i64,
    address: &str,
    liveness: &Liveness,
) -> Decision {
    let Some(group) = group else {
        let remark = format!("Broker-set: {broker_name} hasn't been registered in controller");
        return refuse(ResponseCode::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED, remark);
    };
    let Some(replica) = group.replicas.get(&broker_id) else {
        let remark = format!("BrokerId: {broker_id} hasn't been registered in broker-set: {broker_name}");
        return refuse(ResponseCode::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED, remark);
    };
    if address.is_empty() || address.len() > TEXT_MAX_BYTES {
        let remark =
            format!("brokerAddress has {} bytes, it must have from 1 to {TEXT_MAX_BYTES}", address.len());
        return refuse(ResponseCode::CONTROLLER_INVALID_REQUEST, remark);
    }
    let mut answer = Answer::ok();
    answer.master = group.master().filter(|master| liveness.is_alive(master.broker_id));
    if let Some(master) = answer.master.as_mut().filter(|master| master.broker_id == broker_id) {
        master.address = address.to_owned();
    }
    answer.sync_state_set = Some(group.sync_state_set());
    let moved = replica.address != address;
    (answer, moved.then(|| Change::Address { id: broker_id, address: address.to_owned() }))
}

fn clean(
    group: Option<&Group>,
    broker_name: &str,
    ids: Option<&BTreeSet<i64>>,
    clean_living: bool,
    liveness: &Liveness,
) -> Decision {
    let invalid = |remark: String| refuse(ResponseCode::CONTROLLER_INVALID_CLEAN_BROKER_METADATA, remark);
    let Some(group) = group else {
        return invalid(format!("Broker {broker_name} is not existed,clean broker data failure."));
    };
    let Some(ids) = ids else {
        if !clean_living && group.master.is_some() {
            return invalid(format!("Broker {broker_name} is still alive, clean up failure"));
        }
        return (Answer::ok(), Some(Change::RemoveGroup));
    };
    if let Some(id) = ids.iter().find(|id| !clean_living && liveness.is_alive(**id)) {
        return invalid(format!("Broker [{broker_name},  {id}] is still alive, clean up failure"));
    }
    if group.replicas.keys().all(|id| ids.contains(id)) {
        return (Answer::ok(), Some(Change::RemoveGroup));
    }
    let had_set = !group.sync_state_set.is_empty();
    if had_set && group.sync_state_set.is_subset(ids) {
        return invalid(format!(
            "Broker {broker_name} would have no broker left that has all messages: {:?} are in sync; elect \
             another one first, or clean the whole broker-set",
            group.sync_state_set
        ));
    }
    let known = ids.iter().any(|id| group.replicas.contains_key(id));
    (Answer::ok(), known.then(|| Change::Remove(ids.clone())))
}
