//! `QUERY_ASSIGNMENT` and `SET_MESSAGE_REQUEST_MODE`: the broker shares queues among the members of a group, and says
//! whether they pull or pop.

use std::sync::Arc;

use eruca_message::{
    MessageQueue,
    names::{is_lmq, is_retry_topic},
};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{
        self, MessageModel, MessageQueueAssignment, QueryAssignmentRequestBody, QueryAssignmentResponseBody,
        SetMessageRequestModeRequestBody,
    },
};
use eruca_remoting::{Caller, Reply};

use crate::{
    HandlerError,
    assignment::{ClusterQueues, Known, MessageRequestModes, Share, share},
    clients::{ConsumerIdsNotice, ConsumerTable},
    control::Control,
    groups::GroupTable,
    settings::Settings,
    topics::TopicTable,
};

/// Shares queues (Java: `QueryAssignmentProcessor`).
#[derive(Debug)]
pub struct AssignmentHandler {
    topics: Arc<TopicTable>,
    groups: Arc<GroupTable>,
    consumers: Arc<ConsumerTable>,
    notice: Arc<ConsumerIdsNotice>,
    settings: Arc<Settings>,
    modes: Arc<MessageRequestModes>,
    queues: Arc<ClusterQueues>,
    control: Arc<Control>,
}

impl AssignmentHandler {
    /// A handler; name servers are asked on `control`.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the broker that assignments need")]
    pub fn new(
        topics: Arc<TopicTable>,
        groups: Arc<GroupTable>,
        consumers: Arc<ConsumerTable>,
        notice: Arc<ConsumerIdsNotice>,
        settings: Arc<Settings>,
        modes: Arc<MessageRequestModes>,
        queues: Arc<ClusterQueues>,
        control: Arc<Control>,
    ) -> Arc<Self> {
        Arc::new(AssignmentHandler { topics, groups, consumers, notice, settings, modes, queues, control })
    }

    /// Answers with the queues of a member. Where it cannot be said, as in Java with none at all, and with a remark:
    /// the member keeps what it has.
    ///
    /// # Errors
    /// The body is no request.
    pub fn query(
        self: &Arc<Self>,
        caller: &Caller,
        request: &RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        let asked: QueryAssignmentRequestBody = body::from_json(&request.body)?;
        if is_lmq(&asked.topic) {
            let broker_name = self.settings.now().broker_name.clone();
            let queues = vec![MessageQueue::new(asked.topic.as_str(), broker_name, 0)];
            return Ok(Reply::Now(self.answer(request, &asked, Ok(queues))));
        }
        match self.queues.known(&asked.topic) {
            Known::Queues(queues) => Ok(Reply::Now(self.answer(request, &asked, Ok(queues)))),
            Known::Stale(queues) => {
                self.queues.refresh(&asked.topic, &self.control);
                Ok(Reply::Now(self.answer(request, &asked, Ok(queues))))
            }
            Known::Nothing => {
                let (handler, responder, request) =
                    (self.clone(), caller.responder(request), request.clone());
                self.control.spawn("route", async move {
                    let queues = handler.queues.ask(&asked.topic).await.map_err(|error| error.to_string());
                    responder.send(handler.answer(&request, &asked, queues));
                });
                Ok(Reply::Later)
            }
        }
    }

