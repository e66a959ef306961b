//! Topics: made, changed, deleted, listed.

use std::sync::Arc;

use eruca_message::names::{NameError, is_lmq, is_system_topic, validate_topic};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{
        self, CreateTopicListRequestBody, TopicConfig, TopicConfigAndMappingSerializeWrapper,
        TopicConfigAndQueueMapping, TopicFilterType, TopicList,
    },
    request::{
        DeleteTopicInBrokerRequest, GetAllTopicConfigResponse, GetTopicConfigRequest,
        UpdateAndCreateTopicRequest,
    },
};
use eruca_remoting::Reply;
use eruca_store::MessageStore;

use super::attributes::{TOPIC_ATTRIBUTES, apply_changes, parse_changes};
use crate::{
    HandlerError,
    lite::LiteQueues,
    offsets::OffsetTable,
    settings::Settings,
    stats::BrokerStats,
    topics::{QUEUE_TYPE, TopicTable, reply_topic},
};

/// Most queues of a topic.
const QUEUES_MAX: i32 = 65_536;
/// Most topics or groups of one page; Java's `splitMetadataSize`.
pub(super) const PAGE_MAX: usize = 2_000;

/// Administrates topics.
#[derive(Debug)]
pub(super) struct TopicAdmin {
    pub(super) store: Arc<MessageStore>,
    pub(super) topics: Arc<TopicTable>,
    pub(super) offsets: Arc<OffsetTable>,
    pub(super) settings: Arc<Settings>,
    pub(super) stats: Arc<BrokerStats>,
    pub(super) lite_queues: LiteQueues,
}

