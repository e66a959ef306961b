//! Taking back a message with a time of delivery.

use eruca_message::{RecallHandle, RecallHandleError};
use eruca_protocol::{
    RemotingCommand,
    request::{RecallMessageRequest, RecallMessageResponse},
};

use super::{SendError, send::Sender};
use crate::CallError;

/// Why a message was not recalled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecallError {
    /// The handle is none.
    #[error(transparent)]
    Handle(#[from] RecallHandleError),
    /// The producer is shut down, or the topic has no route.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The broker refused it, or could not be asked.
    #[error("the message for topic '{topic}' was not recalled from broker '{broker}': {source}")]
    Call {
        /// The topic.
        topic: String,
        /// The broker group that keeps the message.
        broker: String,
        /// Why.
        source: Box<CallError>,
    },
}

impl Sender {
    /// Asks the broker that keeps the message.
    pub(super) async fn recall(&self, topic: &str, handle: &str) -> Result<String, RecallError> {
        let RecallHandle { broker_name: broker, unique_key: message_id, .. } = RecallHandle::decode(handle)?;
        // Makes the broker's address known.
        self.route(topic).await?;
        let header = RecallMessageRequest {
            producer_group: Some(self.settings.group.clone()),
            topic: topic.to_owned(),
            recall_handle: handle.to_owned(),
        };
        let asked = async {
            let addr = self.session.master_addr(&broker)?;
            let request = RemotingCommand::request(&header);
            let called = self.session.call_within(&addr, request, self.settings.send_timeout).await;
            if !matches!(called, Err(CallError::Invoke(_))) {
                self.trace_recall(topic, &message_id, called.as_ref().ok().map(|answer| &answer.reply));
            }
            called?.header::<RecallMessageResponse>()
        };
        asked.await.map(|answer| answer.msg_id).map_err(|error| RecallError::Call {
            topic: topic.to_owned(),
            broker: broker.clone(),
            source: Box::new(error),
        })
    }
}
