//! What a user holds of a consumer that calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use eruca_message::{MessageQueue, names};
use eruca_remoting::TaskGroup;
use tokio::sync::{Mutex, mpsc};

use super::{
    super::subscription::Filter,
    PushConsumerBuilder,
    concurrent::{tick, work_on},
    core::{Core, DirectWork, Work},
    ordered::renew_locks,
    rebalancer::Rebalancer,
    requests::consume_direct_work,
};
use crate::{ConfigError, upkeep};

const PERSIST_INTERVAL: Duration = Duration::from_secs(5);

/// Calls a listener with messages as they come (Java: `DefaultMQPushConsumer`).
///
/// The members of a group share the queues of the topics; every message is consumed at least once. What fails comes
/// again after a delay that grows, and ends in the dead letter topic `%DLQ%<group>`.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use eruca_client::{ConsumeFrom, ConsumeStatus, PushConsumer};
///
/// let consumer = PushConsumer::builder()
///     .name_servers("127.0.0.1:9876")
///     .group("baristas")
///     .subscribe("orders", "coffee || tea")
///     .consume_from(ConsumeFrom::First)
///     .on_messages(|messages| async move {
///         for message in messages {
///             println!("{}: {}", message.queue_offset, String::from_utf8_lossy(&message.message.body));
///         }
///         ConsumeStatus::Success
///     })
///     .start()
///     .await?;
/// tokio::signal::ctrl_c().await?;
/// consumer.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct PushConsumer {
    core: Arc<Core>,
    /// Heartbeats and the like; ended after the others, so that brokers know us till the end.
    upkeep: TaskGroup,
    /// The task that owns pulls, pops and ordered consumption.
    rebalancing: TaskGroup,
    /// Those that consume at the same time.
    workers: TaskGroup,
    is_shut_down: AtomicBool,
}

impl PushConsumer {
    /// Settings for a new consumer.
    pub fn builder() -> PushConsumerBuilder {
        PushConsumerBuilder::default()
    }

    pub(super) async fn start(
        core: Arc<Core>,
        work: mpsc::UnboundedReceiver<Work>,
        direct: mpsc::Receiver<DirectWork>,
    ) -> Self {
        let consumer = PushConsumer {
            core,
            upkeep: TaskGroup::new(),
            rebalancing: TaskGroup::new(),
            workers: TaskGroup::new(),
            is_shut_down: AtomicBool::new(false),
        };
        consumer.core.member.introduce().await;
        consumer.start_upkeep(direct);
        consumer.start_consuming(work);
        let rebalancer = Rebalancer::new(consumer.core.clone());
        consumer.rebalancing.spawn_graceful("rebalance", |stop| rebalancer.run(stop));
        consumer
    }

    fn start_upkeep(&self, direct: mpsc::Receiver<DirectWork>) {
        let (beating, changed) = (self.core.clone(), self.core.clone());
        upkeep::start(
            &self.upkeep,
            &self.core.member.session,
            false,
            move || beating.member.heartbeat(),
            move || changed.rebalance_due.notify_one(),
        );
        let persisting = self.core.clone();
        self.upkeep.spawn("persist offsets", async move {
            loop {
                tokio::time::sleep(PERSIST_INTERVAL).await;
                persisting.persist_offsets().await;
            }
        });
        self.upkeep.spawn("consume directly", consume_direct_work(self.core.clone(), direct));
        if self.core.listener.is_ordered() && !self.core.member.is_broadcasting() {
            self.upkeep.spawn("renew locks", renew_locks(self.core.clone()));
        }
    }

    fn start_consuming(&self, work: mpsc::UnboundedReceiver<Work>) {
        if self.core.listener.is_ordered() {
            return;
        }
        let work = Arc::new(Mutex::new(work));
        for _ in 0..self.core.settings.parallel_calls {
            let (core, work) = (self.core.clone(), work.clone());
            self.workers.spawn_graceful("consume", |stop| work_on(core, work, stop));
        }
        self.upkeep.spawn("retry and time-out", tick(self.core.clone()));
    }

    /// How this client calls itself.
    pub fn client_id(&self) -> &str {
        self.core.member.session.client_id()
    }

    /// The queues that are ours at present, retry queues included. One with the number -1 stands for all queues of its
    /// broker, which are popped.
    pub fn queues(&self) -> Vec<MessageQueue> {
        let mut queues: Vec<_> = self.core.held().iter().map(|held| held.queue.clone()).collect();
        queues.extend(self.core.popped().iter().map(|popped| popped.queue.clone()));
        queues.sort();
        queues
    }

    /// Adds or changes a subscription.
    pub fn subscribe(&self, topic: &str, filter: impl Into<Filter>) -> Result<(), ConfigError> {
        names::validate_topic(topic)?;
        self.core.member.subscribe(topic, &filter.into());
        self.subscriptions_changed();
        Ok(())
    }

    /// Ends a subscription; its queues are given up.
    pub fn unsubscribe(&self, topic: &str) {
        self.core.member.unsubscribe(topic);
        self.subscriptions_changed();
    }

    fn subscriptions_changed(&self) {
        self.core.member.session.heartbeat_due.notify_one();
        self.core.rebalance_due.notify_one();
    }

    /// No more messages are pulled or popped until [`PushConsumer::resume`]; the queues remain ours.
    pub fn suspend(&self) {
        self.core.is_suspended.store(true, Ordering::Relaxed);
    }

    /// Pulls go on.
    pub fn resume(&self) {
        self.core.is_suspended.store(false, Ordering::Relaxed);
        for held in self.core.held() {
            held.room.notify_one();
        }
        for popped in self.core.popped() {
            popped.changed.notify_one();
        }
    }

    /// How many traces were lost so far; see [`PushConsumerBuilder::trace`].
    pub fn traces_lost(&self) -> u64 {
        self.core.tracer.as_ref().map_or(0, |tracer| tracer.lost())
    }

    /// Stops pulling, waits for calls in progress, makes the offsets last, takes leave of the brokers and closes the
    /// connections. Messages that were pulled but not begun come again after the next start, and those that were popped to
    /// any member when their invisible time is over. Does nothing the second time.
    pub async fn shutdown(&self) {
        if self.is_shut_down.swap(true, Ordering::AcqRel) {
            return;
        }
        self.rebalancing.shutdown().await;
        let grace = self.core.settings.shutdown_grace;
        if tokio::time::timeout(grace, self.workers.shutdown()).await.is_err() {
            tracing::warn!(
                group = self.core.member.group(),
                ?grace,
                "the listener did not end in time, its messages will come again"
            );
        }
        self.upkeep.shutdown().await;
        self.core.persist_offsets().await;
        let session = &self.core.member.session;
        session.unregister(None, Some(self.core.member.group())).await;
        session.close();
        if let Some(tracer) = &self.core.tracer {
            tracer.shutdown().await;
        }
    }
}

#[cfg(test)]
#[path = "push_test.rs"]
mod tests;
