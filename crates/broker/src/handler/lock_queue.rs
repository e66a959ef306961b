//! `LOCK_BATCH_MQ` and `UNLOCK_BATCH_MQ`: a member of a group alone consumes a queue, for consumption in order.

use std::sync::Arc;

use eruca_message::{Clock, MessageQueue};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, LockBatchRequestBody, LockBatchResponseBody, UnlockBatchRequestBody},
};
use eruca_remoting::{Caller, Reply};

use crate::{
    HandlerError,
    locks::{Majority, QueueLocks},
};

/// Locks and unlocks queues.
#[derive(Debug)]
pub struct LockQueueHandler {
    locks: Arc<QueueLocks>,
    clock: Arc<dyn Clock>,
    majority: Option<Majority>,
}

impl LockQueueHandler {
    /// A handler over this table.
    pub fn new(locks: Arc<QueueLocks>, clock: Arc<dyn Clock>) -> Self {
        LockQueueHandler { locks, clock, majority: None }
    }

    /// Asks the other brokers of the group, too, where the configuration wants that.
    pub(crate) fn with_majority(self, majority: Majority) -> Self {
        LockQueueHandler { majority: Some(majority), ..self }
    }

    /// Those who have to be asked, too.
    fn others(&self, only_this_broker: bool) -> Option<&Majority> {
        self.majority.as_ref().filter(|majority| !only_this_broker && majority.is_needed())
    }

    /// Locks queues; the answer has those that the client holds now.
    pub fn lock(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let asked: LockBatchRequestBody = body::from_json(&request.body)?;
        let locked =
            self.locks.lock(&asked.consumer_group, &asked.client_id, &asked.mq_set, self.clock.now());
        let Some(majority) = self.others(asked.only_this_broker) else {
            return Ok(Reply::Now(answer(request, locked)));
        };
        let (responder, request) = (caller.responder(request), request.clone());
        majority.lock(asked, locked, move |held| responder.send(answer(&request, held)));
        Ok(Reply::Later)
    }

    /// Gives queues back. Clients send it oneway.
    pub fn unlock(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let asked: UnlockBatchRequestBody = body::from_json(&request.body)?;
        self.locks.unlock(&asked.consumer_group, &asked.client_id, &asked.mq_set);
        if let Some(majority) = self.others(asked.only_this_broker) {
            majority.unlock(asked);
        }
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }
}

fn answer(request: &RemotingCommand, locked: Vec<MessageQueue>) -> RemotingCommand {
    let content = LockBatchResponseBody { lock_ok_mq_set: locked };
    request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))
}

#[cfg(test)]
mod tests {
    use eruca_protocol::RequestCode;

    use super::*;
    use crate::handler::test_parts::{TestParts, answer};

    /// Bodies of a Java 5.5.0 client and broker.
    #[test]
    fn javas_bodies_lock_and_unlock() {
        let parts = TestParts::new();
        let (caller, _outbox) = parts.connect();
        let handler = LockQueueHandler::new(Arc::default(), parts.clock.clone());
        let ask = |code: RequestCode, client: &str| {
            let content = format!(
                r#"{{"clientId":"{client}","consumerGroup":"g","mqSet":[{{"brokerName":"b","queueId":1,"topic":"T"}}],"onlyThisBroker":false}}"#
            );
            let request = RemotingCommand::request_without_header(code).with_body(content);
            let result = match code {
                RequestCode::LOCK_BATCH_MQ => handler.lock(&caller, &request),
                _ => handler.unlock(&request),
            };
            String::from_utf8(answer(&request, result).body.to_vec()).unwrap()
        };
        let all = r#"{"lockOKMQSet":[{"brokerName":"b","queueId":1,"topic":"T"}]}"#;
        assert_eq!(ask(RequestCode::LOCK_BATCH_MQ, "a"), all);
        assert_eq!(ask(RequestCode::LOCK_BATCH_MQ, "b"), r#"{"lockOKMQSet":[]}"#);
        ask(RequestCode::UNLOCK_BATCH_MQ, "a");
        assert_eq!(ask(RequestCode::LOCK_BATCH_MQ, "b"), all);
    }
}
