//! Why a message was not sent.

use eruca_message::{PropertiesError, names::NameError};

use crate::CallError;

/// Why a message was not sent, or not known to be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The topic's name breaks the rules.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Clients must not send to this topic.
    #[error("topic '{topic}' is the system's own: clients must not send to it")]
    ForbiddenTopic {
        /// The topic.
        topic: String,
    },
    /// There is nothing in the body.
    #[error("the message for topic '{topic}' has an empty body: brokers refuse such")]
    EmptyBody {
        /// The topic.
        topic: String,
    },
    /// More than a broker takes.
    #[error(
        "the message for topic '{topic}' has {len} bytes, the limit is {limit}: send less, or raise max_message_bytes here and maxMessageSize at the brokers"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// Its size in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The properties are too long.
    #[error(transparent)]
    Properties(#[from] PropertiesError),
    /// A property's name or value has a byte that separates properties.
    #[error("property '{name}' has a control character 1 or 2 in its name or value, or one of them is empty")]
    BadProperty {
        /// Name of the property.
        name: String,
    },
    /// The message would be delayed, which a transaction's cannot be.
    #[error(
        "the message for topic '{topic}' has the property {property}: a message of a transaction cannot be delayed, Java brokers lose it"
    )]
    DelayedTransaction {
        /// The topic.
        topic: String,
        /// What delays it.
        property: &'static str,
    },
    /// The batch cannot be sent as one.
    #[error("the batch cannot be sent: {why}")]
    BadBatch {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The topic has no queue to send to.
    #[error(
        "topic '{topic}' has no queue to send to: no master that holds it is up, or its write permission is taken"
    )]
    NoQueue {
        /// The topic.
        topic: String,
    },
    /// The selector chose a queue that is not there.
    #[error("the selector chose queue {index} of {count} of topic '{topic}'")]
    BadSelection {
        /// The topic.
        topic: String,
        /// What was chosen.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A broker refused it, or could not be asked; it was not stored unless the error is a time-out or a closed
    /// connection, where nobody knows.
    #[error("sending to topic '{topic}' failed after {attempts} attempt(s) (brokers tried: {}): {source}", brokers.join(", "))]
    Call {
        /// The topic.
        topic: String,
        /// How often it was tried.
        attempts: usize,
        /// The broker groups that were tried, in order.
        brokers: Vec<String>,
        /// Why the last attempt failed.
        source: Box<CallError>,
    },
    /// The route could not be had.
    #[error(transparent)]
    Route(Box<CallError>),
}
