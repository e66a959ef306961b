//! Messages that failed go back to their broker, which brings them again after a delay.

use eruca_message::StoredMessage;
use eruca_protocol::{RemotingCommand, request::ConsumerSendMsgBackRequest};

use super::core::Core;
use crate::CallError;

/// The broker chooses the delay by the number of tries.
pub(crate) const LEVEL_BY_TRIES: i32 = 0;
/// Straight to the dead letter queue.
pub(crate) const LEVEL_DEAD: i32 = -1;

/// Sends `message` back, to come again after the delay of `delay_level`.
pub(crate) async fn send_back(
    core: &Core,
    message: &StoredMessage,
    delay_level: i32,
) -> Result<(), CallError> {
    let session = &core.member.session;
    let addr = session.master_addr(&message.broker_name)?;
    let header = ConsumerSendMsgBackRequest {
        offset: message.log_offset.to_i64(),
        group: core.member.group().to_owned(),
        delay_level,
        origin_msg_id: Some(message.message_id()),
        origin_topic: Some(message.message.topic.clone()),
        unit_mode: false,
        max_reconsume_times: Some(core.settings.max_reconsume_times(core.listener.is_ordered())),
    };
    let mut request = RemotingCommand::request(&header);
    request.ext_fields.push("bname", &message.broker_name);
    session.call(&addr, request).await.map(drop)
}
