//! `GET_CONSUMER_CONNECTION_LIST`, `GET_PRODUCER_CONNECTION_LIST` and `GET_ALL_PRODUCER_INFO`: who is connected.

use std::sync::Arc;

use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, ProducerConnection},
    request::{GetConsumerConnectionListRequest, GetProducerConnectionListRequest},
};
use eruca_remoting::Reply;

use crate::{
    HandlerError,
    clients::{ConsumerTable, Member, ProducerTable},
};

/// Lists the members of groups.
#[derive(Debug)]
pub(super) struct ConnectionsHandler {
    consumers: Arc<ConsumerTable>,
    producers: Arc<ProducerTable>,
}

impl ConnectionsHandler {
    /// A handler over these tables.
    pub(super) fn new(consumers: Arc<ConsumerTable>, producers: Arc<ProducerTable>) -> Self {
        ConnectionsHandler { consumers, producers }
    }

    /// The members of a consumer group, and what it subscribes to.
    pub(super) fn of_consumers(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let GetConsumerConnectionListRequest { consumer_group } = request.header()?;
        let Some(group) = self.consumers.group(&consumer_group) else {
            return Err(HandlerError::new(
                ResponseCode::CONSUMER_NOT_ONLINE,
                format!("the consumer group[{consumer_group}] not online"),
            ));
        };
        let content = body::to_json(&group.connection());
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(content)))
    }

    /// The members of a producer group.
    pub(super) fn of_producers(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let GetProducerConnectionListRequest { producer_group } = request.header()?;
        let members = self.producers.members(&producer_group);
        if members.is_empty() {
            return Err(HandlerError::system_error(format!(
                "the producer group[{producer_group}] not exist"
            )));
        }
        let content = ProducerConnection { connection_set: members.iter().map(Member::connection).collect() };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    /// All producers.
    pub(super) fn all_producers(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let content = body::to_json(&self.producers.table_info());
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(content)))
    }
}

#[cfg(test)]
mod tests {
    use eruca_message::Timestamp;
    use eruca_protocol::{
        Language, RequestCode,
        body::{ConsumerConnection, ConsumerData, SubscriptionData},
    };

    use super::*;
    use crate::{
        clients::ClientInfo,
        handler::test_parts::{TestParts, answer},
    };

    fn handler(parts: &TestParts) -> ConnectionsHandler {
        ConnectionsHandler::new(parts.consumers.clone(), parts.producers.clone())
    }

    #[test]
    fn a_consumer_group_is_its_members_and_subscriptions() {
        let parts = TestParts::new();
        let (caller, _outbox) = parts.connect();
        let consumer = ConsumerData {
            group_name: "g".into(),
            subscription_data_set: vec![SubscriptionData {
                topic: "T".into(),
                sub_version: 1,
                ..Default::default()
            }],
            ..ConsumerData::default()
        };
        parts.consume(&caller, "10.0.0.1@7", &consumer);
        let ask = |group: &str| {
            let header = GetConsumerConnectionListRequest { consumer_group: group.into() };
            let request = RemotingCommand::request(&header);
            answer(&request, handler(&parts).of_consumers(&request))
        };
        let reply = ask("g");
        let content: ConsumerConnection = body::from_json(&reply.body).unwrap();
        assert_eq!(content.connection_set[0].client_id, "10.0.0.1@7");
        assert_eq!(content.connection_set[0].client_addr, "10.0.0.1:4000");
        assert_eq!(content.connection_set[0].version, 513);
        assert_eq!(content.consume_type, Some(consumer.consume_type));
        assert!(content.subscription_table.contains_key("T"));
        let offline = ask("h");
        assert_eq!(offline.response_code(), ResponseCode::CONSUMER_NOT_ONLINE);
        assert_eq!(offline.remark.as_deref(), Some("the consumer group[h] not online"));
    }

    /// The body is that of a Java 5.5.0 broker.
    #[test]
    fn producers_are_listed_by_group_and_in_all() {
        let parts = TestParts::new();
        let handler = handler(&parts);
        let all = || {
            let request = RemotingCommand::request_without_header(RequestCode::GET_ALL_PRODUCER_INFO);
            let reply = answer(&request, handler.all_producers(&request));
            String::from_utf8(reply.body.to_vec()).unwrap()
        };
        assert_eq!(all(), r#"{"data":{}}"#);
        let (caller, _outbox) = parts.connect();
        let client = ClientInfo { client_id: "192.0.2.2@g1".into(), language: Language::Java, version: 513 };
        parts.producers.heartbeat(&caller, &client, "gp_sync", Timestamp(1_795_415_997_176)).unwrap();
        assert_eq!(
            all(),
            r#"{"data":{"gp_sync":[{"clientId":"192.0.2.2@g1","language":"JAVA","lastUpdateTimestamp":1795415997176,"remoteIP":"/10.0.0.1:4000","version":513}]}}"#
        );
        let of = |group: &str| {
            let header = GetProducerConnectionListRequest { producer_group: group.into() };
            let request = RemotingCommand::request(&header);
            answer(&request, handler.of_producers(&request))
        };
        let content: ProducerConnection = body::from_json(&of("gp_sync").body).unwrap();
        assert_eq!(content.connection_set[0].client_addr, "10.0.0.1:4000");
        assert_eq!(of("nobody").response_code(), ResponseCode::SYSTEM_ERROR);
        assert_eq!(of("nobody").remark.as_deref(), Some("the producer group[nobody] not exist"));
    }
}
