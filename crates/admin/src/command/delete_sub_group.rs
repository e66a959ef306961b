//! `deleteSubGroup`: deletes a consumer group; in a cluster also its retry and dead letter topics.

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "deleteSubGroup",
    about: "Delete subscription group from broker.",
    options: &[
        Opt::value("b", "brokerAddr", "delete subscription group from which broker"),
        Opt::value("c", "clusterName", "delete subscription group from which cluster"),
        Opt::required("g", "groupName", "subscription group name"),
        Opt::value("r", "removeOffset", "remove offset"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let group = arguments.required("g");
    let clean_offset = arguments.boolean("r").unwrap_or(false);
    let addrs = ops::addrs_of_choice(call.admin, arguments).await?;
    // As in the Java tool the broker goes before the cluster where both are given.
    let cluster = arguments.value("c").filter(|_| !arguments.has("b"));
    for addr in &addrs {
        call.admin.delete_subscription_group(addr, group, clean_offset).await?;
        match cluster {
            Some(cluster) => writeln!(
                call.out,
                "delete subscription group [{group}] from broker [{addr}] in cluster [{cluster}] success."
            )?,
            None => writeln!(call.out, "delete subscription group [{group}] from broker [{addr}] success.")?,
        }
    }
    if let Some(cluster) = cluster {
        for topic in [ops::retry_topic(group), format!("%DLQ%{group}")] {
            call.admin.delete_topic_in_broker(&addrs, &topic).await?;
            call.admin.delete_topic_in_name_server(&[], Some(cluster), &topic).await?;
        }
    }
    Ok(())
}
