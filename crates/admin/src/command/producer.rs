//! `producer`: all producers of a broker.

use super::{Call, Command};
use crate::{
    CommandError,
    java_order::{self, DEFAULT_BUCKETS},
    option::Opt,
};

pub(super) static COMMAND: Command = Command {
    name: "producer",
    about: "Query producer's instances, connection, status, etc.",
    options: &[Opt::required("b", "broker", "broker address")],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let table = call.admin.all_producer_info(call.arguments.required("b")).await?.data;
    let mut groups: Vec<_> = table.iter().collect();
    java_order::sort_by_key(&mut groups, DEFAULT_BUCKETS, |(group, _)| group);
    for (group, members) in groups {
        if members.is_empty() {
            writeln!(call.out, "producer group ({group}) instances are empty")?;
        }
        for member in members {
            writeln!(
                call.out,
                "producer group ({group}) instance : clientId={},remoteIP={}, language={}, version={}, \
                 lastUpdateTimestamp={}",
                member.client_id,
                member.remote_ip,
                member.language.name(),
                member.version,
                member.last_update_timestamp
            )?;
        }
    }
    Ok(())
}
