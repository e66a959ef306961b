//! What brokers ask of a push consumer.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use eruca_message::{MessageQueue, StoredMessage};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, CMResult, ConsumeMessageDirectlyResult, ConsumerRunningInfo},
};
use eruca_remoting::Responder;
use tokio::{
    sync::mpsc::{Receiver, error::TrySendError},
    time::Instant,
};

use super::{
    core::{Core, DirectWork},
    listener::{ConsumeStatus, Listener, OrderedConsumeStatus, Panicked, call, name_as_subscribed},
};
use crate::inbound::BrokerRequests;
use crate::millis::millis;

impl BrokerRequests for Core {
    fn consumer_ids_changed(&self) {
        self.rebalance_due.notify_one();
    }

    fn reset_offsets(&self, offsets: &BTreeMap<MessageQueue, i64>) {
        for (queue, offset) in offsets {
            if let Some(held) = self.held_queue(queue) {
                tracing::info!(%queue, offset, "offset reset on the broker's request");
                held.reset(*offset, &self.member.offsets);
            }
        }
    }

    fn offsets_of(&self, topic: &str) -> BTreeMap<MessageQueue, i64> {
        let mut offsets = self.member.offsets.all_known();
        offsets.retain(|queue, _| queue.topic == topic);
        offsets
    }

    fn running_info(&self) -> ConsumerRunningInfo {
        let (offsets, now) = (self.member.offsets.all_known(), self.now());
        let (settings, pop, is_ordered) = (&self.settings, &self.pop, self.listener.is_ordered());
        let property = |name: &str, value: String| (name.to_owned(), value);
        let mut info = self.member.running_info(&self.rates, is_ordered);
        // Settings are called as Java's are.
        info.properties.extend([
            property("PROP_THREADPOOL_CORE_SIZE", settings.parallel_calls.to_string()),
            property("consumeMessageBatchMaxSize", settings.call_batch.to_string()),
            property("maxReconsumeTimes", settings.max_reconsume_times.to_string()),
            property("popBatchNums", pop.max_messages.to_string()),
            property("popInvisibleTime", millis(pop.invisible).to_string()),
            property("pullBatchSize", settings.pull_batch.to_string()),
            property("suspendCurrentQueueTimeMillis", millis(settings.suspend).to_string()),
        ]);
        info.mq_pop_table =
            self.popped().iter().map(|popped| (popped.queue.clone(), popped.info())).collect();
        info.mq_table =
            self.held().iter().map(|held| (held.queue.clone(), held.info(&offsets, now))).collect();
        info.user_consumer_info = BTreeMap::from([
            property("consumedMessages", self.consumed.load(Ordering::Relaxed).to_string()),
            property("failedMessages", self.failed.load(Ordering::Relaxed).to_string()),
        ]);
        info
    }

    fn consume_directly(
        self: Arc<Self>,
        message: StoredMessage,
        request: RemotingCommand,
        responder: Responder,
    ) {
        let refused = match self.direct.try_send(DirectWork { message, request, responder }) {
            Ok(()) => return,
            Err(TrySendError::Full(work)) => (work, "too many messages wait to be consumed directly"),
            Err(TrySendError::Closed(work)) => (work, "the consumer is shutting down"),
        };
        let (work, why) = refused;
        work.responder.send(work.request.reply_error(ResponseCode::SYSTEM_BUSY, why));
    }
}

/// Consumes messages that brokers ask to have consumed, and tells them how it went.
pub(crate) async fn consume_direct_work(core: Arc<Core>, mut queue: Receiver<DirectWork>) {
    while let Some(DirectWork { mut message, request, responder }) = queue.recv().await {
        name_as_subscribed(&mut message.message, core.member.group());
        let started = Instant::now();
        let messages = vec![Arc::new(message)];
        let result = match &core.listener {
            Listener::Concurrent(listener) => match call(listener, messages).await {
                Ok(ConsumeStatus::Success | ConsumeStatus::FirstSucceeded(1..)) => CMResult::Success,
                Ok(_) => CMResult::Later,
                Err(Panicked) => CMResult::ThrowException,
            },
            Listener::Ordered(listener) => match call(listener, messages).await {
                Ok(OrderedConsumeStatus::Success) => CMResult::Success,
                Ok(_) => CMResult::Later,
                Err(Panicked) => CMResult::ThrowException,
            },
        };
        let report = ConsumeMessageDirectlyResult {
            order: core.listener.is_ordered(),
            consume_result: Some(result),
            spent_time_mills: millis(started.elapsed()),
            ..ConsumeMessageDirectlyResult::default()
        };
        responder.send(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&report)));
    }
}
