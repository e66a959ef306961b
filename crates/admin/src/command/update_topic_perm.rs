//! `updateTopicPerm`: changes who may read and write a topic.

use eruca_protocol::body::{TopicConfig, TopicRouteData};

use super::{Call, Command};
use crate::{CommandError, config_text, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "updateTopicPerm",
    about: "Update topic perm.",
    options: &[
        Opt::value("b", "brokerAddr", "create topic to which broker"),
        Opt::value("c", "clusterName", "create topic to which cluster"),
        Opt::required("t", "topic", "topic name"),
        Opt::required("p", "perm", "set topic's permission(2|4|6), intro[2:W; 4:R; 6:RW]"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let topic = arguments.required("t");
    let perm = arguments.parsed("p", "2 (write), 4 (read) or 6 (both)")?.unwrap_or_default();
    let route = call.admin.examine_topic_route_info(topic).await?;
    if let Some(addr) = arguments.value("b") {
        return one_broker(call, &route, addr, perm).await;
    }
    let first = route.queue_datas.first().cloned().unwrap_or_default();
    let config = TopicConfig {
        topic_name: topic.to_owned(),
        read_queue_nums: first.read_queue_nums,
        write_queue_nums: first.write_queue_nums,
        topic_sys_flag: first.topic_sys_flag,
        perm,
        ..TopicConfig::default()
    };
    for addr in ops::addrs_of_choice(call.admin, arguments).await? {
        call.admin.create_and_update_topic_config(&addr, &config).await?;
        writeln!(call.out, "update topic perm from {} to {perm} in {addr} success.", first.perm)?;
    }
    Ok(())
}

async fn one_broker(
    call: &mut Call<'_>,
    route: &TopicRouteData,
    addr: &str,
    perm: i32,
) -> Result<(), CommandError> {
    let topic = call.arguments.required("t");
    let is_master_at = |group: &&eruca_protocol::body::BrokerData| {
        group.broker_addrs.get(&0).is_some_and(|master| master == addr)
    };
    let queues =
        route.broker_datas.iter().find(is_master_at).and_then(|group| {
            route.queue_datas.iter().find(|queues| queues.broker_name == group.broker_name)
        });
    let Some(queues) = queues else {
        return Err(CommandError::Refused(format!(
            "the broker at '{addr}' is no master that serves topic '{topic}'; 'mqadmin topicRoute -t {topic}' \
             shows which are"
        )));
    };
    if queues.perm == perm {
        writeln!(call.out, "new perm equals to the old one!")?;
        return Ok(());
    }
    let config = TopicConfig {
        topic_name: topic.to_owned(),
        read_queue_nums: queues.read_queue_nums,
        write_queue_nums: queues.write_queue_nums,
        topic_sys_flag: queues.topic_sys_flag,
        perm,
        ..TopicConfig::default()
    };
    call.admin.create_and_update_topic_config(addr, &config).await?;
    writeln!(call.out, "update topic perm from {} to {perm} in {addr} success.", queues.perm)?;
    writeln!(call.out, "{}.", config_text::topic(&config))?;
    Ok(())
}
