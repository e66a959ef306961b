//! `consumerConnection`: the members of a consumer group and what they subscribe.

use std::io::Write;

use eruca_protocol::{body::ConsumerConnection, version_name};

use super::{Call, Command};
use crate::{
    CommandError,
    java_order::{self, DEFAULT_BUCKETS},
    ops,
    option::Opt,
};

pub(super) static COMMAND: Command = Command {
    name: "consumerConnection",
    about: "Query consumer's socket connection, client version and subscription.",
    options: &[
        Opt::required("g", "consumerGroup", "consumer group name"),
        Opt::value("b", "brokerAddr", "broker address"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let group = call.arguments.required("g");
    let connection = match call.arguments.value("b") {
        Some(addr) => call.admin.examine_consumer_connection_info(addr, group).await?,
        None => ops::consumer_connection(call.admin, group).await?,
    };
    if connection.connection_set.is_empty() {
        return Err(CommandError::GroupOffline { group: group.to_owned() });
    }
    print(call.out, &connection)
}

fn print(out: &mut dyn Write, connection: &ConsumerConnection) -> Result<(), CommandError> {
    writeln!(out, "{:<36} {:<22} {:<10} #Version", "#ClientId", "#ClientAddr", "#Language")?;
    for member in &connection.connection_set {
        writeln!(
            out,
            "{:<36} {:<22} {:<10} {}",
            member.client_id,
            member.client_addr,
            member.language.name(),
            version_name(member.version)
        )?;
    }
    writeln!(out, "\nBelow is subscription:")?;
    writeln!(out, "{:<20} #SubExpression", "#Topic")?;
    let mut subscriptions: Vec<_> = connection.subscription_table.iter().collect();
    java_order::sort_by_key(&mut subscriptions, DEFAULT_BUCKETS, |(topic, _)| topic);
    for (_, subscription) in subscriptions {
        writeln!(out, "{:<20} {}", subscription.topic, subscription.sub_string)?;
    }
    writeln!(out)?;
    let name = |name: Option<&'static str>| name.unwrap_or("null");
    writeln!(out, "ConsumeType: {}", name(connection.consume_type.map(|it| it.name())))?;
    writeln!(out, "MessageModel: {}", name(connection.message_model.map(|it| it.name())))?;
    writeln!(out, "ConsumeFromWhere: {}", name(connection.consume_from_where.map(|it| it.name())))?;
    Ok(())
}
