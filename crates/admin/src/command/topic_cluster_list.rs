//! `topicClusterList`: the clusters that serve a topic.

use super::{Call, Command};
use crate::{CommandError, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "topicClusterList",
    about: "Get cluster info for topic.",
    options: &[Opt::required("t", "topic", "topic name")],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let info = call.admin.examine_broker_cluster_info().await?;
    let route = call.admin.examine_topic_route_info(call.arguments.required("t")).await?;
    for (cluster, names) in &info.cluster_addr_table {
        if route.broker_datas.iter().any(|group| names.contains(&group.broker_name)) {
            writeln!(call.out, "{cluster}")?;
        }
    }
    Ok(())
}
