//! What brokers are asked about the clients that are connected to them.

use eruca_protocol::{
    body::{
        ConsumeMessageDirectlyResult, ConsumerConnection, ConsumerRunningInfo, ProducerConnection,
        ProducerTableInfo,
    },
    request::{
        ConsumeMessageDirectlyRequest, GetAllProducerInfoRequest, GetConsumerConnectionListRequest,
        GetConsumerRunningInfoRequest, GetProducerConnectionListRequest,
    },
};

use super::Admin;
use crate::CallError;

impl Admin {
    /// The members of producer `group` that are connected to the broker at `addr`.
    pub async fn examine_producer_connection_info(
        &self,
        addr: &str,
        group: &str,
    ) -> Result<ProducerConnection, CallError> {
        self.ask_body(addr, &GetProducerConnectionListRequest { producer_group: group.to_owned() }).await
    }

    /// The members of consumer `group` that are connected to the broker at `addr`, and what they subscribe.
    pub async fn examine_consumer_connection_info(
        &self,
        addr: &str,
        group: &str,
    ) -> Result<ConsumerConnection, CallError> {
        self.ask_body(addr, &GetConsumerConnectionListRequest { consumer_group: group.to_owned() }).await
    }

    /// All producers that are connected to the broker at `addr`.
    pub async fn all_producer_info(&self, addr: &str) -> Result<ProducerTableInfo, CallError> {
        self.ask_body(addr, &GetAllProducerInfoRequest {}).await
    }

    /// What the consumer `client_id` says of itself, asked through the broker at `addr`.
    pub async fn consumer_running_info(
        &self,
        addr: &str,
        group: &str,
        client_id: &str,
        with_threads: bool,
    ) -> Result<ConsumerRunningInfo, CallError> {
        let header = GetConsumerRunningInfoRequest {
            consumer_group: group.to_owned(),
            client_id: client_id.to_owned(),
            jstack_enable: with_threads,
        };
        self.ask_body(addr, &header).await
    }

    /// Lets the consumer `client_id` consume the message with the offset message id `message_id` once more, through
    /// the broker at `addr` that holds it.
    pub async fn consume_message_directly(
        &self,
        addr: &str,
        group: &str,
        client_id: &str,
        topic: &str,
        message_id: &str,
    ) -> Result<ConsumeMessageDirectlyResult, CallError> {
        let header = ConsumeMessageDirectlyRequest {
            consumer_group: group.to_owned(),
            client_id: Some(client_id.to_owned()),
            msg_id: Some(message_id.to_owned()),
            topic: Some(topic.to_owned()),
            ..ConsumeMessageDirectlyRequest::default()
        };
        self.ask_body(addr, &header).await
    }
}
