//! `setConsumeMode`: whether the members of a group pull or pop a topic, where brokers share the queues.

use eruca_protocol::body::{MessageRequestMode, SetMessageRequestModeRequestBody};

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "setConsumeMode",
    about: "Set consume message mode. pull/pop etc.",
    options: &[
        Opt::value("b", "brokerAddr", "create subscription group to which broker"),
        Opt::value("c", "clusterName", "create subscription group to which cluster"),
        Opt::required("t", "topicName", "topic name"),
        Opt::required("g", "groupName", "consumer group name"),
        Opt::required("m", "mode", "consume mode. PULL/POP"),
        Opt::value("q", "popShareQueueNum", "num of queue which share in pop mode"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let named = |mode: &&MessageRequestMode| mode.name() == arguments.required("m");
    let Some(mode) = MessageRequestMode::ALL.iter().find(named).copied() else {
        return Err(arguments.invalid("m", "PULL or POP").into());
    };
    let share = "with how many others a member shares each queue, 0: with all";
    let wanted = SetMessageRequestModeRequestBody {
        topic: arguments.required("t").to_owned(),
        consumer_group: arguments.required("g").to_owned(),
        mode,
        pop_share_queue_num: arguments.parsed("q", share)?.unwrap_or(0),
    };
    for addr in ops::addrs_of_choice(call.admin, arguments).await? {
        call.admin.set_message_request_mode(&addr, &wanted).await?;
        writeln!(call.out, "set consume mode to {addr} success.")?;
    }
    let SetMessageRequestModeRequestBody { topic, consumer_group, pop_share_queue_num, .. } = &wanted;
    write!(
        call.out,
        "topic[{topic}] group[{consumer_group}] consume mode[{mode}] popShareQueueNum[{pop_share_queue_num}]"
    )?;
    Ok(())
}
