//! `getConsumerConfig`: the settings of a consumer group on every broker.

use std::io::Write;

use eruca_protocol::body::SubscriptionGroupConfig;

use super::{Call, Command};
use crate::{CommandError, config_text, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "getConsumerConfig",
    about: "Get consumer config by subscription group name.",
    options: &[Opt::required("g", "groupName", "subscription group name")],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let group = call.arguments.required("g");
    let info = call.admin.examine_broker_cluster_info().await?;
    let mut is_found = false;
    for broker in info.broker_addr_table.values() {
        let Some(addr) = ops::addr_to_ask(broker) else { continue };
        // A broker that is asked for one group creates it where it may; asked for all, it does not.
        let groups = call.admin.all_subscription_group(addr).await?.subscription_group_table;
        if let Some(config) = groups.get(group) {
            is_found = true;
            print(call.out, &broker.cluster, &broker.broker_name, config)?;
        }
    }
    if is_found { Ok(()) } else { Err(CommandError::GroupUnknown { group: group.to_owned() }) }
}

fn print(
    out: &mut dyn Write,
    cluster: &str,
    broker_name: &str,
    config: &SubscriptionGroupConfig,
) -> Result<(), CommandError> {
    let line = "=".repeat(29);
    writeln!(out, "{line}{cluster}:{broker_name}{line}")?;
    for (name, value) in config_text::group_fields(config) {
        writeln!(out, "{name:<40}=  {}", value.unwrap_or_default())?;
    }
    Ok(())
}
