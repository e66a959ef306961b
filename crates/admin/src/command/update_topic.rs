//! `updateTopic`: creates a topic or changes its settings.

use std::collections::BTreeMap;

use eruca_protocol::body::TopicConfig;

use super::{Call, Command};
use crate::{Arguments, CommandError, config_text, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "updateTopic",
    about: "Update or create topic.",
    options: &[
        Opt::one_of("b", "brokerAddr", "create topic to which broker"),
        Opt::one_of("c", "clusterName", "create topic to which cluster"),
        Opt::required("t", "topic", "topic name"),
        Opt::value("a", "attributes", "attribute(+a=b,+c=d,-e)"),
        Opt::value("r", "readQueueNums", "set read queue nums"),
        Opt::value("w", "writeQueueNums", "set write queue nums"),
        Opt::value("p", "perm", "set topic's permission(2|4|6), intro[2:W 4:R; 6:RW]"),
        Opt::value("o", "order", "set topic's order(true|false)"),
        Opt::value("u", "unit", "is unit topic (true|false)"),
        Opt::value("s", "hasUnitSub", "has unit sub (true|false)"),
    ],
    run: |call| Box::pin(run(call)),
};

/// Read and write queues where nothing is said.
const DEFAULT_QUEUE_NUMS: i32 = 8;
/// Where name servers keep which topics are ordered.
pub(super) const ORDER_NAMESPACE: &str = "ORDER_TOPIC_CONFIG";
const FLAG_UNIT: i32 = 1;
const FLAG_UNIT_SUB: i32 = 2;

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let config = topic_config(call.arguments)?;
    if let Some(addr) = call.arguments.value("b") {
        call.admin.create_and_update_topic_config(addr, &config).await?;
        if config.order {
            let broker_name = ops::broker_name_of_addr(call.admin, addr).await?;
            let order_conf = format!("{broker_name}:{}", config.write_queue_nums);
            let old = call.admin.kv_config(ORDER_NAMESPACE, &config.topic_name).await?.unwrap_or_default();
            let merged = ops::merge_order_conf(&old, &order_conf);
            call.admin.create_and_update_kv_config(ORDER_NAMESPACE, &config.topic_name, &merged).await?;
            writeln!(call.out, "set broker orderConf. isOrder=true, orderConf=[{order_conf}]")?;
        }
        writeln!(call.out, "create topic to {addr} success.")?;
    } else {
        let cluster = call.arguments.required("c");
        for addr in ops::master_addrs(call.admin, cluster).await? {
            call.admin.create_and_update_topic_config(&addr, &config).await?;
            writeln!(call.out, "create topic to {addr} success.")?;
        }
        if config.order {
            let queues = |name: &String| format!("{name}:{}", config.write_queue_nums);
            let names = ops::broker_names(call.admin, cluster).await?;
            let order_conf = names.iter().map(queues).collect::<Vec<_>>().join(";");
            call.admin.create_and_update_kv_config(ORDER_NAMESPACE, &config.topic_name, &order_conf).await?;
            writeln!(call.out, "set cluster orderConf. isOrder=true, orderConf=[{order_conf}]")?;
        }
    }
    writeln!(call.out, "{}", config_text::topic(&config))?;
    Ok(())
}

fn topic_config(arguments: &Arguments) -> Result<TopicConfig, CommandError> {
    let queues = "a number of queues";
    let flag = |key: &str, flag: i32| if arguments.boolean(key) == Some(true) { flag } else { 0 };
    Ok(TopicConfig {
        topic_name: arguments.required("t").to_owned(),
        read_queue_nums: arguments.parsed("r", queues)?.unwrap_or(DEFAULT_QUEUE_NUMS),
        write_queue_nums: arguments.parsed("w", queues)?.unwrap_or(DEFAULT_QUEUE_NUMS),
        perm: arguments.parsed("p", "2 (write), 4 (read) or 6 (both)")?.unwrap_or(6),
        topic_sys_flag: flag("u", FLAG_UNIT) | flag("s", FLAG_UNIT_SUB),
        order: arguments.boolean("o").unwrap_or(false),
        attributes: attributes(arguments, "a")?,
        ..TopicConfig::default()
    })
}

/// Reads changes of attributes: `+a=b` adds or alters, `-c` removes, `,` separates.
pub(super) fn attributes(arguments: &Arguments, key: &str) -> Result<BTreeMap<String, String>, CommandError> {
    let mut changes = BTreeMap::new();
    for change in arguments.value(key).unwrap_or_default().split(',').filter(|change| !change.is_empty()) {
        let (name, value) = match change.split_once('=') {
            Some((name, value)) if name.starts_with('+') && !value.is_empty() => (name, value),
            None if change.starts_with('-') => (change, ""),
            _ => return Err(arguments.invalid(key, "changes such as +a=b,+c=d,-e").into()),
        };
        if changes.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(arguments.invalid(key, "changes of different attributes").into());
        }
    }
    Ok(changes)
}
