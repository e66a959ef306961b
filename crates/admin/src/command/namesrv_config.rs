//! `getNamesrvConfig` and `updateNamesrvConfig`.

use std::{collections::BTreeMap, io::Write};

use eruca_client::BrokerConfigText;

use super::{Call, Command};
use crate::{
    CommandError,
    java_order::{self, DEFAULT_BUCKETS},
    option::Opt,
};

pub(super) static GET: Command = Command {
    name: "getNamesrvConfig",
    about: "Get configs of name server.",
    options: &[],
    run: |call| Box::pin(get(call)),
};

pub(super) static UPDATE: Command = Command {
    name: "updateNamesrvConfig",
    about: "Update configs of name server.",
    options: &[Opt::required("k", "key", "config key"), Opt::required("v", "value", "config value")],
    run: |call| Box::pin(update(call)),
};

async fn get(call: &mut Call<'_>) -> Result<(), CommandError> {
    for addr in call.admin.name_server_addresses() {
        let config = call.admin.name_server_config(&addr).await?;
        writeln!(call.out, "============{addr}============")?;
        print_entries(call.out, &config)?;
    }
    Ok(())
}

/// Keys and values in Java's order.
pub(super) fn print_entries(out: &mut dyn Write, config: &BrokerConfigText) -> Result<(), CommandError> {
    let mut entries: Vec<(&str, &str)> = config.entries().collect();
    java_order::sort_by_key(&mut entries, DEFAULT_BUCKETS, |(key, _)| key);
    for (key, value) in entries {
        writeln!(out, "{key:<50}=  {value}")?;
    }
    Ok(())
}

async fn update(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, value) = (call.arguments.required("k"), call.arguments.required("v"));
    let changes = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let addrs = call.admin.name_server_addresses();
    call.admin.update_name_server_config(&addrs, &changes).await?;
    // The Java tool names the servers only where -n does.
    let listed = if call.arguments.has("n") { format!("[{}]", addrs.join(", ")) } else { String::new() };
    writeln!(call.out, "update name server config success!{listed}\n{key} : {value}")?;
    Ok(())
}
