//! `wipeWritePerm` and `addWritePerm`: take a broker out of sending, and back, in the routes of the name servers.

use super::{Call, Command};
use crate::{CommandError, option::Opt};

const OPTIONS: &[Opt] = &[Opt::required("b", "brokerName", "broker name")];

pub(super) static WIPE: Command = Command {
    name: "wipeWritePerm",
    about: "Wipe write perm of broker in all name server you defined in the -n param.",
    options: OPTIONS,
    run: |call| Box::pin(change(call, Change::Wipe)),
};

pub(super) static ADD: Command = Command {
    name: "addWritePerm",
    about: "Add write perm of broker in all name server you defined in the -n param.",
    options: OPTIONS,
    run: |call| Box::pin(change(call, Change::Add)),
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Wipe,
    Add,
}

/// One name server that does not answer keeps the others from nothing.
async fn change(call: &mut Call<'_>, change: Change) -> Result<(), CommandError> {
    let broker_name = call.arguments.required("b");
    let mut failed = None;
    for addr in call.admin.name_server_addresses() {
        let (verb, changed) = match change {
            Change::Wipe => ("wipe", call.admin.wipe_write_perm_of_broker(&addr, broker_name).await),
            Change::Add => ("add", call.admin.add_write_perm_of_broker(&addr, broker_name).await),
        };
        let what = format!("{verb} write perm of broker[{broker_name}] in name server[{addr}]");
        match changed {
            Ok(topics) => writeln!(call.out, "{what} OK, {topics}")?,
            Err(error) => {
                writeln!(call.out, "{what} Failed")?;
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}
