//! What brokers ask of a lite pull consumer.

use std::{collections::BTreeMap, sync::Arc};

use eruca_message::{MessageQueue, StoredMessage};
use eruca_protocol::{
    RemotingCommand, ResponseCode, VERSION,
    body::{ConsumerRunningInfo, ProcessQueueInfo},
};
use eruca_remoting::Responder;

use super::core::Core;
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
        let property = |name: &str, value: String| (name.to_owned(), value);
        let info =
            |handed_out: i64| ProcessQueueInfo { commit_offset: handed_out, ..ProcessQueueInfo::default() };
        ConsumerRunningInfo {
            properties: BTreeMap::from([
                property("PROP_CLIENT_VERSION", VERSION.to_string()),
                property("PROP_CONSUME_ORDERLY", false.to_string()),
                property("PROP_CONSUME_TYPE", "CONSUME_ACTIVELY".to_owned()),
                property("PROP_CONSUMER_START_TIMESTAMP", self.started.0.to_string()),
                property("PROP_NAMESERVER_ADDR", self.member.session.name_server_addrs().join(";")),
            ]),
            mq_table: self
                .assigned()
                .iter()
                .map(|assigned| (assigned.queue.clone(), info(lock(&assigned.position).handed_out())))
                .collect(),
            subscription_set: self.member.subscriptions().iter().map(|s| s.data().clone()).collect(),
            ..ConsumerRunningInfo::default()
        }
    }

    fn consume_directly(self: Arc<Self>, _: StoredMessage, request: RemotingCommand, responder: Responder) {
        let remark = "this consumer pulls: nobody is called with messages";
        responder.send(request.reply_error(ResponseCode::SYSTEM_ERROR, remark));
    }
}
