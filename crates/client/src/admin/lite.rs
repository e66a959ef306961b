//! What brokers are asked about lite topics.

use eruca_protocol::{
    RemotingCommand, RequestCode,
    body::{
        GetBrokerLiteInfoResponseBody, GetLiteClientInfoResponseBody, GetLiteGroupInfoResponseBody,
        GetLiteTopicInfoResponseBody, GetParentTopicInfoResponseBody,
    },
    request::{
        GetLiteClientInfoRequest, GetLiteGroupInfoRequest, GetLiteTopicInfoRequest,
        GetParentTopicInfoRequest, TriggerLiteDispatchRequest,
    },
};

use super::Admin;
use crate::CallError;

impl Admin {
    /// How many lite topics, subscriptions and so on the broker at `addr` has.
    pub async fn broker_lite_info(&self, addr: &str) -> Result<GetBrokerLiteInfoResponseBody, CallError> {
        self.ask_plain(addr, RequestCode::GET_BROKER_LITE_INFO).await
    }

    /// What the broker at `addr` has of a parent topic.
    pub async fn parent_topic_info(
        &self,
        addr: &str,
        topic: &str,
    ) -> Result<GetParentTopicInfoResponseBody, CallError> {
        self.ask_body(addr, &GetParentTopicInfoRequest { topic: topic.to_owned() }).await
    }

    /// What the broker at `addr` has of a lite topic.
    pub async fn lite_topic_info(
        &self,
        addr: &str,
        parent_topic: &str,
        lite_topic: &str,
    ) -> Result<GetLiteTopicInfoResponseBody, CallError> {
        let header = GetLiteTopicInfoRequest {
            parent_topic: parent_topic.to_owned(),
            lite_topic: lite_topic.to_owned(),
        };
        self.ask_body(addr, &header).await
    }

    /// To what a client subscribes at the broker at `addr`.
    pub async fn lite_client_info(
        &self,
        addr: &str,
        parent_topic: &str,
        group: &str,
        client_id: &str,
    ) -> Result<GetLiteClientInfoResponseBody, CallError> {
        let header = GetLiteClientInfoRequest {
            parent_topic: parent_topic.to_owned(),
            group: group.to_owned(),
            client_id: client_id.to_owned(),
            max_count: 1_000,
        };
        self.ask_body(addr, &header).await
    }

    /// How far a group is at the broker at `addr`: in one lite topic, or in all, with the `top_k` in which it is behind most.
    pub async fn lite_group_info(
        &self,
        addr: &str,
        group: &str,
        lite_topic: Option<&str>,
        top_k: i32,
    ) -> Result<GetLiteGroupInfoResponseBody, CallError> {
        let header = GetLiteGroupInfoRequest {
            group: group.to_owned(),
            lite_topic: lite_topic.map(str::to_owned),
            top_k,
        };
        self.ask_body(addr, &header).await
    }

    /// Lets the broker at `addr` look anew for what there is for a group, or one client of it.
    pub async fn trigger_lite_dispatch(
        &self,
        addr: &str,
        group: &str,
        client_id: Option<&str>,
    ) -> Result<(), CallError> {
        let header =
            TriggerLiteDispatchRequest { group: group.to_owned(), client_id: client_id.map(str::to_owned) };
        self.session.call(addr, RemotingCommand::request(&header)).await.map(drop)
    }
}
