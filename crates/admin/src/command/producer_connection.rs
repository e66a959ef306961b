//! `producerConnection`: the members of a producer group.

use eruca_protocol::version_name;

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "producerConnection",
    about: "Query producer's socket connection and client version.",
    options: &[
        Opt::required("g", "producerGroup", "producer group name"),
        Opt::required("t", "topic", "topic name"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (group, topic) = (call.arguments.required("g"), call.arguments.required("t"));
    let connection = ops::producer_connection(call.admin, group, topic).await?;
    for (index, member) in connection.connection_set.iter().enumerate() {
        writeln!(
            call.out,
            "{:04}  {:<32} {:<22} {:<8} {}",
            index + 1,
            member.client_id,
            member.client_addr,
            member.language.name(),
            version_name(member.version)
        )?;
    }
    Ok(())
}