impl TopicAdmin {
    /// `UPDATE_AND_CREATE_TOPIC`.
    pub(super) fn update(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: UpdateAndCreateTopicRequest = request.header()?;
        let topic_filter_type: TopicFilterType = header
            .topic_filter_type
            .parse()
            .map_err(|error: body::UnknownName| HandlerError::invalid_parameter(error.to_string()))?;
        let config = TopicConfig {
            topic_name: header.topic,
            read_queue_nums: header.read_queue_nums,
            write_queue_nums: header.write_queue_nums,
            perm: header.perm,
            topic_filter_type,
            topic_sys_flag: header.topic_sys_flag.unwrap_or(0),
            order: header.order,
            attributes: parse_changes(header.attributes.as_deref().unwrap_or_default())?,
        };
        self.put(self.checked(config)?)?;
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// `UPDATE_AND_CREATE_TOPIC_LIST`: all of them, or with an error none.
    pub(super) fn update_list(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let content: CreateTopicListRequestBody = body::from_json(&request.body)?;
        let configs: Vec<TopicConfig> = content
            .topic_config_list
            .into_iter()
            .map(|config| self.checked(config))
            .collect::<Result<_, _>>()?;
        configs.into_iter().try_for_each(|config| self.put(config))?;
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    fn put(&self, config: TopicConfig) -> Result<(), HandlerError> {
        tracing::info!(
            topic = config.topic_name,
            reads = config.read_queue_nums,
            writes = config.write_queue_nums,
            perm = config.perm,
            "topic set by an administrator"
        );
        Ok(self.topics.put(config)?)
    }

    /// The configuration as it will be, with its attributes' changes applied.
    fn checked(&self, config: TopicConfig) -> Result<TopicConfig, HandlerError> {
        let topic = &config.topic_name;
        validate_topic(topic).map_err(|error| bad_name(topic, error))?;
        self.refuse_system(topic)?;
        let in_range = |name: &str, value: i32, max: i32| match (0..=max).contains(&value) {
            true => Ok(()),
            false => Err(HandlerError::invalid_parameter(format!(
                "topic {topic}: {name} is {value}, it must be from 0 to {max}"
            ))),
        };
        in_range("readQueueNums", config.read_queue_nums, QUEUES_MAX)?;
        in_range("writeQueueNums", config.write_queue_nums, QUEUES_MAX)?;
        in_range("perm", config.perm, 7)?;
        let known = self.topics.get(topic).map(|known| known.attributes.clone()).unwrap_or_default();
        let attributes = apply_changes(&known, &config.attributes, TOPIC_ATTRIBUTES)?;
        // As in Java: the messages that are there would be lost to consumers.
        if self.topics.contains(topic) && attributes.get(QUEUE_TYPE) != known.get(QUEUE_TYPE) {
            return Err(HandlerError::invalid_parameter(format!(
                "attempt to update an unchangeable attribute. key: {QUEUE_TYPE}; topic {topic} is there already, delete it first"
            )));
        }
        Ok(TopicConfig { attributes, ..config })
    }

    fn refuse_system(&self, topic: &str) -> Result<(), HandlerError> {
        let settings = self.settings.now();
        if settings.validate_system_topic_when_update_topic && is_system_topic(topic) {
            return Err(HandlerError::invalid_parameter(format!(
                "The topic[{topic}] is conflict with system topic."
            )));
        }
        Ok(())
    }

    /// `DELETE_TOPIC_IN_BROKER`: the topic, its queues, and what groups committed in it. A topic that is not there is
    /// deleted already.
    pub(super) fn delete(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let DeleteTopicInBrokerRequest { topic } = request.header()?;
        if topic.trim().is_empty() {
            return Err(HandlerError::invalid_parameter("The specified topic is blank."));
        }
        self.refuse_system(&topic)?;
        // First nobody can send to it any more, then its queues go.
        let was_there = self.topics.delete(&topic)?;
        self.offsets.delete_topic(&topic);
        self.delete_queues(&topic)?;
        // Whatever kind of topic it was when they were sent to.
        self.lite_queues
            .delete_all_of(&topic)
            .map_err(|error| HandlerError::system_error(error.to_string()))?;
        self.stats.delete_topic(&topic);
        tracing::info!(topic, was_there, "topic deleted by an administrator");
        Ok(Reply::AfterSettle(request.reply(ResponseCode::SUCCESS)))
    }

    fn delete_queues(&self, topic: &str) -> Result<bool, HandlerError> {
        self.store.delete_topic(topic).map_err(|error| HandlerError::system_error(error.to_string()))
    }

    /// `CLEAN_UNUSED_TOPIC`: removes the queues of topics that are not there any more. Light message queues are no topics,
    /// and stay.
    pub(super) fn clean_unused(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        for (topic, _) in self.store.topics_with_queues() {
            if !self.topics.contains(&topic) && !is_system_topic(&topic) && !is_lmq(&topic) {
                tracing::info!(topic, "queues of a topic that is not there any more are removed");
                self.delete_queues(&topic)?;
            }
        }
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// `GET_TOPIC_CONFIG`.
    pub(super) fn config(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let GetTopicConfigRequest { topic } = request.header()?;
        let config = self.topics.get(&topic).ok_or_else(|| {
            let remark = format!("No topic in this broker. topic: {topic}");
            HandlerError::new(ResponseCode::TOPIC_NOT_EXIST, remark)
        })?;
        let config = (*config).clone();
        let content = TopicConfigAndQueueMapping {
            attributes: config.attributes,
            mapping_detail: None,
            order: config.order,
            perm: config.perm,
            read_queue_nums: config.read_queue_nums,
            topic_filter_type: config.topic_filter_type,
            topic_name: config.topic_name,
            topic_sys_flag: config.topic_sys_flag,
            write_queue_nums: config.write_queue_nums,
        };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    /// `GET_ALL_TOPIC_CONFIG`: all topics, or one page of them where a page is asked for (since 5.5).
    pub(super) fn all(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let snapshot = self.topics.snapshot();
        let total = snapshot.topic_config_table.len();
        let page = Page::asked(request, "topicSeq", "maxTopicNum", &snapshot.data_version)?;
        let content = TopicConfigAndMappingSerializeWrapper {
            topic_config_table: page.of(snapshot.topic_config_table).collect(),
            data_version: snapshot.data_version,
            ..TopicConfigAndMappingSerializeWrapper::default()
        };
        let header = GetAllTopicConfigResponse { total_topic_num: i32::try_from(total).ok() };
        Ok(Reply::Now(request.reply_with(&header).with_body(body::to_json(&content))))
    }

    /// `GET_SYSTEM_TOPIC_LIST_FROM_BROKER`.
    pub(super) fn system_topics(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let settings = self.settings.now();
        let reply = reply_topic(&settings.broker_cluster_name);
        let own = [&settings.broker_cluster_name, &settings.broker_name, &reply];
        let all = self.topics.snapshot().topic_config_table.into_keys();
        let system = all.filter(|topic| is_system_topic(topic) || own.contains(&topic));
        let content = TopicList { topic_list: system.collect(), broker_addr: None };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }
}

/// In Java's words.
fn bad_name(topic: &str, error: NameError) -> HandlerError {
    HandlerError::invalid_parameter(match error {
        NameError::Empty { .. } => "The specified topic is blank.".to_owned(),
        NameError::BadCharacter { .. } => {
            format!(
                "The specified topic: {topic}, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
            )
        }
        NameError::TooLong { .. } => error.to_string(),
    })
}

/// Which part of a table an answer has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    from: usize,
    count: usize,
}

impl Page {
    /// The page that `request` asks for; everything where it asks for none. A page of a table that changed meanwhile is
    /// the first one.
    pub(super) fn asked(
        request: &RemotingCommand,
        from_field: &'static str,
        count_field: &'static str,
        version: &body::DataVersion,
    ) -> Result<Page, HandlerError> {
        let number = |field| eruca_protocol::decode_field::<Option<i32>>(&request.ext_fields, field);
        let (from, count) = (number(from_field)?, number(count_field)?);
        let asked_version = request.ext_fields.get("dataVersion");
        if from.is_none() && count.is_none() && asked_version.is_none() {
            return Ok(Page { from: 0, count: usize::MAX });
        }
        let known = asked_version.and_then(|text| body::from_json::<body::DataVersion>(text.as_bytes()).ok());
        let from = from.filter(|_| known.as_ref() == Some(version)).unwrap_or(0);
        let count = count.map_or(PAGE_MAX, |count| usize::try_from(count).unwrap_or(0)).min(PAGE_MAX);
        Ok(Page { from: usize::try_from(from).unwrap_or(0), count })
    }

    pub(super) fn of<T>(self, entries: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        entries.into_iter().skip(self.from).take(self.count)
    }
}

#[cfg(test)]
#[path = "topic_test.rs"]
mod tests;
