//! Lists of topics.

use std::{collections::BTreeSet, sync::Arc};

use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, TopicList},
    request::GetTopicsByClusterRequest,
};

use super::answer::{Answer, Refusal};
use crate::{
    namesrv::{SharedKeys, SharedRoutes, read},
    routes::UnitTopics,
};

pub(crate) struct TopicListHandler {
    pub(crate) routes: SharedRoutes,
    pub(crate) keys: SharedKeys,
}

impl TopicListHandler {
    pub(crate) fn handle(&self, request: &RemotingCommand) -> Answer {
        let keys = Arc::clone(&read(&self.keys));
        let is_enabled = match request.request_code() {
            RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => keys.enable_all_topic_list,
            RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS => true,
            _ => keys.enable_topic_list,
        };
        if !is_enabled {
            return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "disable"));
        }
        let routes = read(&self.routes);
        let (topics, broker_addr) = match request.request_code() {
            RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => (routes.topics(), None),
            RequestCode::GET_TOPICS_BY_CLUSTER => {
                let header: GetTopicsByClusterRequest = request.header()?;
                (routes.topics_of_cluster(&header.cluster), None)
            }
            RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS => routes.system_topics(),
            RequestCode::GET_UNIT_TOPIC_LIST => (routes.unit_topics(UnitTopics::Unit), None),
            RequestCode::GET_HAS_UNIT_SUB_TOPIC_LIST => (routes.unit_topics(UnitTopics::UnitSub), None),
            _ => (routes.unit_topics(UnitTopics::UnitSubOnly), None),
        };
        drop(routes);
        Ok(reply(request, topics, broker_addr))
    }
}

fn reply(
    request: &RemotingCommand,
    topics: BTreeSet<String>,
    broker_addr: Option<String>,
) -> RemotingCommand {
    let list = TopicList { topic_list: topics.into_iter().collect(), broker_addr };
    request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&list))
}
