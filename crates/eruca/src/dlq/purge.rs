//! `eruca dlq purge`.

use anyhow::{Context, bail};
use eruca_admin::{Admin, ops};
use eruca_message::names::dlq_topic;

use super::{
    args::PurgeArgs,
    queues::{DlqQueue, queues_of},
};
use crate::ready::print_line;

/// Deletes the dead letter topic on all brokers; the next dead letter creates it anew.
pub(super) async fn run(admin: &Admin, args: PurgeArgs) -> anyhow::Result<()> {
    let queues = queues_of(admin, &args.group).await?;
    let count: i64 = queues.iter().map(DlqQueue::len).sum();
    if queues.is_empty() {
        return Ok(print_line(&format!("group {} has no dead letters", args.group))?);
    }
    if !args.yes {
        bail!("this drops {count} messages of group {} for good: say --yes", args.group);
    }
    let topic = dlq_topic(&args.group);
    let route = admin.examine_topic_route_info(&topic).await?;
    for queue in &queues {
        // The next dead letters have offsets from 0 on.
        queue.note_redriven(admin, 0).await?;
    }
    let brokers = ops::addrs_to_ask(&route);
    admin
        .delete_topic_in_broker(&brokers, &topic)
        .await
        .with_context(|| format!("topic {topic} on brokers"))?;
    let name_servers = admin.name_server_addresses();
    admin
        .delete_topic_in_name_server(&name_servers, None, &topic)
        .await
        .with_context(|| format!("topic {topic} on name servers"))?;
    Ok(print_line(&format!("{count} messages of group {} were dropped", args.group))?)
}
