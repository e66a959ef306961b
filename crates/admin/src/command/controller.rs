//! `getSyncStateSet`, `getControllerMetaData`, `getControllerConfig`, `updateControllerConfig`, `electMaster` and `cleanBrokerMetadata`: what controllers
//! are asked.

use std::{collections::BTreeMap, io::Write, time::Duration};

use eruca_protocol::{
    body::{BrokerReplicasInfo, ReplicaIdentity},
    request::CleanBrokerDataRequest,
};

use super::{Call, Command, namesrv_config::print_entries};
use crate::{CommandError, ops, option::Opt};

const CONTROLLERS: &str = "Controller address list, eg: 192.168.0.1:9878;192.168.0.2:9878";
const BROKER_NAME: &str = "The broker name of the replicas that require to be manipulated";

pub(super) static SYNC_STATE_SET: Command = Command {
    name: "getSyncStateSet",
    about: "Fetch syncStateSet for target brokers.",
    options: &[
        Opt::required("a", "controllerAddress", "the address of controller"),
        Opt::value("c", "clusterName", "which cluster"),
        Opt::value("b", "brokerName", "which broker to fetch"),
        Opt::value("i", "interval", "the interval(second) of get info"),
    ],
    run: |call| Box::pin(sync_state_set(call)),
};

pub(super) static METADATA: Command = Command {
    name: "getControllerMetaData",
    about: "Get controller cluster's metadata.",
    options: &[Opt::required("a", "controllerAddress", "the address of controller")],
    run: |call| Box::pin(metadata(call)),
};

pub(super) static GET_CONFIG: Command = Command {
    name: "getControllerConfig",
    about: "Get controller config.",
    options: &[Opt::required("a", "controllerAddress", CONTROLLERS)],
    run: |call| Box::pin(get_config(call)),
};

pub(super) static UPDATE_CONFIG: Command = Command {
    name: "updateControllerConfig",
    about: "Update controller config.",
    options: &[
        Opt::required("a", "controllerAddress", CONTROLLERS),
        Opt::required("k", "key", "config key"),
        Opt::required("v", "value", "config value"),
    ],
    run: |call| Box::pin(update_config(call)),
};

pub(super) static ELECT_MASTER: Command = Command {
    name: "electMaster",
    about: "Re-elect the specified broker as master.",
    options: &[
        Opt::required("a", "controllerAddress", "The address of controller"),
        Opt::required("b", "brokerId", "The id of the broker which requires to become master"),
        Opt::required("bn", "brokerName", BROKER_NAME),
        Opt::required("c", "clusterName", "the clusterName of broker"),
    ],
    run: |call| Box::pin(elect_master(call)),
};

pub(super) static CLEAN_BROKER: Command = Command {
    name: "cleanBrokerMetadata",
    about: "Clean metadata of broker on controller.",
    options: &[
        Opt::required("a", "controllerAddress", "The address of controller"),
        Opt::value(
            "b",
            "brokerControllerIdsToClean",
            "The brokerController id list which requires to clean metadata. eg: 1;2;3, means that clean broker-1, broker-2 and \
             broker-3",
        ),
        Opt::required("bn", "brokerName", BROKER_NAME),
        Opt::value("c", "clusterName", "The clusterName of broker"),
        Opt::flag("l", "cleanLivingBroker", "Whether clean up living brokers,default value is false"),
    ],
    run: |call| Box::pin(clean_broker(call)),
};

/// Addresses that are separated by `;`.
fn addresses(list: &str) -> Vec<String> {
    list.split(';').map(str::trim).filter(|addr| !addr.is_empty()).map(str::to_owned).collect()
}

async fn sync_state_set(call: &mut Call<'_>) -> Result<(), CommandError> {
    let interval: Option<u64> = call.arguments.parsed("i", "a number of seconds")?;
    let controllers = addresses(call.arguments.required("a"));
    let controller = controllers.first().map(String::as_str).unwrap_or_default();
    loop {
        let names = match (call.arguments.value("b"), call.arguments.value("c")) {
            (Some(name), _) => vec![name.to_owned()],
            (None, Some(cluster)) => ops::broker_names(call.admin, cluster).await?,
            (None, None) => Vec::new(),
        };
        if !names.is_empty() {
            print_sets(call.out, &call.admin.sync_state_data(controller, &names).await?)?;
        }
        call.out.flush()?;
        match interval {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => return Ok(()),
        }
    }
}

fn print_sets(out: &mut dyn Write, info: &BrokerReplicasInfo) -> Result<(), CommandError> {
    for (name, group) in &info.replicas_info_table {
        let id = group.master_broker_id.map_or("null".to_owned(), |id| id.to_string());
        writeln!(out, "\n#brokerName\t{name}\n#MasterBrokerId\t{id}")?;
        writeln!(out, "#MasterAddr\t{}", group.master_address.as_deref().unwrap_or("null"))?;
        writeln!(
            out,
            "#MasterEpoch\t{}\n#SyncStateSetEpoch\t{}",
            group.master_epoch, group.sync_state_set_epoch
        )?;
        writeln!(out, "#SyncStateSetNums\t{}", group.in_sync_replicas.len())?;
        for replica in &group.in_sync_replicas {
            writeln!(out, "\nInSyncReplica:\t{}", java_text(replica))?;
        }
        for replica in &group.not_in_sync_replicas {
            writeln!(out, "\nNotInSyncReplica:\t{}", java_text(replica))?;
        }
    }
    Ok(())
}

