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
    filter::{CompiledFilters, Subscription, check_expression_type},
    settings::Settings,
};

/// Lets clients go, and tells them beforehand what this broker does not do (Java: `ClientManageProcessor`).
#[derive(Debug)]
pub struct ClientHandler {
    producers: Arc<ProducerTable>,
    consumers: Arc<ConsumerTable>,
    notice: Arc<ConsumerIdsNotice>,
    filters: Arc<CompiledFilters>,
    settings: Arc<Settings>,
}

impl ClientHandler {
    /// A handler over these tables.
    pub fn new(
        producers: Arc<ProducerTable>,
        consumers: Arc<ConsumerTable>,
        notice: Arc<ConsumerIdsNotice>,
        filters: Arc<CompiledFilters>,
        settings: Arc<Settings>,
    ) -> Self {
        ClientHandler { producers, consumers, notice, filters, settings }
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
        let subscription = content.subscription_data;
        let enabled = self.settings.now().enable_property_filter;
        check_expression_type(subscription.expression_type.as_deref(), enabled)?;
        Subscription::new(subscription, &self.filters).filter.map_err(|error| {
            HandlerError::new(
                ResponseCode::SUBSCRIPTION_PARSE_FAILED,
                format!("the consumer's expression cannot be used: {error}"),
            )
        })?;
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
            Arc::default(),
            Arc::clone(&parts.settings),
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
    fn filters_are_looked_at_beforehand() {
        let parts = TestParts::new();
        let check = |expression_type: &str, expression: &str| {
            let content = CheckClientRequestBody {
                subscription_data: SubscriptionData {
                    expression_type: Some(expression_type.into()),
                    sub_string: expression.into(),
                    ..SubscriptionData::default()
                },
                ..CheckClientRequestBody::default()
            };
            let request = RemotingCommand::request_without_header(RequestCode::CHECK_CLIENT_CONFIG)
                .with_body(body::to_json(&content));
            answer(&request, handler(&parts).check(&request))
        };
        assert_eq!(check("TAG", "*").response_code(), ResponseCode::SUCCESS);
        let reply = check("SQL92", "a > 5");
        assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR);
        let remark = reply.remark.unwrap_or_default();
        assert!(
            remark.starts_with("The broker does not support consumer to filter message by SQL92"),
            "{remark}"
        );
        let enable = eruca_config::Properties::parse("enablePropertyFilter=true").unwrap();
        parts.settings.update(&enable).unwrap();
        assert_eq!(check("SQL92", "a > 5").response_code(), ResponseCode::SUCCESS);
        let reply = check("SQL92", "a > 5 AND");
        assert_eq!(reply.response_code(), ResponseCode::SUBSCRIPTION_PARSE_FAILED);
        let remark = reply.remark.unwrap_or_default();
        assert!(
            remark.starts_with(
                "the consumer's expression cannot be used: at character 10: expected a property"
            ),
            "{remark}"
        );
    }
}
