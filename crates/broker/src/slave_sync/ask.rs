//! The requests to another broker of the group, and what it answers: to the master of a slave, or a slave of a master that comes back.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{
        self, ConsumerOffsetSerializeWrapper, DataVersion, DelayOffsetSerializeWrapper, KVTable,
        MessageRequestModeSerializeWrapper, SubscriptionGroupConfig, SubscriptionGroupWrapper, TopicConfig,
        TopicConfigAndMappingSerializeWrapper,
    },
    decode_field,
    request::{
        ExchangeHaInfoRequest, ExchangeHaInfoResponse, GetAllSubscriptiongroupConfigRequest,
        GetAllTopicConfigRequest, QueryConsumerOffsetRequest, QueryConsumerOffsetResponse,
        UpdateConsumerOffsetRequest, ViewMessageByIdRequest,
    },
};
use eruca_remoting::{Client, ClientConfig, InvokeError};

use super::tables::Progress;
use crate::offsets::OwnOffset;

/// One answer may take so long; a table of a hundred thousand topics does not take a tenth of it.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Entries of a page. Masters before 5.3 know no pages, and answer with everything.
const PAGE: i32 = 2_000;
/// A table that changes while it is read is begun anew so often.
const RESTARTS_MAX: usize = 5;

/// Why it did not tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    #[error("{addr} refused {what}: {code} {remark}")]
    Refused { addr: String, what: &'static str, code: ResponseCode, remark: String },
    #[error("{addr} answered {what} with what cannot be read: {reason}")]
    Unreadable { addr: String, what: &'static str, reason: String },
    #[error("{what} of {addr} changed while it was read, {RESTARTS_MAX} times")]
    Restless { addr: String, what: &'static str },
}

/// The broker at an address.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) client: Client,
    pub(crate) addr: String,
}

/// A table that comes in pages.
struct Pages<T> {
    entries: BTreeMap<String, T>,
    version: DataVersion,
}

impl Member {
    /// With a client of its own, which its user closes.
    pub(crate) fn at(addr: String) -> Self {
        let config = ClientConfig { name: "slave", ..ClientConfig::default() };
        Member { client: Client::new(config, None), addr }
    }

    /// Ends the connection. Nothing can be asked any more.
    pub(crate) fn close(&self) {
        self.client.close();
    }

    /// Tells it where this master's log is copied from, and may ask it to stand in for it no more.
    pub(crate) async fn exchange(
        &self,
        header: &ExchangeHaInfoRequest,
    ) -> Result<ExchangeHaInfoResponse, AskError> {
        const WHAT: &str = "who it is told the master is";
        let answer = self.ask(WHAT, RemotingCommand::request(header)).await?;
        answer.header().map_err(|error| self.unreadable(WHAT, error.to_string()))
    }

    /// Returns when the connection to the master ends; at once where there is none.
    pub(super) async fn lost(&self) {
        if let Ok(connection) = self.client.connect(&self.addr, TIMEOUT).await {
            connection.closed().await;
        }
    }

    async fn ask(&self, what: &'static str, request: RemotingCommand) -> Result<RemotingCommand, AskError> {
        let answer = self.client.invoke(&self.addr, request, TIMEOUT).await?;
        match answer.response_code() {
            ResponseCode::SUCCESS => Ok(answer),
            code => Err(AskError::Refused {
                addr: self.addr.clone(),
                what,
                code,
                remark: answer.remark.unwrap_or_default(),
            }),
        }
    }

    fn read<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        answer: &RemotingCommand,
    ) -> Result<T, AskError> {
        body::from_json(&answer.body).map_err(|error| self.unreadable(what, error.to_string()))
    }

    fn unreadable(&self, what: &'static str, reason: String) -> AskError {
        AskError::Unreadable { addr: self.addr.clone(), what, reason }
    }

    async fn ask_json<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        code: RequestCode,
    ) -> Result<T, AskError> {
        let answer = self.ask(what, RemotingCommand::request_without_header(code)).await?;
        self.read(what, &answer)
    }

    /// All topics, and the version of the table.
    pub(super) async fn topics(&self) -> Result<(BTreeMap<String, TopicConfig>, DataVersion), AskError> {
        const WHAT: &str = "the topics";
        let request = |from, version| {
            RemotingCommand::request(&GetAllTopicConfigRequest {
                topic_seq: from,
                data_version: Some(version),
                max_topic_num: Some(PAGE),
            })
        };
        let read = |answer: &RemotingCommand| {
            let table: TopicConfigAndMappingSerializeWrapper = self.read(WHAT, answer)?;
            Ok(Pages { entries: table.topic_config_table, version: table.data_version })
        };
        let pages = self.pages(WHAT, "totalTopicNum", request, read).await?;
        Ok((pages.entries, pages.version))
    }

    /// All groups.
    pub(super) async fn groups(&self) -> Result<SubscriptionGroupWrapper, AskError> {
        const WHAT: &str = "the consumer groups";
        let request = |from, version| {
            RemotingCommand::request(&GetAllSubscriptiongroupConfigRequest {
                group_seq: from,
                data_version: Some(version),
                max_group_num: Some(PAGE),
            })
        };
        let mut forbidden = BTreeMap::new();
        let read = |answer: &RemotingCommand| {
            let table: SubscriptionGroupWrapper = self.read(WHAT, answer)?;
            forbidden.extend(table.forbidden_table.unwrap_or_default());
            Ok(Pages { entries: table.subscription_group_table, version: table.data_version })
        };
        let pages: Pages<SubscriptionGroupConfig> = self.pages(WHAT, "totalGroupNum", request, read).await?;
        Ok(SubscriptionGroupWrapper {
            data_version: pages.version,
            forbidden_table: Some(forbidden),
            subscription_group_table: pages.entries,
        })
    }

    async fn pages<T>(
        &self,
        what: &'static str,
        total_field: &'static str,
        request: impl Fn(i32, String) -> RemotingCommand,
        mut read: impl FnMut(&RemotingCommand) -> Result<Pages<T>, AskError>,
    ) -> Result<Pages<T>, AskError> {
        for _ in 0..RESTARTS_MAX {
            let mut whole: Option<Pages<T>> = None;
            loop {
                let from = whole.as_ref().map_or(0, |whole| whole.entries.len());
                let version = whole.as_ref().map(|whole| body::to_json(&whole.version)).unwrap_or_default();
                let version = String::from_utf8_lossy(&version).into_owned();
                let answer =
                    self.ask(what, request(i32::try_from(from).unwrap_or(i32::MAX), version)).await?;
                let page = read(&answer)?;
                let total: Option<i32> = decode_field(&answer.ext_fields, total_field)
                    .map_err(|error| self.unreadable(what, error.to_string()))?;
                let is_end = page.entries.is_empty();
                let whole = match &mut whole {
                    Some(whole) if whole.version != page.version => break,
                    Some(whole) => {
                        whole.entries.extend(page.entries);
                        whole
                    }
                    None => whole.insert(page),
                };
                // Without a total it was everything.
                let total = total.map_or(0, |total| usize::try_from(total).unwrap_or(0));
                if is_end || whole.entries.len() >= total {
                    let empty = Pages { entries: BTreeMap::new(), version: whole.version };
                    return Ok(std::mem::replace(whole, empty));
                }
            }
        }
        Err(AskError::Restless { addr: self.addr.clone(), what })
    }

    /// Which groups pop.
    pub(super) async fn request_modes(&self) -> Result<MessageRequestModeSerializeWrapper, AskError> {
        self.ask_json("the request modes", RequestCode::GET_ALL_MESSAGE_REQUEST_MODE).await
    }

    /// How far consumers, delay levels and timers are, and the end of a log that has all of that.
    pub(crate) async fn progress(&self, with_timers: bool) -> Result<Progress, AskError> {
        let offsets: ConsumerOffsetSerializeWrapper =
            self.ask_json("the consumer offsets", RequestCode::GET_ALL_CONSUMER_OFFSET).await?;
        let mut consumers = offsets.offset_table;
        for (key, offset) in offsets.lmq_offset_table.unwrap_or_default() {
            consumers.entry(key).or_default().insert(0, offset);
        }
        let delay: DelayOffsetSerializeWrapper =
            self.ask_json("the delay offsets", RequestCode::GET_ALL_DELAY_OFFSET).await?;
        let timers = if with_timers { self.timers().await? } else { None };
        let log_end = self.log_end().await?;
        Ok(Progress { consumers: Some(consumers), delay: Some(delay.offset_table), timers, log_end })
    }

    /// How far the timers are alone.
    pub(super) async fn timer_progress(&self) -> Result<Progress, AskError> {
        let timers = self.timers().await?;
        Ok(Progress { consumers: None, delay: None, timers, log_end: self.log_end().await? })
    }

    /// `None` where the master has no timers.
    async fn timers(&self) -> Result<Option<Bytes>, AskError> {
        const WHAT: &str = "the timer check point";
        let request = RemotingCommand::request_without_header(RequestCode::GET_TIMER_CHECK_POINT);
        match self.ask(WHAT, request).await {
            Ok(answer) => Ok(Some(answer.body)),
            // timerWheelEnable=false, or a master before 5.0.
            Err(AskError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the master's log ends.
    async fn log_end(&self) -> Result<u64, AskError> {
        Ok(self.log_range().await?.1)
    }

    /// Where the master's log begins and ends.
    pub(crate) async fn log_range(&self) -> Result<(u64, u64), AskError> {
        const WHAT: &str = "its runtime information";
        let info: KVTable = self.ask_json(WHAT, RequestCode::GET_BROKER_RUNTIME_INFO).await?;
        let value = |key: &str| {
            let value = info.table.get(key).and_then(|text| text.parse().ok());
            value.ok_or_else(|| self.unreadable(WHAT, format!("there is no {key} in it")))
        };
        Ok((value("commitLogMinOffset")?, value("commitLogMaxOffset")?))
    }

    /// The record of a message that lies at an offset of the master's log.
    pub(crate) async fn record(&self, offset: u64) -> Result<Bytes, AskError> {
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        let request = RemotingCommand::request(&ViewMessageByIdRequest { topic: None, offset });
        Ok(self.ask("the first message of its log", request).await?.body)
    }

    /// Tells the master an offset that a consumer brought to the slave. False where it does not take it, or is as far: since it was
    /// asked for its offsets the log had to be awaited, and the group went on. A group that began here, of which it never heard, is
    /// made there as its first consumer would make it.
    pub(super) async fn bring(&self, own: &OwnOffset, may_create: bool) -> Result<bool, AskError> {
        if self.committed(own).await?.is_some_and(|committed| committed >= own.offset) {
            return Ok(false);
        }
        match self.tell(own).await? {
            ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST if may_create => {}
            code => return Ok(code == ResponseCode::SUCCESS),
        }
        let group = SubscriptionGroupConfig { group_name: own.group.clone(), ..Default::default() };
        let code = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
        let request = RemotingCommand::request_without_header(code).with_body(body::to_json(&group));
        match self.ask("a consumer group", request).await {
            Ok(_) => Ok(self.tell(own).await? == ResponseCode::SUCCESS),
            Err(AskError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where the group is at the master now; `None` where it never was.
    async fn committed(&self, own: &OwnOffset) -> Result<Option<i64>, AskError> {
        const WHAT: &str = "a consumer's offset";
        let request = RemotingCommand::request(&QueryConsumerOffsetRequest {
            consumer_group: own.group.clone(),
            topic: own.topic.clone(),
            queue_id: own.queue_id,
            set_zero_if_not_found: Some(false),
        });
        match self.ask(WHAT, request).await {
            Ok(answer) => {
                let header: Result<QueryConsumerOffsetResponse, _> = answer.header();
                header
                    .map(|header| Some(header.offset))
                    .map_err(|error| self.unreadable(WHAT, error.to_string()))
            }
            // QUERY_NOT_FOUND, or a group or topic that it does not know.
            Err(AskError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn tell(&self, own: &OwnOffset) -> Result<ResponseCode, AskError> {
        let request = RemotingCommand::request(&UpdateConsumerOffsetRequest {
            consumer_group: own.group.clone(),
            topic: own.topic.clone(),
            queue_id: own.queue_id,
            commit_offset: own.offset,
        });
        match self.ask("a consumer's offset", request).await {
            Ok(_) => Ok(ResponseCode::SUCCESS),
            Err(AskError::Refused { code, .. }) => Ok(code),
            Err(error) => Err(error),
        }
    }
}
