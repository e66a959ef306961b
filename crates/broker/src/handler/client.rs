//! `UNREGISTER_CLIENT` and `CHECK_CLIENT_CONFIG`.

use std::sync::Arc;

use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, CheckClientRequestBody},
    request::UnregisterClientRequest,
};
use eruca_remoting::{Caller, Reply};

use crate::{
    HandlerError,
    clients::{ConsumerIdsNotice, ConsumerTable, ProducerTable},
};

/// Lets clients go, and tells them beforehand what this broker does not do (Java: `ClientManageProcessor`).
#[derive(Debug)]
pub struct ClientHandler {
    producers: Arc<ProducerTable>,
    consumers: Arc<ConsumerTable>,
    notice: Arc<ConsumerIdsNotice>,
}

impl ClientHandler {
    /// A handler over these tables.
    pub fn new(
        producers: Arc<ProducerTable>,
        consumers: Arc<ConsumerTable>,
        notice: Arc<ConsumerIdsNotice>,
    ) -> Self {
        ClientHandler { producers, consumers, notice }
    }

    /// A client leaves a group.
    pub fn unregister(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: UnregisterClientRequest = request.header()?;
        if let Some(group) = &header.producer_group {
            self.producers.unregister(group, caller.id());
        }
        if let Some(group) = &header.consumer_group
            && self.consumers.unregister(group, caller.id())
        {
            tracing::info!(group, client = header.client_id, "consumer left");
            self.notice.send(group);
        }
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// A consumer asks whether its filter will be understood.
    pub fn check(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let content: CheckClientRequestBody = body::from_json(&request.body)?;
        let subscription = &content.subscription_data;
        if !subscription.is_tag_type() {
            return Err(HandlerError::system_error(format!(
                "The broker does not support consumer to filter message by {}",
                subscription.expression_type.as_deref().unwrap_or_default()
            )));
        }
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::{
        RequestCode,
        body::{ConsumerData, SubscriptionData},
    };

    use super::*;
    use crate::handler::test_parts::{TestParts, answer};

    fn handler(parts: &TestParts) -> ClientHandler {
        ClientHandler::new(
            Arc::clone(&parts.producers),
            Arc::clone(&parts.consumers),
            Arc::clone(&parts.notice),
        )
    }

    #[test]
    fn a_client_that_leaves_is_gone_and_its_fellows_are_told() {
        let parts = TestParts::new();
        let ((a, _told_a), (b, told_b)) = (parts.connect(), parts.connect());
        let consumer = ConsumerData { group_name: "g".into(), ..ConsumerData::default() };
        for (caller, id) in [(&a, "a"), (&b, "b")] {
            parts.consume(caller, id, &consumer);
        }
        let header = UnregisterClientRequest {
            client_id: "a".into(),
            producer_group: Some("p".into()),
            consumer_group: Some("g".into()),
        };
        let request = RemotingCommand::request(&header);
        for told in [1, 0] {
            let reply = answer(&request, handler(&parts).unregister(&a, &request));
            assert_eq!(reply.response_code(), ResponseCode::SUCCESS);
            assert_eq!(told_b.take().len(), told);
        }
        assert_eq!(parts.consumers.client_ids("g"), ["b"]);
    }

    #[test]
    fn filters_other_than_tags_are_refused_beforehand() {
        let parts = TestParts::new();
        let check = |expression_type: &str| {
            let content = CheckClientRequestBody {
                subscription_data: SubscriptionData {
                    expression_type: Some(expression_type.into()),
                    ..SubscriptionData::default()
                },
                ..CheckClientRequestBody::default()
            };
            let request = RemotingCommand::request_without_header(RequestCode::CHECK_CLIENT_CONFIG)
                .with_body(body::to_json(&content));
            answer(&request, handler(&parts).check(&request))
        };
        assert_eq!(check("TAG").response_code(), ResponseCode::SUCCESS);
        let reply = check("SQL92");
        assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR);
        assert_eq!(
            reply.remark.as_deref(),
            Some("The broker does not support consumer to filter message by SQL92")
        );
    }
}
