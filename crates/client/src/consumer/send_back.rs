//! Messages that failed go back to their broker, which brings them again after a delay or gives them up.

use eruca_message::StoredMessage;
use eruca_protocol::{RemotingCommand, request::ConsumerSendMsgBackRequest};

use crate::{CallError, client::Session};

/// How often a failed message comes again where nothing else is said, as Java's consumers have it.
pub(crate) const MAX_RECONSUME_TIMES: i32 = 16;
/// The broker chooses the delay by the number of tries.
pub(crate) const LEVEL_BY_TRIES: i32 = 0;
/// Straight to the dead letter queue.
pub(crate) const LEVEL_DEAD: i32 = -1;

/// Who sends messages back.
pub(crate) struct SendBack<'a> {
    pub(crate) session: &'a Session,
    pub(crate) group: &'a str,
    /// How often a message comes again before the broker gives it up.
    pub(crate) max_reconsume_times: i32,
}

impl SendBack<'_> {
    /// Sends `message` back, to come again after the delay of `delay_level`.
    pub(crate) async fn send(&self, message: &StoredMessage, delay_level: i32) -> Result<(), CallError> {
        let addr = self.session.master_addr(&message.broker_name)?;
        let header = ConsumerSendMsgBackRequest {
            offset: message.log_offset.to_i64(),
            group: self.group.to_owned(),
            delay_level,
            origin_msg_id: Some(message.message_id()),
            origin_topic: Some(message.message.topic.clone()),
            unit_mode: false,
            max_reconsume_times: Some(self.max_reconsume_times),
        };
        let mut request = RemotingCommand::request(&header);
        request.ext_fields.push("bname", &message.broker_name);
        self.session.call(&addr, request).await.map(drop)
    }

    /// Has `message` given up: it goes to the dead letter topic. Whether it did; where not, the log says why.
    pub(crate) async fn bury(&self, message: &StoredMessage) -> bool {
        match self.send(message, LEVEL_DEAD).await {
            Ok(()) => {
                tracing::info!(
                    group = self.group,
                    id = %message.message_id(),
                    reconsume_times = message.reconsume_times,
                    "message given up: it goes to the dead letter topic"
                );
                true
            }
            Err(error) => {
                tracing::warn!(group = self.group, id = %message.message_id(), %error, "message not sent to the dead letter topic, it comes again");
                false
            }
        }
    }
}
