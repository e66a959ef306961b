//! One pull of one queue.

use std::time::Duration;

use eruca_message::{
    MessageQueue, QueueOffset, StoredMessage, names,
    properties::{self, INNER_MULTI_DISPATCH, INNER_MULTI_QUEUE_OFFSET},
};
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    request::{PullMessageRequest, PullMessageResponse},
};

use super::subscription::Subscription;
use crate::{
    CallError, QueuePull,
    client::{Answer, CALL_TIMEOUT, Session},
    decode::decode_messages,
    millis::millis,
};

const FLAG_COMMIT_OFFSET: i32 = 1;
const FLAG_SUSPEND: i32 = 2;
const FLAG_SUBSCRIPTION: i32 = 4;
const FLAG_LITE_PULL: i32 = 16;

/// How a pull ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullStatus {
    /// There are messages.
    Found,
    /// There is nothing at this offset yet.
    NoNewMessage,
    /// What there is does not match the filter; go on from the next offset.
    NoMatchedMessage,
    /// The offset lies outside of the queue; the next offset lies inside.
    OffsetMoved,
}

/// What a pull brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullOutcome {
    /// How it ended.
    pub status: PullStatus,
    /// The messages, in the order of the queue; their bodies are decompressed. In a light queue, too, the `queue_offset` of each is
    /// that in this queue.
    pub messages: Vec<StoredMessage>,
    /// Where to pull next.
    pub next_begin_offset: i64,
    /// The lowest offset of the queue.
    pub min_offset: i64,
    /// The offset that the next message of the queue will get.
    pub max_offset: i64,
    /// Id of the broker in its group to pull from next: 0 is the master.
    pub suggested_broker_id: i64,
}

/// A pull to be made.
#[derive(Debug)]
pub(crate) struct PullCall<'a> {
    pub(crate) group: &'a str,
    pub(crate) queue: &'a MessageQueue,
    pub(crate) subscription: &'a Subscription,
    /// Whether the broker is told the filter with the pull, or knows it from the heartbeat.
    pub(crate) tell_subscription: bool,
    pub(crate) is_lite: bool,
    pub(crate) offset: i64,
    pub(crate) max_messages: i32,
    pub(crate) max_bytes: i32,
    /// Offset to commit along with the pull.
    pub(crate) commit_offset: Option<i64>,
    /// How long the broker keeps the request when there is nothing; zero: it answers at once.
    pub(crate) suspend: Duration,
    /// How long to wait for the answer.
    pub(crate) timeout: Duration,
}

impl PullCall<'_> {
    /// Asks the broker at `addr`.
    pub(crate) async fn send(&self, session: &Session, addr: &str) -> Result<PullOutcome, CallError> {
        let mut request = RemotingCommand::request(&self.header());
        request.ext_fields.push("bname", &self.queue.broker_name);
        if self.is_lite {
            request.code = RequestCode::LITE_PULL_MESSAGE.0;
        }
        self.read(session.ask(addr, request, self.timeout).await?)
    }

    fn header(&self) -> PullMessageRequest {
        let flag = |set: bool, bit: i32| if set { bit } else { 0 };
        let data = self.subscription.data();
        PullMessageRequest {
            consumer_group: self.group.to_owned(),
            topic: self.queue.topic.clone(),
            queue_id: self.queue.queue_id,
            queue_offset: self.offset,
            max_msg_nums: self.max_messages,
            sys_flag: flag(self.commit_offset.is_some(), FLAG_COMMIT_OFFSET)
                | flag(!self.suspend.is_zero(), FLAG_SUSPEND)
                | flag(self.tell_subscription, FLAG_SUBSCRIPTION)
                | flag(self.is_lite, FLAG_LITE_PULL),
            commit_offset: self.commit_offset.unwrap_or(0),
            suspend_timeout_millis: millis(self.suspend),
            subscription: self.tell_subscription.then(|| data.sub_string.clone()),
            sub_version: data.sub_version,
            expression_type: data.expression_type.clone(),
            max_msg_bytes: Some(self.max_bytes),
            ..PullMessageRequest::default()
        }
    }

    fn read(&self, answer: Answer) -> Result<PullOutcome, CallError> {
        let status = match answer.reply.response_code() {
            ResponseCode::SUCCESS => PullStatus::Found,
            ResponseCode::PULL_NOT_FOUND => PullStatus::NoNewMessage,
            ResponseCode::PULL_RETRY_IMMEDIATELY => PullStatus::NoMatchedMessage,
            ResponseCode::PULL_OFFSET_MOVED => PullStatus::OffsetMoved,
            _ => return Err(answer.refusal()),
        };
        let header: PullMessageResponse = answer.header()?;
        let mut messages = match status {
            PullStatus::Found => {
                decode_messages(&answer.reply.body).map_err(|error| CallError::BadMessages {
                    addr: answer.addr.clone(),
                    request: answer.request,
                    detail: error.to_string(),
                })?
            }
            _ => Vec::new(),
        };
        if names::is_lmq(&self.queue.topic) {
            messages.iter_mut().for_each(|message| self.place_in_light_queue(message));
        }
        // An inner batch comes whole, also where only its end was asked for.
        messages.retain(|message| {
            message.queue_offset.0 as i64 >= self.offset && self.subscription.wants(message.message.tag())
        });
        for message in &mut messages {
            message.broker_name.clone_from(&self.queue.broker_name);
            message.message.properties.set(properties::MIN_OFFSET, header.min_offset.to_string());
            message.message.properties.set(properties::MAX_OFFSET, header.max_offset.to_string());
        }
        Ok(PullOutcome {
            status: if status == PullStatus::Found && messages.is_empty() {
                PullStatus::NoMatchedMessage
            } else {
                status
            },
            messages,
            next_begin_offset: header.next_begin_offset,
            min_offset: header.min_offset,
            max_offset: header.max_offset,
            suggested_broker_id: header.suggest_which_broker_id,
        })
    }

    /// A message of a light queue comes with its place in the queue that it was sent to.
    fn place_in_light_queue(&self, message: &mut StoredMessage) {
        let told = |name| message.message.properties.get(name).unwrap_or_default();
        let (queues, offsets) = (told(INNER_MULTI_DISPATCH), told(INNER_MULTI_QUEUE_OFFSET));
        let offset = properties::offset_in_light_queue(&self.queue.topic, queues, offsets);
        if let Some(offset) = offset.and_then(|offset| u64::try_from(offset).ok()) {
            message.queue_offset = QueueOffset(offset);
        }
    }
}

/// One pull that does not wait, for tools.
pub(crate) async fn pull_once(
    session: &Session,
    addr: &str,
    pull: &QueuePull<'_>,
) -> Result<PullOutcome, CallError> {
    let subscription = Subscription::new(&pull.queue.topic, &pull.tags.into(), session.now());
    let call = PullCall {
        group: pull.group,
        queue: pull.queue,
        subscription: &subscription,
        tell_subscription: true,
        is_lite: false,
        offset: pull.offset,
        max_messages: pull.max_messages,
        max_bytes: i32::MAX,
        commit_offset: None,
        suspend: Duration::ZERO,
        timeout: CALL_TIMEOUT,
    };
    call.send(session, addr).await
}
