//! `getColdDataFlowCtrInfo`, `updateColdDataFlowCtrGroupConfig`, `removeColdDataFlowCtrGroupConfig`, `setCommitLogReadAheadMode`
//! and `switchTimerEngine`.

use std::collections::BTreeMap;

use eruca_protocol::body;

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt};

pub(super) static COLD_DATA: Command = Command {
    name: "getColdDataFlowCtrInfo",
    about: "Get cold data flow ctr info.",
    options: &[
        Opt::value("b", "brokerAddr", "get from which broker"),
        Opt::value("c", "clusterName", "get from which cluster"),
    ],
    run: |call| Box::pin(cold_data(call)),
};

pub(super) static UPDATE_THRESHOLD: Command = Command {
    name: "updateColdDataFlowCtrGroupConfig",
    about: "Add or update cold data flow ctr group config.",
    options: &[
        Opt::value("b", "brokerAddr", "update which broker"),
        Opt::value("c", "clusterName", "update which cluster"),
        Opt::required("g", "consumerGroup", "specific consumerGroup"),
        Opt::required("v", "threshold", "cold read threshold value"),
    ],
    run: |call| Box::pin(update_threshold(call)),
};

pub(super) static REMOVE_THRESHOLD: Command = Command {
    name: "removeColdDataFlowCtrGroupConfig",
    about: "Remove consumer from cold ctr config.",
    options: &[
        Opt::value("b", "brokerAddr", "update which broker"),
        Opt::value("c", "clusterName", "update which cluster"),
        Opt::required("g", "consumerGroup", "the consumer group will remove from the config"),
    ],
    run: |call| Box::pin(remove_threshold(call)),
};

pub(super) static READ_AHEAD: Command = Command {
    name: "setCommitLogReadAheadMode",
    about: "Set read ahead mode for all commitlog files.",
    options: &[
        Opt::value("b", "brokerAddr", "set which broker"),
        Opt::value("c", "clusterName", "set which cluster"),
        Opt::required(
            "m",
            "commitLogReadAheadMode",
            "set the CommitLog read ahead mode; 0 is default, 1 random read",
        ),
    ],
    run: |call| Box::pin(read_ahead(call)),
};

pub(super) static TIMER_ENGINE: Command = Command {
    name: "switchTimerEngine",
    about: "switch the engine of timer message in broker",
    options: &[
        Opt::one_of("b", "brokerAddr", "update which broker"),
        Opt::one_of("c", "clusterName", "update which cluster"),
        Opt::required("e", "engineType", "R/F, R for rocksdb timeline engine, F for file time wheel engine"),
    ],
    run: |call| Box::pin(timer_engine(call)),
};

/// One broker, or the members of a cluster, masters and slaves.
async fn brokers(call: &Call<'_>) -> Result<Vec<String>, CommandError> {
    match (call.arguments.value("b"), call.arguments.value("c")) {
        (None, Some(cluster)) => ops::member_addrs(call.admin, cluster).await,
        _ => ops::addrs_of_choice(call.admin, call.arguments).await,
    }
}

async fn cold_data(call: &mut Call<'_>) -> Result<(), CommandError> {
    for addr in brokers(call).await? {
        let info = call.admin.cold_data_flow_ctr_info(&addr).await?;
        writeln!(call.out, " ============{addr}============")?;
        call.out.write_all(&body::to_json_pretty(&info))?;
        writeln!(call.out)?;
    }
    Ok(())
}

async fn update_threshold(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let threshold =
        BTreeMap::from([(arguments.required("g").to_owned(), arguments.required("v").to_owned())]);
    for addr in ops::addrs_of_choice(call.admin, arguments).await? {
        call.admin.update_cold_data_flow_ctr_group_config(&addr, &threshold).await?;
        writeln!(call.out, "updateColdDataFlowCtrGroupConfig success, {addr}")?;
    }
    Ok(())
}

async fn remove_threshold(call: &mut Call<'_>) -> Result<(), CommandError> {
    let group = call.arguments.required("g");
    for addr in ops::addrs_of_choice(call.admin, call.arguments).await? {
        call.admin.remove_cold_data_flow_ctr_group_config(&addr, group).await?;
        writeln!(call.out, "remove broker cold read threshold success, {addr}")?;
    }
    Ok(())
}

async fn read_ahead(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mode = call.arguments.required("m");
    for addr in brokers(call).await? {
        let said = call.admin.set_commit_log_read_ahead_mode(&addr, mode).await?;
        writeln!(call.out, " ============{addr}============")?;
        writeln!(call.out, "commitLog set readAhead mode rstStr{}", said.unwrap_or_default())?;
    }
    Ok(())
}

async fn timer_engine(call: &mut Call<'_>) -> Result<(), CommandError> {
    let engine = call.arguments.required("e");
    let name = if engine == "R" { "ROCKSDB_TIMELINE" } else { "FILE_TIME_WHEEL" };
    for addr in ops::addrs_of_choice(call.admin, call.arguments).await? {
        call.admin.switch_timer_engine(&addr, engine).await?;
        writeln!(call.out, "switchTimerEngine to {name} success, {addr}")?;
    }
    Ok(())
}
