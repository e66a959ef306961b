//! Which queues a member has, and whether it pulls or pops them.

use std::collections::BTreeSet;

use eruca_message::{MessageQueue, names};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{
        self, MessageQueueAssignment, MessageRequestMode, QueryAssignmentRequestBody,
        QueryAssignmentResponseBody,
    },
    request::QueryAssignmentRequest,
};

use super::membership::Membership;
use crate::{CallError, TopicRoute, route_cache::MASTER_ID};

/// A member's queues.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Allocation {
    pub(crate) pulled: BTreeSet<MessageQueue>,
    /// A queue with the number -1 stands for all queues of its broker. Other members may pop the same ones.
    pub(crate) popped: BTreeSet<MessageQueue>,
}

impl Allocation {
    /// All are pulled.
    pub(crate) fn pulled(queues: impl IntoIterator<Item = MessageQueue>) -> Self {
        Allocation { pulled: queues.into_iter().collect(), popped: BTreeSet::new() }
    }

    fn assigned(assignments: Vec<MessageQueueAssignment>) -> Self {
        let mut allocation = Allocation::default();
        for MessageQueueAssignment { message_queue, mode } in assignments {
            match mode {
                MessageRequestMode::Pull => allocation.pulled.insert(message_queue),
                MessageRequestMode::Pop => allocation.popped.insert(message_queue),
            };
        }
        allocation
    }

    /// What of it belongs to `topic`.
    pub(crate) fn of_topic(&self, topic: &str) -> Allocation {
        let of = |queues: &BTreeSet<MessageQueue>| {
            queues.iter().filter(|queue| queue.topic == topic).cloned().collect()
        };
        Allocation { pulled: of(&self.pulled), popped: of(&self.popped) }
    }

    pub(crate) fn extend(&mut self, other: Allocation) {
        self.pulled.extend(other.pulled);
        self.popped.extend(other.popped);
    }
}

/// What a broker says to the question for a member's queues.
pub(super) enum Assigned {
    Queues(Allocation),
    /// It does not know this member yet.
    NotYet,
    /// It is older than version 5, and leaves this to the members.
    NotSupported,
}

impl Membership {
    /// Whether what was popped of one of this member's topics and not acknowledged comes again in `topic`.
    pub(super) fn is_pop_retry_topic(&self, topic: &str) -> bool {
        names::pop_origin_topic(topic, self.group()) != topic
    }

    /// Who pulls a topic that was popped before needs what comes again of it, which pops give out by themselves.
    /// Subscribes to that or ends it; whether something changed.
    pub(crate) fn follow_modes(&self, allocation: &Allocation) -> bool {
        if !self.settings.is_assigned_by_broker {
            return false;
        }
        let topics: BTreeSet<String> = self.topics().into_iter().collect();
        let mut wanted = BTreeSet::new();
        for topic in topics.iter().filter(|topic| !names::is_retry_topic(topic)) {
            let mine = allocation.of_topic(topic);
            let retry_topics = [
                names::pop_retry_topic_v1(topic, self.group()),
                names::pop_retry_topic_v2(topic, self.group()),
            ];
            match (mine.pulled.is_empty(), mine.popped.is_empty()) {
                (false, true) => wanted.extend(retry_topics),
                (true, false) => {}
                // It has nothing at present: all stays as it is.
                _ => wanted.extend(retry_topics.into_iter().filter(|retry| topics.contains(retry))),
            }
        }
        let subscribed: BTreeSet<String> =
            topics.into_iter().filter(|topic| self.is_pop_retry_topic(topic)).collect();
        subscribed.difference(&wanted).for_each(|topic| self.unsubscribe(topic));
        wanted.difference(&subscribed).for_each(|topic| self.subscribe(topic, &"*".into()));
        subscribed != wanted
    }

    /// Asks a broker of `topic` for this member's queues: the first that answers, in the order of their names, so that all
    /// members ask the same one.
    pub(super) async fn ask_assignment(
        &self,
        topic: &str,
        route: &TopicRoute,
    ) -> Result<Assigned, CallError> {
        let content = QueryAssignmentRequestBody {
            topic: topic.to_owned(),
            consumer_group: self.group().to_owned(),
            client_id: self.session.client_id().to_owned(),
            strategy_name: self.settings.allocation.name().to_owned(),
            message_model: self.settings.model,
        };
        let request = RemotingCommand::request(&QueryAssignmentRequest {}).with_body(body::to_json(&content));
        let mut result = Err(CallError::BrokerUnknown { broker_name: "of the topic".into() });
        for broker_name in route.brokers.keys() {
            let addr = self.session.addr_to_read(broker_name, MASTER_ID)?;
            result = self.session.call(&addr, request.clone()).await;
            if !matches!(&result, Err(error) if error.is_silence()) {
                break;
            }
        }
        let answer = match result {
            Err(error) if error.response_code() == Some(ResponseCode::REQUEST_CODE_NOT_SUPPORTED) => {
                return Ok(Assigned::NotSupported);
            }
            answered => answered?,
        };
        let told = answer.body::<QueryAssignmentResponseBody>()?.message_queue_assignments;
        Ok(told.map_or(Assigned::NotYet, |assignments| Assigned::Queues(Allocation::assigned(assignments))))
    }
}
