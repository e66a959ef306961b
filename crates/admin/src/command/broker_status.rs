//! `brokerStatus`: what brokers say of themselves, by name.

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "brokerStatus",
    about: "Fetch broker runtime status data.",
    options: &[
        Opt::one_of("b", "brokerAddr", "Broker address"),
        Opt::one_of("c", "clusterName", "which cluster"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    if let Some(addr) = call.arguments.value("b") {
        return print(call, addr, "").await;
    }
    let mut failed = None;
    for addr in ops::member_addrs(call.admin, call.arguments.required("c")).await? {
        // One broker that does not answer hides the others from nobody.
        if let Err(error) = print(call, &addr, &format!("{addr:<24} ")).await {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn print(call: &mut Call<'_>, addr: &str, prefix: &str) -> Result<(), CommandError> {
    let stats = call.admin.fetch_broker_runtime_stats(addr).await?;
    let mut rows: Vec<_> = stats.table.iter().collect();
    rows.sort();
    for (name, value) in rows {
        writeln!(call.out, "{prefix}{name:<32}: {value}")?;
    }
    Ok(())
}
