//! `allocateMQ`: which of several consumers would get which queue of a topic.

use eruca_message::MessageQueue;

use super::{Call, Command};
use crate::{
    CommandError,
    java_order::{self, DEFAULT_BUCKETS},
    ops,
    option::Opt,
};

pub(super) static COMMAND: Command = Command {
    name: "allocateMQ",
    about: "Allocate MQ.",
    options: &[Opt::required("t", "topic", "topic name"), Opt::required("i", "ipList", "ipList")],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let topic = call.arguments.required("t");
    let hosts: Vec<&str> = call.arguments.required("i").split(',').collect();
    let route = call.admin.examine_topic_route_info(topic).await?;
    // Queues and hosts are taken as they are listed, as the Java tool does: a real consumer sorts both first.
    let queues = ops::queues_to_read(topic, &route);
    let mut shares: Vec<(&str, &[MessageQueue])> = hosts
        .iter()
        .enumerate()
        .map(|(index, host)| (*host, share_of(&queues, index, hosts.len())))
        .collect();
    java_order::sort_by_key(&mut shares, DEFAULT_BUCKETS, |(host, _)| host);
    let shares = shares.iter().map(|(host, queues)| format!("{}:[{}]", json(host), queues_json(queues)));
    writeln!(call.out, "{{\"result\":{{{}}}}}", shares.collect::<Vec<_>>().join(","))?;
    Ok(())
}

/// The share of member `index` of `members`: neighbouring queues, the first members get one more where they must.
fn share_of(queues: &[MessageQueue], index: usize, members: usize) -> &[MessageQueue] {
    let (each, rest) = (queues.len() / members, queues.len() % members);
    let begin = index * each + index.min(rest);
    let end = begin + each + usize::from(index < rest);
    queues.get(begin..end).unwrap_or_default()
}

fn queues_json(queues: &[MessageQueue]) -> String {
    let queues = queues.iter().map(|queue| {
        let MessageQueue { topic, broker_name, queue_id } = queue;
        format!("{{\"brokerName\":{},\"queueId\":{queue_id},\"topic\":{}}}", json(broker_name), json(topic))
    });
    queues.collect::<Vec<_>>().join(",")
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
