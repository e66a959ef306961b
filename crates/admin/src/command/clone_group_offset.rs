//! `cloneGroupOffset`: lets a group begin where another one is.

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "cloneGroupOffset",
    about: "Clone offset from other group.",
    options: &[
        Opt::required("s", "srcGroup", "set source consumer group"),
        Opt::required("d", "destGroup", "set destination consumer group"),
        Opt::required("t", "topic", "set the topic"),
        Opt::value("o", "offline", "the group or the topic is offline"),
    ],
    run: |call| Box::pin(run(call)),
};

/// As in the Java tool the topic says which brokers are written to, and the offsets of all topics that the source group
/// consumes are copied, its retry topic's among them.
async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let (source, target, topic) = (arguments.required("s"), arguments.required("d"), arguments.required("t"));
    let stats = ops::consume_stats(call.admin, source, None, None).await?;
    let route = call.admin.examine_topic_route_info(topic).await?;
    for (queue, offsets) in &stats.offset_table {
        if offsets.consumer_offset >= 0 {
            let addr = ops::broker_addr(&route, &queue.broker_name)?;
            call.admin.update_consume_offset(&addr, target, queue, offsets.consumer_offset).await?;
        }
    }
    write!(call.out, "clone group offset success. srcGroup[{source}], destGroup=[{target}], topic[{topic}]")?;
    Ok(())
}
