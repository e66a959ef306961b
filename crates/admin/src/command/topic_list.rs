//! `topicList`: all topics, or all topics with their clusters and consumer groups.

use super::{Call, Command};
use crate::{CommandError, java_order, ops, option::Opt, table};

pub(super) static COMMAND: Command = Command {
    name: "topicList",
    about: "Fetch all topic list from name server.",
    options: &[Opt::flag("c", "clusterModel", "clusterModel")],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.arguments.has("c") {
        return print_with_groups(call).await;
    }
    let mut topics = call.admin.fetch_all_topic_list().await?.topic_list;
    java_order::sort_names(&mut topics);
    for topic in topics {
        writeln!(call.out, "{topic}")?;
    }
    Ok(())
}

async fn print_with_groups(call: &mut Call<'_>) -> Result<(), CommandError> {
    writeln!(call.out, "{:<20}  {:<48}  {:<48}", "#Cluster Name", "#Topic", "#Consumer Group")?;
    for listed in ops::topic_consumers(call.admin).await? {
        let groups = if listed.groups.is_empty() { vec![String::new()] } else { listed.groups };
        for group in groups {
            writeln!(
                call.out,
                "{:<20}  {:<64}  {:<64}",
                table::front_at_least(&listed.cluster, 20),
                table::front_at_least(&listed.topic, 64),
                table::front_at_least(&group, 64)
            )?;
        }
    }
    Ok(())
}
