//! `topicRoute`: which brokers serve a topic.

use std::io::Write;

use eruca_protocol::body::{self, TopicRouteData};

use super::{Call, Command};
use crate::{CommandError, option::Opt, table};

pub(super) static COMMAND: Command = Command {
    name: "topicRoute",
    about: "Examine topic route info.",
    options: &[
        Opt::required("t", "topic", "topic name"),
        Opt::flag("l", "list", "Use list format to print data"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let route = call.admin.examine_topic_route_info(call.arguments.required("t")).await?;
    if call.arguments.has("l") { print_list(call.out, route) } else { print_json(call.out, &route) }
}

fn print_json(out: &mut dyn Write, route: &TopicRouteData) -> Result<(), CommandError> {
    out.write_all(&body::to_json_pretty(route))?;
    writeln!(out)?;
    Ok(())
}

fn print_list(out: &mut dyn Write, mut route: TopicRouteData) -> Result<(), CommandError> {
    route.broker_datas.sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
    print_row(out, ["#ClusterName", "#BrokerName", "#BrokerAddrs", "#ReadQueue", "#WriteQueue", "#Perm"])?;
    let (mut read_total, mut write_total) = (0, 0);
    for broker in &route.broker_datas {
        // A broker without queues of the topic has nothing to show.
        let Some(queues) = route.queue_datas.iter().find(|queues| queues.broker_name == broker.broker_name)
        else {
            continue;
        };
        read_total += queues.read_queue_nums;
        write_total += queues.write_queue_nums;
        let addrs: Vec<(String, &str)> =
            broker.broker_addrs.iter().map(|(id, addr)| (id.to_string(), addr.as_str())).collect();
        print_row(
            out,
            [
                &broker.cluster,
                &broker.broker_name,
                &table::map(addrs.iter().map(|(id, addr)| (id.as_str(), *addr))),
                &queues.read_queue_nums.to_string(),
                &queues.write_queue_nums.to_string(),
                &queues.perm.to_string(),
            ],
        )?;
    }
    let brokers = route.queue_datas.len().to_string();
    writeln!(out, "{}", "-".repeat(158))?;
    print_row(out, ["Total:", &brokers, "", &read_total.to_string(), &write_total.to_string(), ""])?;
    Ok(())
}

fn print_row(out: &mut dyn Write, cells: [&str; 6]) -> Result<(), CommandError> {
    let [cluster, broker, addrs, read, write, perm] = cells;
    writeln!(out, "{cluster:<45} {broker:<32} {addrs:<50} {read:<10} {write:<11} {perm:<5}")?;
    Ok(())
}
