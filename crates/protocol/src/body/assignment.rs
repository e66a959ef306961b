//! Which queues of a topic a consumer has, decided by the broker, and whether it pulls or pops them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MessageModel, MessageQueue, MessageRequestMode};

/// Request of `QUERY_ASSIGNMENT` (Java: `QueryAssignmentRequestBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryAssignmentRequestBody {
    /// The topic.
    pub topic: String,
    /// The group.
    pub consumer_group: String,
    /// The member that asks.
    pub client_id: String,
    /// How queues are shared: `AVG` or `AVG_BY_CIRCLE`.
    pub strategy_name: String,
    /// Who of the group gets a message.
    pub message_model: MessageModel,
}

/// Answer of `QUERY_ASSIGNMENT` (Java: `QueryAssignmentResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryAssignmentResponseBody {
    /// The member's queues; none where the broker cannot say.
    pub message_queue_assignments: Option<Vec<MessageQueueAssignment>>,
}

/// A queue of a member (Java: `MessageQueueAssignment`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageQueueAssignment {
    /// The queue; with number -1 all queues of a broker, which is for pops only.
    pub message_queue: MessageQueue,
    /// Whether it is pulled or popped.
    pub mode: MessageRequestMode,
}

impl Default for MessageQueueAssignment {
    fn default() -> Self {
        MessageQueueAssignment { message_queue: MessageQueue::new("", "", 0), mode: MessageRequestMode::Pull }
    }
}

/// Request of `SET_MESSAGE_REQUEST_MODE`, and an entry of `messageRequestMode.json` (Java:
/// `SetMessageRequestModeRequestBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetMessageRequestModeRequestBody {
    /// The topic.
    pub topic: String,
    /// The group.
    pub consumer_group: String,
    /// How its members get messages.
    pub mode: MessageRequestMode,
    /// With how many others a member shares each of its queues; 0 or less: all members share all.
    pub pop_share_queue_num: i32,
}

/// The file `messageRequestMode.json`, and the answer of `GET_ALL_MESSAGE_REQUEST_MODE`: by topic and group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageRequestModeSerializeWrapper {
    /// The modes.
    pub message_request_mode_map: BTreeMap<String, BTreeMap<String, SetMessageRequestModeRequestBody>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{from_json, to_json};

    #[test]
    fn bodies_of_a_java_cluster() {
        let ask = br#"{"clientId":"192.0.2.2@c12","consumerGroup":"g_pop","messageModel":"CLUSTERING","strategyName":"AVG","topic":"GPop"}"#;
        let body: QueryAssignmentRequestBody = from_json(ask).unwrap();
        assert_eq!((body.topic.as_str(), body.strategy_name.as_str()), ("GPop", "AVG"));
        assert_eq!(to_json(&body), ask);
        let told = br#"{"messageQueueAssignments":[{"messageQueue":{"brokerName":"broker-a","queueId":-1,"topic":"GPop"},"mode":"POP"}]}"#;
        let body: QueryAssignmentResponseBody = from_json(told).unwrap();
        let assignments = body.message_queue_assignments.clone().unwrap();
        assert_eq!(
            (assignments[0].message_queue.queue_id, assignments[0].mode),
            (-1, MessageRequestMode::Pop)
        );
        assert_eq!(to_json(&body), told);
        let set = br#"{"consumerGroup":"g_pop","mode":"POP","popShareQueueNum":8,"topic":"GPop"}"#;
        let body: SetMessageRequestModeRequestBody = from_json(set).unwrap();
        assert_eq!((body.mode, body.pop_share_queue_num), (MessageRequestMode::Pop, 8));
        assert_eq!(to_json(&body), set);
    }
}
