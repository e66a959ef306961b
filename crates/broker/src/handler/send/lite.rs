//! Messages for a lite topic: the store puts them into its queue, too.

use eruca_message::{
    lite::{lite_queue, validate_lite_topic},
    properties::INNER_MULTI_DISPATCH,
};
use eruca_protocol::{ResponseCode, body::TopicConfig};

use super::{properties::rewrite, send_message::SendMessageHandler};
use crate::{config::BrokerConfig, lite::lmq_count, reply::HandlerError, topics::is_lite_parent};

impl SendMessageHandler {
    /// Names the queue of the lite topic in the property by which the store does it. As in Java whatever kind of topic the
    /// parent is; but where it is one with lite topics, a message that nobody could ever consume is refused.
    pub(super) fn name_lite_queue(
        &self,
        parent: &TopicConfig,
        lite: &str,
        config: &BrokerConfig,
        properties: &mut Vec<u8>,
    ) -> Result<(), HandlerError> {
        let topic = &parent.topic_name;
        let is_expected = is_lite_parent(parent);
        match validate_lite_topic(lite) {
            Ok(()) => {}
            Err(error) if is_expected => return Err(error.into()),
            Err(_) => return Ok(()),
        }
        let store = self.store.config();
        if is_expected && !(store.lmq && store.multi_dispatch) {
            return Err(HandlerError::system_error(format!(
                "topic[{topic}] has lite topics, which this broker does not keep: set enableLmq=true and \
                 enableMultiDispatch=true in its configuration"
            )));
        }
        let queue = lite_queue(topic, lite);
        if config.enable_lmq_quota
            && store.lmq
            && store.multi_dispatch
            && self.store.queue_range(&queue, 0).max.0 == 0
        {
            let limit = usize::try_from(config.max_lmq_consume_queue_num).unwrap_or(usize::MAX);
            let count = lmq_count(&self.store);
            if count >= limit {
                return Err(HandlerError::new(
                    ResponseCode::LMQ_QUOTA_EXCEEDED,
                    format!(
                        "[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]lmq consume queue num exceeded: there are {count}, the limit is {limit} \
                         (maxLmqConsumeQueueNum): set it higher, or let lite topics expire (lite.topic.expiration)"
                    ),
                ));
            }
        }
        rewrite(properties, |properties| properties.set(INNER_MULTI_DISPATCH, queue));
        Ok(())
    }
}
