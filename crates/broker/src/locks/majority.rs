//! Queue locks that most brokers of a group have given (`lockInStrictMode`): they outlive the one that was asked.

use std::{collections::HashMap, sync::Arc, time::Duration};

use eruca_message::MessageQueue;
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, LockBatchRequestBody, LockBatchResponseBody, UnlockBatchRequestBody},
};

use super::QueueLocks;
use crate::{control::Control, registration::Membership, settings::Settings};

/// How long the others may take, the name server that knows them with it. Java's clients wait for a second.
const TIMEOUT: Duration = Duration::from_millis(800);

/// Asks the other brokers of the group for locks.
#[derive(Debug)]
pub(crate) struct Majority {
    pub(crate) locks: Arc<QueueLocks>,
    pub(crate) membership: Arc<Membership>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) control: Arc<Control>,
}

impl Majority {
    /// How many brokers have to lock a queue; 1 where this one is enough.
    fn needed(&self) -> usize {
        let config = self.settings.now();
        if config.lock_in_strict_mode { config.total_replicas / 2 + 1 } else { 1 }
    }

    /// Whether others have to be asked.
    pub(crate) fn is_needed(&self) -> bool {
        self.needed() > 1
    }

    /// `own` are those of the queues that the member holds at this broker. `then` gets those that it holds at most brokers; what it
    /// was given at fewer goes back, so that two members do not keep each other out by halves.
    pub(crate) fn lock(
        &self,
        asked: LockBatchRequestBody,
        own: Vec<MessageQueue>,
        then: impl FnOnce(Vec<MessageQueue>) + Send + 'static,
    ) {
        let (membership, locks, needed) = (self.membership.clone(), self.locks.clone(), self.needed());
        self.control.spawn("locks of the group", async move {
            let asked = LockBatchRequestBody { only_this_broker: true, mq_set: own, ..asked };
            let request = RemotingCommand::request_without_header(RequestCode::LOCK_BATCH_MQ)
                .with_body(body::to_json(&asked));
            let answers = membership.ask_others(&request, TIMEOUT).await;
            let (held, given_back) = held_by(needed, asked.mq_set, &answers);
            if !given_back.is_empty() {
                let LockBatchRequestBody { client_id, consumer_group, .. } = asked;
                tracing::warn!(
                    group = consumer_group,
                    client_id,
                    queues = given_back.len(),
                    needed,
                    answered = answers.len() + 1,
                    "queues were not locked: with lockInStrictMode=true most of the group's totalReplicas brokers have to lock them"
                );
                locks.unlock(&consumer_group, &client_id, &given_back);
                let back = UnlockBatchRequestBody {
                    client_id,
                    consumer_group,
                    mq_set: given_back,
                    only_this_broker: true,
                };
                membership.ask_others(&unlocking(&back), TIMEOUT).await;
            }
            then(held);
        });
    }

    /// The member gives queues back at the other brokers, too.
    pub(crate) fn unlock(&self, asked: UnlockBatchRequestBody) {
        let membership = self.membership.clone();
        self.control.spawn("locks of the group", async move {
            let asked = UnlockBatchRequestBody { only_this_broker: true, ..asked };
            membership.ask_others(&unlocking(&asked), TIMEOUT).await;
        });
    }
}

fn unlocking(asked: &UnlockBatchRequestBody) -> RemotingCommand {
    RemotingCommand::request_without_header(RequestCode::UNLOCK_BATCH_MQ).with_body(body::to_json(asked))
}

/// Of the queues that this broker locked: those that `needed` brokers did, this one counted, and the rest.
fn held_by(
    needed: usize,
    own: Vec<MessageQueue>,
    answers: &[RemotingCommand],
) -> (Vec<MessageQueue>, Vec<MessageQueue>) {
    let mut counts: HashMap<MessageQueue, usize> = HashMap::new();
    for answer in answers.iter().filter(|answer| answer.response_code() == ResponseCode::SUCCESS) {
        // One that cannot be understood has locked nothing.
        let Ok(locked) = body::from_json::<LockBatchResponseBody>(&answer.body) else { continue };
        locked.lock_ok_mq_set.into_iter().for_each(|queue| *counts.entry(queue).or_default() += 1);
    }
    own.into_iter().partition(|queue| 1 + counts.get(queue).copied().unwrap_or(0) >= needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queue_id: i32) -> MessageQueue {
        MessageQueue { topic: "T".to_owned(), broker_name: "b".to_owned(), queue_id }
    }

    fn answer(queues: &[i32]) -> RemotingCommand {
        let content = LockBatchResponseBody { lock_ok_mq_set: queues.iter().map(|id| queue(*id)).collect() };
        RemotingCommand::request_without_header(RequestCode::LOCK_BATCH_MQ)
            .reply(ResponseCode::SUCCESS)
            .with_body(body::to_json(&content))
    }

    #[test]
    fn most_brokers_have_to_lock_a_queue() {
        let own = || vec![queue(0), queue(1), queue(2)];
        let held = |needed, answers: &[RemotingCommand]| {
            let ids = |queues: Vec<MessageQueue>| -> Vec<i32> {
                queues.into_iter().map(|queue| queue.queue_id).collect()
            };
            let (held, rest) = held_by(needed, own(), answers);
            (ids(held), ids(rest))
        };
        assert_eq!(held(2, &[answer(&[0, 1]), answer(&[1, 7])]), (vec![0, 1], vec![2]));
        assert_eq!(held(3, &[answer(&[0, 1]), answer(&[1])]), (vec![1], vec![0, 2]));
        assert_eq!(held(2, &[]), (vec![], vec![0, 1, 2]));
        let refused = answer(&[0]).reply(ResponseCode::SYSTEM_ERROR);
        let nonsense = answer(&[]).with_body(b"?".to_vec());
        assert_eq!(held(2, &[refused, nonsense]), (vec![], vec![0, 1, 2]));
    }
}
