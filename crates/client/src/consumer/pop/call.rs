//! One pop, and the other requests of POP.

use std::time::Duration;

use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
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
pub(super) const ANY_QUEUE: i32 = -1;
const FROM_MIN: i32 = 0;
const FROM_MAX: i32 = 1;

/// What every pop of a consumer says.
#[derive(Debug, Clone)]
pub(in crate::consumer) struct PopSettings {
    pub(in crate::consumer) group: String,
    pub(in crate::consumer) max_messages: i32,
    pub(in crate::consumer) invisible: Duration,
    pub(in crate::consumer) from: ConsumeFrom,
    pub(in crate::consumer) in_order: bool,
}

/// What a pop brings.
pub(in crate::consumer) enum PopOutcome {
    Messages(Vec<PoppedMessage>),
    /// None came while it waited.
    Nothing,
    /// There are none, and too many wait at the broker already.
    NoRoomToWait,
}

/// The requests of a consumer of a group.
pub(in crate::consumer) struct Calls<'a> {
    pub(in crate::consumer) session: &'a Session,
    pub(in crate::consumer) settings: &'a PopSettings,
}

impl Calls<'_> {
    /// Messages of a topic on `broker`, of one queue or of any.
    pub(in crate::consumer) async fn pop(
        &self,
        broker: &str,
        queue_id: i32,
        subscription: &Subscription,
        wait: Duration,
        attempt_id: Option<&str>,
    ) -> Result<PopOutcome, CallError> {
        let (settings, data) = (self.settings, subscription.data());
        let header = PopMessageRequest {
            consumer_group: settings.group.clone(),
            topic: data.topic.clone(),
            queue_id,
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
        let is_full = answer.reply.response_code() == ResponseCode::POLLING_FULL;
        let Some(answer) = answer.with_messages()? else {
            return Ok(if is_full { PopOutcome::NoRoomToWait } else { PopOutcome::Nothing });
        };
        let header: PopMessageResponse = answer.header()?;
        read_answer(&data.topic, broker, &header, &answer.reply.body)
            .map(PopOutcome::Messages)
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

    /// The message of `topic` was consumed.
    pub(in crate::consumer) async fn ack(
        &self,
        topic: &str,
        handle: &ReceiptHandle,
    ) -> Result<(), CallError> {
        let header = AckMessageRequest {
            consumer_group: self.settings.group.clone(),
            topic: handle.topic.real_topic(topic, &self.settings.group),
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

    /// The message of `topic` becomes visible after `invisible`, counted from now. Its new handle.
    pub(in crate::consumer) async fn change(
        &self,
        topic: &str,
        handle: &ReceiptHandle,
        invisible: Duration,
    ) -> Result<ReceiptHandle, CallError> {
        let header = ChangeInvisibleTimeRequest {
            consumer_group: self.settings.group.clone(),
            topic: handle.topic.real_topic(topic, &self.settings.group),
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