/// As Java's `ReplicaIdentity` shows itself.
fn java_text(replica: &ReplicaIdentity) -> String {
    let alive = replica.alive.map_or("null".to_owned(), |alive| alive.to_string());
    format!(
        "ReplicaIdentity{{brokerName='{}', brokerId={}, brokerAddress='{}', alive={alive}}}",
        replica.broker_name, replica.broker_id, replica.broker_address
    )
}

async fn metadata(call: &mut Call<'_>) -> Result<(), CommandError> {
    let data = call.admin.controller_metadata(call.arguments.required("a")).await?;
    let text = |field: &Option<String>| field.clone().unwrap_or_else(|| "null".to_owned());
    writeln!(call.out, "\n#ControllerGroup\t{}", text(&data.group))?;
    writeln!(call.out, "#ControllerLeaderId\t{}", text(&data.controller_leader_id))?;
    writeln!(call.out, "#ControllerLeaderAddress\t{}", text(&data.controller_leader_address))?;
    for peer in addresses(data.peers.as_deref().unwrap_or_default()) {
        writeln!(call.out, "#Peer:\t{peer}")?;
    }
    Ok(())
}

async fn get_config(call: &mut Call<'_>) -> Result<(), CommandError> {
    for addr in addresses(call.arguments.required("a")) {
        let config = call.admin.controller_config(&addr).await?;
        writeln!(call.out, "============{addr}============")?;
        print_entries(call.out, &config)?;
    }
    Ok(())
}

async fn update_config(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, value) = (call.arguments.required("k"), call.arguments.required("v"));
    let addrs = addresses(call.arguments.required("a"));
    let changes = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    call.admin.update_controller_config(&addrs, &changes).await?;
    writeln!(call.out, "update controller config success![{}]\n{key} : {value}", addrs.join(", "))?;
    Ok(())
}

async fn elect_master(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (cluster, name) = (call.arguments.required("c"), call.arguments.required("bn"));
    let id: i64 = call.arguments.parsed("b", "a number")?.unwrap_or(-1);
    let (elected, group) = call.admin.elect_master(call.arguments.required("a"), cluster, name, id).await?;
    let number = |number: Option<i32>| number.map_or("null".to_owned(), |number| number.to_string());
    writeln!(call.out, "\n#ClusterName\t{cluster}\n#BrokerName\t{name}")?;
    writeln!(call.out, "#BrokerMasterAddr\t{}", elected.master_address.as_deref().unwrap_or("null"))?;
    writeln!(call.out, "#MasterEpoch\t{}", number(elected.master_epoch))?;
    writeln!(call.out, "#SyncStateSetEpoch\t{}", number(elected.sync_state_set_epoch))?;
    for (id, addr) in group.into_iter().flat_map(|group| group.broker_addrs) {
        writeln!(call.out, "\t#Broker\t{id}\t{addr}")?;
    }
    Ok(())
}

async fn clean_broker(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let name = arguments.required("bn");
    let request = CleanBrokerDataRequest {
        cluster_name: arguments.value("c").map(str::to_owned),
        broker_name: name.to_owned(),
        broker_controller_ids_to_clean: arguments.value("b").map(str::to_owned),
        is_clean_living_broker: arguments.has("l"),
    };
    call.admin.clean_broker_data(arguments.required("a"), &request).await?;
    // The blank is the Java tool's.
    writeln!(call.out, "clear broker {name} metadata from controller success! ")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::ReplicasInfo;

    use super::*;

    #[test]
    fn sets_are_shown_as_by_the_java_tool() {
        let replica = |id: i64, alive| ReplicaIdentity {
            broker_name: "broker-a".to_owned(),
            broker_id: id,
            broker_address: format!("127.0.0.1:{id}"),
            alive: Some(alive),
        };
        let group = ReplicasInfo {
            master_broker_id: Some(1),
            master_address: Some("127.0.0.1:1".to_owned()),
            master_epoch: 3,
            sync_state_set_epoch: 5,
            in_sync_replicas: vec![replica(1, true)],
            not_in_sync_replicas: vec![replica(2, false)],
        };
        let info = BrokerReplicasInfo { replicas_info_table: [("broker-a".to_owned(), group)].into() };
        let mut out = Vec::new();
        print_sets(&mut out, &info).expect("a vector takes all");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "\n#brokerName\tbroker-a\n#MasterBrokerId\t1\n#MasterAddr\t127.0.0.1:1\n#MasterEpoch\t3\n#SyncStateSetEpoch\t5\n\
             #SyncStateSetNums\t1\n\
             \nInSyncReplica:\tReplicaIdentity{brokerName='broker-a', brokerId=1, brokerAddress='127.0.0.1:1', alive=true}\n\
             \nNotInSyncReplica:\tReplicaIdentity{brokerName='broker-a', brokerId=2, brokerAddress='127.0.0.1:2', alive=false}\n"
        );
    }
}
