//! `deleteTopic`: removes a topic from a cluster's brokers and from the name servers.

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "deleteTopic",
    about: "Delete topic from broker and NameServer.",
    options: &[
        Opt::required("t", "topic", "topic name"),
        Opt::required("c", "clusterName", "delete topic from which cluster"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (topic, cluster) = (call.arguments.required("t"), call.arguments.required("c"));
    let masters = ops::master_addrs(call.admin, cluster).await?;
    call.admin.delete_topic_in_broker(&masters, topic).await?;
    writeln!(call.out, "delete topic [{topic}] from cluster [{cluster}] success.")?;
    let name_servers = call.admin.name_server_addresses();
    call.admin.delete_topic_in_name_server(&name_servers, Some(cluster), topic).await?;
    writeln!(call.out, "delete topic [{topic}] from NameServer success.")?;
    Ok(())
}
