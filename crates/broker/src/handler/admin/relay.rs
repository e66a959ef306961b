//! `GET_CONSUMER_RUNNING_INFO`, `CONSUME_MESSAGE_DIRECTLY` and `INVOKE_BROKER_TO_GET_CONSUMER_STATUS`: questions that
//! a member of a consumer group answers.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eruca_message::OffsetMessageId;
use eruca_protocol::{
    ExtFields, RemotingCommand, RequestCode, ResponseCode,
    body::{self, GetConsumerStatusBody},
    request::{
        ConsumeMessageDirectlyRequest, GetConsumerRunningInfoRequest,
        GetConsumerStatusFromClientRequest as StatusRequest,
    },
};
use eruca_remoting::{Caller, InvokeError, Reply, Responder};
use eruca_store::MessageStore;

use crate::{
    HandlerError,
    clients::{ConsumerTable, Member},
    control::Control,
    groups::GroupTable,
    settings::Settings,
    topics::TopicTable,
};

/// How long one member may take to answer for itself.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long each of several members may take; they are asked at once.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);
/// The ordinal of Java's `V3_1_8_SNAPSHOT`: older clients cannot answer for themselves.
const CALL_VERSION_MIN: i32 = 62;
/// The ordinal of Java's `V3_0_7_SNAPSHOT`: older clients do not tell their status.
const STATUS_VERSION_MIN: i32 = 28;

/// Passes questions on to members of consumer groups, and their answers back.
#[derive(Debug)]
pub(super) struct RelayHandler {
    consumers: Arc<ConsumerTable>,
    topics: Arc<TopicTable>,
    groups: Arc<GroupTable>,
    store: Arc<MessageStore>,
    settings: Arc<Settings>,
    /// Where the answers are waited for.
    control: Arc<Control>,
}

impl RelayHandler {
    /// A handler over these tables; it waits on `control`.
    pub(super) fn new(
        consumers: Arc<ConsumerTable>,
        topics: Arc<TopicTable>,
        groups: Arc<GroupTable>,
        store: Arc<MessageStore>,
        settings: Arc<Settings>,
        control: Arc<Control>,
    ) -> Self {
        RelayHandler { consumers, topics, groups, store, settings, control }
    }

    /// What a member does right now.
    pub(super) fn running_info(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        let header: GetConsumerRunningInfoRequest = request.header()?;
        let mut question = RemotingCommand::request_without_header(RequestCode::GET_CONSUMER_RUNNING_INFO);
        question.ext_fields = request.ext_fields.clone();
        self.ask(caller, request, &header.consumer_group, &header.client_id, question)
    }

    /// Has a member consume a message, given by its offset id, at once.
    pub(super) fn consume_directly(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        let header: ConsumeMessageDirectlyRequest = request.header()?;
        let record = self.record(header.msg_id.as_deref().unwrap_or_default())?;
        let mut question = RemotingCommand::request_without_header(RequestCode::CONSUME_MESSAGE_DIRECTLY);
        question.ext_fields = self.with_flags(&request.ext_fields, &header);
        question.body = record;
        let client_id = header.client_id.unwrap_or_default();
        self.ask(caller, request, &header.consumer_group, &client_id, question)
    }

    fn record(&self, message_id: &str) -> Result<bytes::Bytes, HandlerError> {
        let id: OffsetMessageId =
            message_id.parse().map_err(|error| HandlerError::system_error(format!("msgId: {error}")))?;
        match self.store.record_at(id.log_offset) {
            Ok(Some(record)) => Ok(record),
            Ok(None) => Err(HandlerError::system_error(format!(
                "message {message_id} is not in the log of this broker: it expired or another broker has it"
            ))),
            Err(error) => Err(HandlerError::system_error(error.to_string())),
        }
    }

    /// The fields of the request, and what a member cannot know.
    fn with_flags(&self, fields: &ExtFields, header: &ConsumeMessageDirectlyRequest) -> ExtFields {
        let mut fields = fields.clone();
        // The last one of a name counts.
        fields.push("brokerName", &self.settings.now().broker_name);
        if let Some(topic) = header.topic.as_deref().and_then(|topic| self.topics.get(topic)) {
            fields.push_display("topicSysFlag", topic.topic_sys_flag);
        }
        if let Some(group) = self.groups.get(&header.consumer_group) {
            fields.push_display("groupSysFlag", group.group_sys_flag);
        }
        fields
    }

