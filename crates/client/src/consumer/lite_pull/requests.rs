//! What brokers ask of a lite pull consumer.

use std::collections::BTreeMap;

use eruca_message::MessageQueue;
use eruca_protocol::body::{ConsumerRunningInfo, ProcessQueueInfo};

use super::core::{AssignedQueue, Core};
use crate::{inbound::BrokerRequests, lock::lock};

impl BrokerRequests for Core {
    fn consumer_ids_changed(&self) {
        self.assign_due.notify_one();
    }

    fn reset_offsets(&self, offsets: &BTreeMap<MessageQueue, i64>) {
        for (queue, offset) in offsets {
            if let Some(assigned) = self.assigned_queue(queue) {
                tracing::info!(%queue, offset, "offset reset on the broker's request");
                self.jump(&assigned, *offset);
            }
        }
    }

    fn offsets_of(&self, topic: &str) -> BTreeMap<MessageQueue, i64> {
        let assigned = self.assigned().into_iter().filter(|assigned| assigned.queue.topic == topic);
        assigned.map(|assigned| (assigned.queue.clone(), lock(&assigned.position).handed_out())).collect()
    }

    fn running_info(&self) -> ConsumerRunningInfo {
        let mut info = self.member.running_info(&self.rates, false);
        let state = |assigned: &AssignedQueue| ProcessQueueInfo {
            commit_offset: lock(&assigned.position).handed_out(),
            ..ProcessQueueInfo::default()
        };
        info.mq_table =
            self.assigned().iter().map(|assigned| (assigned.queue.clone(), state(assigned))).collect();
        info
    }
}