    fn answer(
        &self,
        request: &RemotingCommand,
        asked: &QueryAssignmentRequestBody,
        queues: Result<Vec<MessageQueue>, String>,
    ) -> RemotingCommand {
        let config = self.settings.now();
        let mode = self.modes.of(
            &asked.topic,
            &asked.consumer_group,
            config.default_message_request_mode.into(),
            config.default_pop_share_queue_num,
        );
        let assigned = queues.and_then(|queues| match asked.message_model {
            _ if queues.is_empty() => Err(format!("topic[{}] has no queues to read from", asked.topic)),
            MessageModel::Clustering if config.server_load_balancer_enable => {
                self.share(asked, &queues, &mode)
            }
            _ => Ok(queues),
        });
        let remark = assigned.as_ref().err().cloned();
        let assignments = assigned.ok().map(|queues| {
            let of_queue = |message_queue| MessageQueueAssignment { message_queue, mode: mode.mode };
            queues.into_iter().map(of_queue).collect()
        });
        let content = QueryAssignmentResponseBody { message_queue_assignments: assignments };
        let reply = request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content));
        RemotingCommand { remark, ..reply }
    }

    fn share(
        &self,
        asked: &QueryAssignmentRequestBody,
        queues: &[MessageQueue],
        mode: &SetMessageRequestModeRequestBody,
    ) -> Result<Vec<MessageQueue>, String> {
        let mut members = self.consumers.client_ids(&asked.consumer_group);
        members.sort();
        let ours =
            Share { client_id: &asked.client_id, members: &members, queues, strategy: &asked.strategy_name };
        if members.is_empty() {
            return Err(format!(
                "group {} has no members here: send a heartbeat first",
                asked.consumer_group
            ));
        }
        share(ours, mode).ok_or_else(|| match members.contains(&asked.client_id) {
            true => {
                let name: String = asked.strategy_name.chars().take(64).collect();
                format!("the strategy is '{name}', this broker shares queues by AVG or AVG_BY_CIRCLE")
            }
            false => format!("{} is no member of group {}", asked.client_id, asked.consumer_group),
        })
    }

    /// Sets whether a group pulls or pops a topic, and tells its members, who share anew at once.
    ///
    /// # Errors
    /// There is no such topic or group, or the disk refuses it.
    pub fn set_mode(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let mode: SetMessageRequestModeRequestBody = body::from_json(&request.body)?;
        let (topic, group) = (mode.topic.clone(), mode.consumer_group.clone());
        if is_retry_topic(&topic) {
            return Err(HandlerError::no_permission("retry topic is not allowed to set mode"));
        }
        if self.topics.get(&topic).is_none() {
            return Err(HandlerError::topic_not_exist(&topic));
        }
        if self.groups.get_or_create(&group).is_none() {
            return Err(HandlerError::group_not_exist(&group));
        }
        self.modes.put(mode)?;
        self.notice.send(&group);
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// `GET_ALL_MESSAGE_REQUEST_MODE`: for slaves.
    pub fn all_modes(&self, request: &RemotingCommand) -> Reply {
        let content = body::to_json(&self.modes.snapshot());
        Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(content))
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::{RequestCode, body::ConsumerData};

    use super::*;
    use crate::handler::test_parts::{TestParts, answer};

    fn handler(parts: &TestParts) -> Arc<AssignmentHandler> {
        let config = parts.directory.path().join("config");
        let queues =
            ClusterQueues::new(vec![], parts.topics.clone(), parts.settings.clone(), parts.clock.clone());
        AssignmentHandler::new(
            parts.topics.clone(),
            parts.groups.clone(),
            parts.consumers.clone(),
            parts.notice.clone(),
            parts.settings.clone(),
            Arc::new(MessageRequestModes::open(&config).unwrap()),
            Arc::new(queues),
            Arc::new(Control::start().unwrap()),
        )
    }

    fn ask(
        parts: &TestParts,
        handler: &Arc<AssignmentHandler>,
        topic: &str,
        client_id: &str,
    ) -> RemotingCommand {
        let content = format!(
            r#"{{"clientId":"{client_id}","consumerGroup":"g","messageModel":"CLUSTERING","strategyName":"AVG","topic":"{topic}"}}"#
        );
        let request =
            RemotingCommand::request_without_header(RequestCode::QUERY_ASSIGNMENT).with_body(content);
        answer(&request, handler.query(&parts.connect().0, &request))
    }

    fn set(handler: &Arc<AssignmentHandler>, content: &str) -> RemotingCommand {
        let request = RemotingCommand::request_without_header(RequestCode::SET_MESSAGE_REQUEST_MODE)
            .with_body(content.to_owned());
        answer(&request, handler.set_mode(&request))
    }

    /// Bodies of a Java 5.5.0 client and broker.
    #[test]
    fn a_group_is_switched_to_pops_and_told() {
        let parts = TestParts::new();
        let handler = handler(&parts);
        parts.topic("T", 2);
        let (caller, outbox) = parts.connect();
        let nobody = ask(&parts, &handler, "T", "a");
        assert_eq!(&nobody.body[..], b"{}");
        assert!(nobody.remark.unwrap().contains("send a heartbeat"));
        parts.consume(&caller, "a", &ConsumerData { group_name: "g".into(), ..ConsumerData::default() });
        let body = |reply: RemotingCommand| String::from_utf8(reply.body.to_vec()).unwrap();
        let pulls = r#"{"messageQueueAssignments":[{"messageQueue":{"brokerName":"b","queueId":0,"topic":"T"},"mode":"PULL"},{"messageQueue":{"brokerName":"b","queueId":1,"topic":"T"},"mode":"PULL"}]}"#;
        assert_eq!(body(ask(&parts, &handler, "T", "a")), pulls);
        let pop = r#"{"consumerGroup":"g","mode":"POP","popShareQueueNum":8,"topic":"T"}"#;
        assert_eq!(set(&handler, pop).response_code(), ResponseCode::SUCCESS);
        assert_eq!(outbox.take()[0].request_code(), RequestCode::NOTIFY_CONSUMER_IDS_CHANGED);
        let pops = r#"{"messageQueueAssignments":[{"messageQueue":{"brokerName":"b","queueId":-1,"topic":"T"},"mode":"POP"}]}"#;
        assert_eq!(body(ask(&parts, &handler, "T", "a")), pops);
        let all = RemotingCommand::request_without_header(RequestCode::GET_ALL_MESSAGE_REQUEST_MODE);
        let all = answer(&all, Ok(handler.all_modes(&all)));
        assert!(body(all).starts_with(r#"{"messageRequestModeMap":{"T":{"g":{"#));
    }

    #[test]
    fn what_cannot_be_is_refused_or_said() {
        let parts = TestParts::new();
        let handler = handler(&parts);
        let code = |topic: &str, group: &str| {
            let content = format!(r#"{{"consumerGroup":"{group}","mode":"POP","topic":"{topic}"}}"#);
            set(&handler, &content).response_code()
        };
        assert_eq!(code("%RETRY%g", "g"), ResponseCode::NO_PERMISSION);
        assert_eq!(code("T", "g"), ResponseCode::TOPIC_NOT_EXIST);
        parts.topic("T", 2);
        assert_eq!(code("T", "g g"), ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST);
        assert_eq!(set(&handler, r#"{"mode":"PUSH"}"#).response_code(), ResponseCode::SYSTEM_ERROR);
        let unknown = ask(&parts, &handler, "U", "a");
        assert_eq!((unknown.response_code(), &unknown.body[..]), (ResponseCode::SUCCESS, &b"{}"[..]));
        assert!(unknown.remark.unwrap().contains("topic[U]"));
        let (caller, _outbox) = parts.connect();
        parts.consume(&caller, "a", &ConsumerData { group_name: "g".into(), ..ConsumerData::default() });
        assert!(ask(&parts, &handler, "T", "b").remark.unwrap().contains("b is no member of group g"));
    }
}