    /// Asks one member; its answer is the answer.
    fn ask(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
        group: &str,
        client_id: &str,
        question: RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        let member = self.consumers.member(group, client_id).ok_or_else(|| {
            HandlerError::system_error(format!("The Consumer <{group}> <{client_id}> not online"))
        })?;
        if member.client.version < CALL_VERSION_MIN {
            return Err(HandlerError::system_error(format!(
                "The Consumer <{client_id}> Version <{}> too low to finish, please upgrade it to V3_1_8_SNAPSHOT",
                member.client.version
            )));
        }
        let responder = caller.responder(request);
        let silent = request.reply(ResponseCode::SUCCESS);
        let who = format!("<{group}> <{client_id}>");
        self.control.spawn("relay to a consumer", async move {
            let answer = member.caller.invoke(question, CALL_TIMEOUT).await;
            responder.send(answer.unwrap_or_else(|error| failed(silent, &who, &error)));
        });
        Ok(Reply::Later)
    }

    /// Where the members of a group are in a topic, by their own account; those that do not answer are left out.
    pub(super) fn consumer_status(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        let StatusRequest { topic, group, client_addr } = request.header()?;
        let mut members = self.consumers.group(&group).map(|view| view.members).unwrap_or_default();
        if members.is_empty() {
            return Err(HandlerError::system_error(format!(
                "No Any Consumer online in the consumer group: [{group}]"
            )));
        }
        // Called an address, but it is a client id.
        if let Some(client_id) = client_addr.filter(|id| !id.trim().is_empty()) {
            members.retain(|member| *member.client.client_id == *client_id);
        }
        if let Some(old) = members.iter().find(|member| member.client.version < STATUS_VERSION_MIN) {
            return Err(HandlerError::system_error(format!(
                "the client does not support this feature. version={}",
                old.client.version
            )));
        }
        let question = RemotingCommand::request(&StatusRequest { topic, group, client_addr: None });
        let statuses = Arc::new(Statuses {
            reply: Some((caller.responder(request), request.reply(ResponseCode::SUCCESS))),
            gathered: Mutex::default(),
        });
        for member in members {
            let (statuses, question) = (Arc::clone(&statuses), question.clone());
            self.control.spawn("status of a consumer", async move {
                statuses.ask(&member, question).await;
            });
        }
        Ok(Reply::Later)
    }
}

/// What a member that gave no answer is answered for.
fn failed(mut reply: RemotingCommand, who: &str, error: &InvokeError) -> RemotingCommand {
    let (code, remark) = match error {
        InvokeError::Timeout { .. } => {
            (ResponseCode::CONSUME_MSG_TIMEOUT, format!("consumer {who} Timeout: {error}"))
        }
        _ => (ResponseCode::SYSTEM_ERROR, format!("invoke consumer {who} Exception: {error}")),
    };
    reply.code = code.0;
    reply.with_remark(remark)
}

/// What members said of themselves; answered when the last one was asked.
#[derive(Debug)]
struct Statuses {
    reply: Option<(Responder, RemotingCommand)>,
    gathered: Mutex<GetConsumerStatusBody>,
}

impl Statuses {
    async fn ask(&self, member: &Member, question: RemotingCommand) {
        let client_id = &member.client.client_id;
        let answer = match member.caller.invoke(question, STATUS_TIMEOUT).await {
            Ok(answer) if answer.response_code() == ResponseCode::SUCCESS => answer,
            Ok(answer) => {
                tracing::warn!(%client_id, code = answer.code, remark = answer.remark, "consumer told no status");
                return;
            }
            Err(error) => {
                tracing::warn!(%client_id, %error, "consumer told no status");
                return;
            }
        };
        match body::from_json::<GetConsumerStatusBody>(&answer.body) {
            Ok(status) => {
                let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
                gathered.consumer_table.insert(client_id.to_string(), status.message_queue_table);
            }
            Err(error) => tracing::warn!(%client_id, %error, "status of a consumer not understood"),
        }
    }
}

impl Drop for Statuses {
    fn drop(&mut self) {
        if let Some((responder, reply)) = self.reply.take() {
            let gathered = self.gathered.get_mut().unwrap_or_else(PoisonError::into_inner);
            responder.send(reply.with_body(body::to_json(gathered)));
        }
    }
}

#[cfg(test)]
#[path = "relay_test.rs"]
mod tests;
