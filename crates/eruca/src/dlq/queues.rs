//! The queues of a dead letter topic, wherever they are, and how far they were sent again.

use anyhow::{Context, bail};
use eruca_admin::{Admin, ops};
use eruca_client::{MessageQueue, PullStatus, QueuePull, StoredMessage};
use eruca_message::names::dlq_topic;

/// How far a queue was sent again is kept as the committed offset of this group, which every broker has.
const PROGRESS_GROUP: &str = ops::TOOLS_CONSUMER_GROUP;
/// Messages of one pull.
const PULL_BATCH: i32 = 32;

/// One queue with dead letters.
#[derive(Debug, Clone)]
pub(super) struct DlqQueue {
    pub(super) queue: MessageQueue,
    /// The broker that has it.
    pub(super) addr: String,
    /// The oldest message that is still there.
    pub(super) first: i64,
    /// Behind the youngest.
    pub(super) next: i64,
    /// Messages before this were sent again; within `first..=next`.
    pub(super) redriven: i64,
}

impl DlqQueue {
    /// How many messages it has.
    pub(super) fn len(&self) -> i64 {
        self.next - self.first
    }

    /// How many of them were not sent again.
    pub(super) fn open(&self) -> i64 {
        self.next - self.redriven
    }

    /// Notes that everything before `offset` was sent again.
    pub(super) async fn note_redriven(&self, admin: &Admin, offset: i64) -> anyhow::Result<()> {
        let noted = admin.update_consume_offset(&self.addr, PROGRESS_GROUP, &self.queue, offset).await;
        noted.with_context(|| {
            format!("{offset} messages of {} were sent again, which cannot be noted", self.queue)
        })
    }

    /// Messages from `offset` on, and where to go on; none at the end.
    pub(super) async fn read(&self, admin: &Admin, offset: i64) -> anyhow::Result<(Vec<StoredMessage>, i64)> {
        let (queue, group) = (&self.queue, PROGRESS_GROUP);
        let pull = QueuePull { group, queue, offset, max_messages: PULL_BATCH, tags: "*" };
        let outcome = admin.pull(&self.addr, &pull).await?;
        let next = match outcome.status {
            PullStatus::Found | PullStatus::NoMatchedMessage | PullStatus::OffsetMoved => {
                outcome.next_begin_offset
            }
            PullStatus::NoNewMessage => self.next,
        };
        // A broker that answers with the same offset again would keep us for ever.
        Ok((outcome.messages, next.max(offset + 1)))
    }
}

/// The queues of `group`'s dead letter topic; empty where there is none.
pub(super) async fn queues_of(admin: &Admin, group: &str) -> anyhow::Result<Vec<DlqQueue>> {
    let topic = dlq_topic(group);
    let topics = admin.fetch_all_topic_list().await.context("the name servers cannot be asked for topics")?;
    if !topics.topic_list.contains(&topic) {
        return Ok(Vec::new());
    }
    let route = admin.examine_topic_route_info(&topic).await?;
    let queues = ops::queues_to_read(&topic, &route);
    if queues.is_empty() {
        bail!(
            "topic {topic} cannot be read: give it permission 6 with `eruca admin updateTopicPerm -t '{topic}' -p 6 -c CLUSTER`"
        );
    }
    let mut all = Vec::with_capacity(queues.len());
    for queue in queues {
        let addr = ops::broker_addr(&route, &queue.broker_name)?;
        let (first, next) = ops::queue_range(admin, &addr, &queue, None, None).await?;
        let noted = admin.consumer_offset(&addr, PROGRESS_GROUP, &queue).await?.unwrap_or(first);
        // The topic may have been dropped since, and its offsets begin with 0 again.
        let redriven = if noted > next { first } else { noted.max(first) };
        all.push(DlqQueue { queue, addr, first, next, redriven });
    }
    Ok(all)
}
