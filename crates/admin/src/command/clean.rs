//! `cleanExpiredCQ`, `deleteExpiredCommitLog` and `cleanUnusedTopic`: what brokers do by themselves, done now.

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt};

pub(super) static EXPIRED_CONSUME_QUEUE: Command = Command {
    name: "cleanExpiredCQ",
    about: "Clean expired ConsumeQueue on broker.",
    options: &[Opt::value("b", "brokerAddr", "Broker address"), Opt::value("c", "cluster", "clustername")],
    run: |call| Box::pin(clean(call, What::ExpiredConsumeQueue)),
};

pub(super) static EXPIRED_COMMIT_LOG: Command = Command {
    name: "deleteExpiredCommitLog",
    about: "Delete expired CommitLog files.",
    options: &[
        Opt::value("n", "namesrvAddr", "Name server address"),
        Opt::value("b", "brokerAddr", "Broker address"),
        Opt::value("c", "cluster", "clustername"),
    ],
    run: |call| Box::pin(clean(call, What::ExpiredCommitLog)),
};

pub(super) static UNUSED_TOPIC: Command = Command {
    name: "cleanUnusedTopic",
    about: "Clean unused topic on broker.",
    options: &[Opt::value("b", "brokerAddr", "Broker address"), Opt::value("c", "cluster", "cluster name")],
    run: |call| Box::pin(clean(call, What::UnusedTopic)),
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    ExpiredConsumeQueue,
    ExpiredCommitLog,
    UnusedTopic,
}

/// On one broker, on those of a cluster, or on all.
async fn clean(call: &mut Call<'_>, what: What) -> Result<(), CommandError> {
    let addrs = match (call.arguments.value("b"), call.arguments.value("c")) {
        (Some(addr), _) => vec![addr.to_owned()],
        (None, Some(cluster)) => ops::member_addrs(call.admin, cluster).await?,
        (None, None) => ops::all_addrs(call.admin).await?,
    };
    for addr in addrs {
        match what {
            What::ExpiredConsumeQueue => call.admin.clean_expired_consumer_queue(&addr).await?,
            What::ExpiredCommitLog => call.admin.delete_expired_commit_log(&addr).await?,
            What::UnusedTopic => call.admin.clean_unused_topic(&addr).await?,
        }
    }
    write!(call.out, "success")?;
    Ok(())
}
