//! `GET_CONSUMER_LIST_BY_GROUP`: the members of a group, among whom its queues are shared.

use std::sync::Arc;

use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, GetConsumerListByGroupResponseBody},
    request::GetConsumerListByGroupRequest,
};
use eruca_remoting::Reply;

use crate::{HandlerError, clients::ConsumerTable};

/// Lists the members of groups (Java: `ConsumerManageProcessor`).
#[derive(Debug)]
pub struct ConsumerListHandler {
    consumers: Arc<ConsumerTable>,
}

impl ConsumerListHandler {
    /// A handler over this table.
    pub fn new(consumers: Arc<ConsumerTable>) -> Self {
        ConsumerListHandler { consumers }
    }

    /// Answers with the ids of a group's members.
    pub fn handle(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: GetConsumerListByGroupRequest = request.header()?;
        let consumer_id_list = self.consumers.client_ids(&header.consumer_group);
        if consumer_id_list.is_empty() {
            return Err(HandlerError::system_error(format!(
                "no consumer for this group, {}",
                header.consumer_group
            )));
        }
        let content = GetConsumerListByGroupResponseBody { consumer_id_list };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::ConsumerData;

    use super::*;
    use crate::handler::test_parts::{TestParts, answer};

    #[test]
    fn each_member_is_listed_once() {
        let parts = TestParts::new();
        let handler = ConsumerListHandler::new(Arc::clone(&parts.consumers));
        let request = RemotingCommand::request(&GetConsumerListByGroupRequest { consumer_group: "g".into() });
        let reply = answer(&request, handler.handle(&request));
        assert_eq!(
            (reply.response_code(), reply.remark.as_deref()),
            (ResponseCode::SYSTEM_ERROR, Some("no consumer for this group, g"))
        );
        let consumer = ConsumerData { group_name: "g".into(), ..ConsumerData::default() };
        for id in ["b", "a", "b"] {
            parts.consume(&parts.connect().0, id, &consumer);
        }
        let reply = answer(&request, handler.handle(&request));
        assert_eq!(&reply.body[..], br#"{"consumerIdList":["a","b"]}"#);
    }
}
