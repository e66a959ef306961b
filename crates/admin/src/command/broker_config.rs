//! `getBrokerConfig` and `updateBrokerConfig`.

use std::collections::BTreeMap;

use super::{Call, Command, namesrv_config::print_entries};
use crate::{CommandError, ops, option::Opt};

pub(super) static GET: Command = Command {
    name: "getBrokerConfig",
    about: "Get broker config by cluster or special broker.",
    options: &[
        Opt::one_of("b", "brokerAddr", "get which broker"),
        Opt::one_of("c", "clusterName", "get which cluster"),
    ],
    run: |call| Box::pin(get(call)),
};

pub(super) static UPDATE: Command = Command {
    name: "updateBrokerConfig",
    about: "Update broker's config.",
    options: &[
        Opt::value("b", "brokerAddr", "update which broker"),
        Opt::value("c", "clusterName", "update which cluster"),
        Opt::value("a", "updateAllBroker", "update all brokers include slave"),
        Opt::required("k", "key", "config key"),
        Opt::required("v", "value", "config value"),
    ],
    run: |call| Box::pin(update(call)),
};

async fn get(call: &mut Call<'_>) -> Result<(), CommandError> {
    if let Some(addr) = call.arguments.value("b") {
        return print(call, &format!("============{addr}============"), addr).await;
    }
    for group in ops::broker_groups(call.admin, call.arguments.required("c")).await? {
        let master = group.broker_addrs.get(&0);
        let name = master.map_or("NO_MASTER", String::as_str);
        match master {
            Some(addr) => print(call, &format!("============Master: {addr}============"), addr).await?,
            None => writeln!(call.out, "============Master: {name}============")?,
        }
        for (_, slave) in group.broker_addrs.iter().filter(|(id, _)| **id != 0) {
            let title = format!("============My Master: {name}=====Slave: {slave}============");
            print(call, &title, slave).await?;
        }
    }
    Ok(())
}

async fn print(call: &mut Call<'_>, title: &str, addr: &str) -> Result<(), CommandError> {
    let config = call.admin.broker_config(addr).await?;
    writeln!(call.out, "{title}")?;
    print_entries(call.out, &config)?;
    writeln!(call.out)?;
    Ok(())
}

async fn update(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let changes = BTreeMap::from([(arguments.required("k").to_owned(), arguments.required("v").to_owned())]);
    let addrs = match (arguments.value("b"), arguments.value("c")) {
        (None, Some(cluster)) if arguments.has("a") => ops::member_addrs(call.admin, cluster).await?,
        _ => ops::addrs_of_choice(call.admin, arguments).await?,
    };
    let mut failed = None;
    for addr in addrs {
        match call.admin.update_broker_config(&addr, &changes).await {
            Ok(()) => writeln!(call.out, "update broker config success, {addr}")?,
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}
