//! One pop, and the other requests of POP.

use std::time::Duration;

use eruca_protocol::{
    RemotingCommand, RequestCode,
    body::{self, BatchAckMessageRequestBody},
    pop::ReceiptHandle,
    request::{
        AckMessageRequest, ChangeInvisibleTimeRequest, ChangeInvisibleTimeResponse, NotificationRequest,
        NotificationResponse, PopMessageRequest, PopMessageResponse,
    },
};

use super::{answer::read_answer, popped::PoppedMessage};
use crate::{
    CallError, ConsumeFrom,
    client::{Answer, CALL_TIMEOUT, Session},
    consumer::subscription::Subscription,
    millis::millis,
};

/// Any queue.
const ANY_QUEUE: i32 = -1;
const FROM_MIN: i32 = 0;
const FROM_MAX: i32 = 1;

/// What every pop of a consumer says.
#[derive(Debug, Clone)]
pub(super) struct PopSettings {
    pub(super) group: String,
    pub(super) max_messages: i32,
    pub(super) invisible: Duration,
    pub(super) from: ConsumeFrom,
    pub(super) in_order: bool,
}

/// The requests of a consumer of `group`.
pub(super) struct Calls<'a> {
    pub(super) session: &'a Session,
    pub(super) settings: &'a PopSettings,
}

impl Calls<'_> {
    /// Messages of `topic` on `broker`; none where none came within `wait`.
    pub(super) async fn pop(
        &self,
        broker: &str,
        subscription: &Subscription,
        wait: Duration,
        attempt_id: Option<&str>,
    ) -> Result<Vec<PoppedMessage>, CallError> {
        let (settings, data) = (self.settings, subscription.data());
        let header = PopMessageRequest {
            consumer_group: settings.group.clone(),
            topic: data.topic.clone(),
            queue_id: ANY_QUEUE,
            max_msg_nums: settings.max_messages,
            invisible_time: millis(settings.invisible),
            poll_time: millis(wait),
            born_time: self.session.now().0,
            init_mode: if settings.from == ConsumeFrom::First { FROM_MIN } else { FROM_MAX },
            exp_type: Some(data.expression_type.clone().unwrap_or_else(|| "TAG".to_owned())),
            exp: Some(data.sub_string.clone()),
            order: settings.in_order,
            attempt_id: attempt_id.map(str::to_owned),
        };
        let answer = self.ask(broker, RemotingCommand::request(&header), wait).await?;
        let Some(answer) = answer.with_messages()? else { return Ok(Vec::new()) };
        let header: PopMessageResponse = answer.header()?;
        read_answer(&data.topic, broker, &header, &answer.reply.body)
            .map_err(|detail| CallError::BadMessages { addr: answer.addr, request: answer.request, detail })
    }

    /// Whether a pop of `topic` on `broker` would bring something, as soon as it would or at the end of `wait`.
    pub(super) async fn notification(
        &self,
        broker: &str,
        subscription: &Subscription,
        wait: Duration,
    ) -> Result<bool, CallError> {
        let data = subscription.data();
        let header = NotificationRequest {
            consumer_group: self.settings.group.clone(),
            topic: data.topic.clone(),
            queue_id: ANY_QUEUE,
            poll_time: millis(wait),
            born_time: self.session.now().0,
            order: self.settings.in_order,
            exp_type: Some(data.expression_type.clone().unwrap_or_else(|| "TAG".to_owned())),
            exp: Some(data.sub_string.clone()),
            ..NotificationRequest::default()
        };
        let answer = self.ask(broker, RemotingCommand::request(&header), wait).await?.expect_success()?;
        Ok(answer.header::<NotificationResponse>()?.has_msg)
    }

    /// The message was consumed.
    pub(super) async fn ack(&self, message: &PoppedMessage) -> Result<(), CallError> {
        let handle = &message.handle;
        let header = AckMessageRequest {
            consumer_group: self.settings.group.clone(),
            topic: message.real_topic(&self.settings.group),
            queue_id: handle.queue_id,
            extra_info: handle.to_string(),
            offset: handle.queue_offset,
            lite_topic: None,
        };
        let request = RemotingCommand::request(&header);
        self.ask(&handle.broker_name, request, Duration::ZERO).await?.expect_success().map(drop)
    }

    /// Messages of one broker were consumed.
    pub(super) async fn batch_ack(&self, acks: &BatchAckMessageRequestBody) -> Result<(), CallError> {
        let request = RemotingCommand::request_without_header(RequestCode::BATCH_ACK_MESSAGE)
            .with_body(body::to_json(acks));
        self.ask(&acks.broker_name, request, Duration::ZERO).await?.expect_success().map(drop)
    }

    /// The message becomes visible after `invisible`, counted from now. Its new handle.
    pub(super) async fn change(
        &self,
        message: &PoppedMessage,
        invisible: Duration,
    ) -> Result<ReceiptHandle, CallError> {
        let handle = &message.handle;
        let header = ChangeInvisibleTimeRequest {
            consumer_group: self.settings.group.clone(),
            topic: message.real_topic(&self.settings.group),
            queue_id: handle.queue_id,
            extra_info: handle.to_string(),
            offset: handle.queue_offset,
            invisible_time: millis(invisible),
            lite_topic: None,
            suspend: false,
        };
        let request = RemotingCommand::request(&header);
        let answer = self.ask(&handle.broker_name, request, Duration::ZERO).await?.expect_success()?;
        let changed: ChangeInvisibleTimeResponse = answer.header()?;
        Ok(ReceiptHandle {
            start_offset: handle.queue_offset,
            pop_time: changed.pop_time,
            invisible_time: changed.invisible_time,
            revive_queue_id: changed.revive_qid,
            ..handle.clone()
        })
    }

    async fn ask(&self, broker: &str, request: RemotingCommand, wait: Duration) -> Result<Answer, CallError> {
        self.session.ask_master(broker, request, wait.saturating_add(CALL_TIMEOUT)).await
    }
}
