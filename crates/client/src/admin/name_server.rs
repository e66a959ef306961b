//! What name servers are asked.

use std::collections::BTreeMap;

use eruca_protocol::{
    RemotingCommand, RequestCode, RequestHeader, ResponseCode,
    body::{ClusterInfo, KVTable, TopicList, TopicRouteData},
    request::{
        AddWritePermOfBrokerRequest, AddWritePermOfBrokerResponse, DeleteKvConfigRequest,
        DeleteTopicInNamesrvRequest, GetKvConfigRequest, GetKvConfigResponse, GetKvlistByNamespaceRequest,
        GetTopicsByClusterRequest, PutKvConfigRequest, WipeWritePermOfBrokerRequest,
        WipeWritePermOfBrokerResponse,
    },
};

use super::{Admin, BrokerConfigText};
use crate::CallError;

impl Admin {
    /// The route of `topic`; [`CallError::TopicUnknown`] where there is none.
    pub async fn examine_topic_route_info(&self, topic: &str) -> Result<TopicRouteData, CallError> {
        self.session.fetch_route_data(topic).await
    }

    /// All topics that brokers registered.
    pub async fn fetch_all_topic_list(&self) -> Result<TopicList, CallError> {
        let code = RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER;
        self.session.call_name_server(RemotingCommand::request_without_header(code)).await?.body()
    }

    /// All topics that brokers of `cluster` registered.
    pub async fn fetch_topics_by_cluster(&self, cluster: &str) -> Result<TopicList, CallError> {
        let header = GetTopicsByClusterRequest { cluster: cluster.to_owned() };
        self.session.call_name_server(RemotingCommand::request(&header)).await?.body()
    }

    /// All clusters and brokers.
    pub async fn examine_broker_cluster_info(&self) -> Result<ClusterInfo, CallError> {
        let code = RequestCode::GET_BROKER_CLUSTER_INFO;
        self.session.call_name_server(RemotingCommand::request_without_header(code)).await?.body()
    }

    /// Removes the routes of `topic` on the name servers at `addrs`, of all clusters or only of `cluster`; without
    /// addresses, on all name servers. Stops at the first that fails.
    pub async fn delete_topic_in_name_server(
        &self,
        addrs: &[String],
        cluster: Option<&str>,
        topic: &str,
    ) -> Result<(), CallError> {
        let header =
            DeleteTopicInNamesrvRequest { topic: topic.to_owned(), cluster_name: cluster.map(str::to_owned) };
        for addr in self.these_or_all(addrs) {
            self.ask(&addr, &header).await?;
        }
        Ok(())
    }

    /// The value of `key`; `None` where there is none.
    pub async fn kv_config(&self, namespace: &str, key: &str) -> Result<Option<String>, CallError> {
        let header = GetKvConfigRequest { namespace: namespace.to_owned(), key: key.to_owned() };
        match self.session.call_name_server(RemotingCommand::request(&header)).await {
            Ok(answer) => Ok(answer.header::<GetKvConfigResponse>()?.value),
            Err(CallError::Refused { code: ResponseCode::QUERY_NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All keys and values of `namespace`; empty where there are none.
    pub async fn kv_list_by_namespace(&self, namespace: &str) -> Result<BTreeMap<String, String>, CallError> {
        let header = GetKvlistByNamespaceRequest { namespace: namespace.to_owned() };
        match self.session.call_name_server(RemotingCommand::request(&header)).await {
            Ok(answer) => Ok(answer.body::<KVTable>()?.table),
            Err(CallError::Refused { code: ResponseCode::QUERY_NOT_FOUND, .. }) => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    /// Sets `key` on every name server. Stops at the first that fails.
    pub async fn create_and_update_kv_config(
        &self,
        namespace: &str,
        key: &str,
        value: &str,
    ) -> Result<(), CallError> {
        let header = PutKvConfigRequest {
            namespace: namespace.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        };
        self.tell_all_name_servers(&header).await
    }

    /// Deletes `key` on every name server. Stops at the first that fails.
    pub async fn delete_kv_config(&self, namespace: &str, key: &str) -> Result<(), CallError> {
        let header = DeleteKvConfigRequest { namespace: namespace.to_owned(), key: key.to_owned() };
        self.tell_all_name_servers(&header).await
    }

    async fn tell_all_name_servers<H: RequestHeader>(&self, header: &H) -> Result<(), CallError> {
        for addr in self.name_server_addresses() {
            self.ask(&addr, header).await?;
        }
        Ok(())
    }

    /// Takes the write permission of all queues of `broker_name` from the routes of the name server at `addr`; how
    /// many topics that changed.
    pub async fn wipe_write_perm_of_broker(&self, addr: &str, broker_name: &str) -> Result<i32, CallError> {
        let header = WipeWritePermOfBrokerRequest { broker_name: broker_name.to_owned() };
        let answer: WipeWritePermOfBrokerResponse = self.ask_header(addr, &header).await?;
        Ok(answer.wipe_topic_count)
    }

    /// Gives it back; how many topics that changed.
    pub async fn add_write_perm_of_broker(&self, addr: &str, broker_name: &str) -> Result<i32, CallError> {
        let header = AddWritePermOfBrokerRequest { broker_name: broker_name.to_owned() };
        let answer: AddWritePermOfBrokerResponse = self.ask_header(addr, &header).await?;
        Ok(answer.add_topic_count)
    }

    /// The configuration of the name server at `addr`.
    pub async fn name_server_config(&self, addr: &str) -> Result<BrokerConfigText, CallError> {
        self.config_text(addr, RequestCode::GET_NAMESRV_CONFIG).await
    }

    /// Changes settings of the name servers at `addrs`; without addresses, of all. Stops at the first that fails.
    pub async fn update_name_server_config(
        &self,
        addrs: &[String],
        properties: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        for addr in self.these_or_all(addrs) {
            self.update_config_text(&addr, RequestCode::UPDATE_NAMESRV_CONFIG, properties).await?;
        }
        Ok(())
    }

    /// `addrs`, or all name servers where there are none.
    fn these_or_all(&self, addrs: &[String]) -> Vec<String> {
        if addrs.is_empty() { self.name_server_addresses() } else { addrs.to_vec() }
    }
}
