//! `POP_MESSAGE`: taking messages, and waiting where there are none.

use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use eruca_message::{Clock, LogOffset};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::TopicConfig,
    pop::ORDER_REVIVE_QUEUE,
    request::{PollingInfoRequest, PollingInfoResponse, PopMessageRequest, PopMessageResponse},
};
use eruca_remoting::{Caller, Reply, Responder};
use eruca_store::{FlushMode, MessageStore, Wait};

use super::{
    super::flushed_answer::answer_when_flushed,
    members::LeftToOthers,
    plan::{ByPriority, MESSAGES_MAX, Plan, refuse_late},
    pop_queue::{Gathered, Stopped},
};
use crate::{
    clients::ConsumerTable,
    config::BrokerConfig,
    control::Control,
    filter::CompiledFilters,
    groups::GroupTable,
    lite::LiteRegistry,
    long_poll::{Lane, PopHold, PopWaiterLimits, PullRunner},
    offsets::OffsetTable,
    pop::{PopService, QueueKey},
    reply::HandlerError,
    settings::Settings,
    stats::BrokerStats,
    topics::{TopicTable, has_priorities},
};

/// Attribute of a group: how many of 100 pops go by priority, 100 by default.
const PRIORITY_FACTOR: &str = "priority.factor";
/// How often a pop that found nothing looks again at once, because something came while it was parked.
const LOOKS_MAX: usize = 3;

/// Answers the requests of POP.
#[derive(Debug)]
pub struct PopMessageHandler {
    pub(super) store: Arc<MessageStore>,
    pub(super) topics: Arc<TopicTable>,
    pub(super) groups: Arc<GroupTable>,
    pub(super) offsets: Arc<OffsetTable>,
    pub(super) filters: Arc<CompiledFilters>,
    consumers: Arc<ConsumerTable>,
    pub(super) left: LeftToOthers,
    pub(super) pop: Arc<PopService>,
    pub(super) hold: Arc<PopHold<ParkedPop>>,
    pub(super) lite: Arc<LiteRegistry>,
    pub(super) settings: Arc<Settings>,
    pub(super) stats: Arc<BrokerStats>,
    pub(super) clock: Arc<dyn Clock>,
    control: Arc<Control>,
    /// Itself, for work that goes on on another thread.
    me: Weak<PopMessageHandler>,
}

/// A pop or notification that waits.
#[derive(Debug)]
pub struct ParkedPop {
    plan: Arc<Plan>,
    responder: Responder,
}

impl ParkedPop {
    /// Whether the client is still there.
    pub fn is_wanted(&self) -> bool {
        self.responder.caller().is_open()
    }
}

/// How a look at the queues went.
pub(super) enum Served {
    /// The answer, and the end of what it has in the log.
    Found(RemotingCommand, Option<LogOffset>),
    /// Nothing to give out; so many messages are left.
    Nothing,
    /// The disk would have to be waited for.
    WouldWait,
    Refused(HandlerError),
}

impl PopMessageHandler {
    /// A handler; `control` is where pops wait for the disk.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the broker that pops need")]
    pub fn new(
        store: Arc<MessageStore>,
        topics: Arc<TopicTable>,
        groups: Arc<GroupTable>,
        offsets: Arc<OffsetTable>,
        filters: Arc<CompiledFilters>,
        consumers: Arc<ConsumerTable>,
        pop: Arc<PopService>,
        hold: Arc<PopHold<ParkedPop>>,
        lite: Arc<LiteRegistry>,
        settings: Arc<Settings>,
        stats: Arc<BrokerStats>,
        clock: Arc<dyn Clock>,
        control: Arc<Control>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| PopMessageHandler {
            store,
            topics,
            groups,
            offsets,
            filters,
            consumers,
            left: LeftToOthers::default(),
            pop,
            hold,
            lite,
            settings,
            stats,
            clock,
            control,
            me: me.clone(),
        })
    }

    /// Answers one pop, parks it, or lets it wait for the disk elsewhere.
    ///
    /// # Errors
    /// It is refused.
    pub fn pop(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let plan = self.admit_pop(request, caller.peer_addr())?;
        self.offsets.note_popped(&plan.group, &plan.topic);
        self.serve_or_park(caller, request, plan)
    }

    fn admit_pop(&self, request: &RemotingCommand, consumer: SocketAddr) -> Result<Plan, HandlerError> {
        let config = self.settings.now();
        let header: PopMessageRequest = request.header()?;
        let now = self.clock.now();
        refuse_late(&header, now)?;
        if header.max_msg_nums > MESSAGES_MAX {
            return Err(HandlerError::invalid_parameter(format!(
                "the broker pop message's num is greater than {MESSAGES_MAX}: maxMsgNums is {}",
                header.max_msg_nums
            )));
        }
        if !config.timer_wheel_enable {
            return Err(HandlerError::system_error(
                "the broker pop message is forbidden because timerWheelEnable is false: what is in flight waits in the timer",
            ));
        }
        let topic = self.admit(&header.topic, &header.consumer_group, header.queue_id, &config, consumer)?;
        let filter = self.filter_of(&header.topic, header.exp.as_deref(), header.exp_type.as_deref())?;
        let priority = self.priority_of(&header, &topic, &config);
        Ok(Plan { priority, ..Plan::of_pop(header, &topic, filter, &config, now)? })
    }

    /// How the pop looks at the queues, where the topic's stand for priorities. Order goes before priority, as in Java.
    fn priority_of(
        &self,
        header: &PopMessageRequest,
        topic: &TopicConfig,
        config: &BrokerConfig,
    ) -> Option<ByPriority> {
        if header.order || !has_priorities(topic) {
            return None;
        }
        let group = self.groups.get(&header.consumer_group);
        let factor = group.and_then(|group| group.attributes.get(PRIORITY_FACTOR)?.parse().ok());
        Some(ByPriority { factor: factor.unwrap_or(100), highest_first: config.priority_order_asc })
    }

    pub(super) fn serve_or_park(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
        plan: Plan,
    ) -> Result<Reply, HandlerError> {
        let plan = Arc::new(plan);
        match self.serve(&plan, Wait::Never) {
            Served::Found(mut reply, log_end) => {
                (reply.opaque, reply.encoding) = (request.opaque, request.encoding);
                match log_end.filter(|_| self.store.config().flush_mode == FlushMode::Sync) {
                    // What was popped must not be forgotten after a power cut, while its offset is remembered.
                    Some(end) => {
                        answer_when_flushed(&self.store, caller.responder(request), reply, end);
                        Ok(Reply::Later)
                    }
                    None => Ok(Reply::AfterSettle(reply)),
                }
            }
            Served::Nothing if plan.interest(self.clock.now()).is_none() => {
                let mut reply = nothing(&plan, ResponseCode::POLLING_TIMEOUT, "NO_MESSAGE_IN_QUEUE");
                (reply.opaque, reply.encoding) = (request.opaque, request.encoding);
                // Messages that do not match may have been passed over.
                Ok(Reply::AfterSettle(reply))
            }
            Served::Nothing => {
                self.park(ParkedPop { plan, responder: caller.responder(request) });
                Ok(Reply::Later)
            }
            Served::WouldWait => {
                let parked = ParkedPop { plan, responder: caller.responder(request) };
                self.wait_for_the_disk(parked);
                Ok(Reply::Later)
            }
            Served::Refused(error) => Err(error),
        }
    }

    /// Lets another thread read: this one serves other connections, and sends.
    fn wait_for_the_disk(&self, parked: ParkedPop) {
        let Some(turn) = self.control.disk_turn() else {
            let busy = HandlerError::new(
                ResponseCode::SYSTEM_BUSY,
                "[OVERLOAD] too many pops wait for the disk: pop again later",
            );
            parked.responder.send(refusal(busy));
            return;
        };
        let me = self.me.clone();
        turn.run(move || {
            if let Some(handler) = me.upgrade() {
                handler.run_waiting(parked, Wait::Allowed);
            }
        });
    }

    /// Looks at the queues again and answers, or parks it again.
    fn run_waiting(&self, parked: ParkedPop, wait: Wait) {
        if !parked.is_wanted() {
            // Who was woken for it does not take it: somebody else may.
            let key = parked.plan.lite.as_ref().map_or(&parked.plan.topic, |client| &client.key);
            self.hold.notify(key, &parked.plan.group, parked.plan.queue_id);
            return;
        }
        match self.serve(&parked.plan, wait) {
            Served::Found(reply, log_end) => self.settle_and_send(parked.responder, reply, log_end),
            Served::Nothing => self.park(parked),
            Served::WouldWait => self.wait_for_the_disk(parked),
            Served::Refused(error) => parked.responder.send(refusal(error)),
        }
    }

    /// What a connection's thread does for the answers of one read, done for one answer.
    fn settle_and_send(&self, responder: Responder, reply: RemotingCommand, log_end: Option<LogOffset>) {
        self.topics.settle();
        self.groups.settle();
        let settled = self.store.settle();
        self.pop.settled(&settled);
        self.offsets.settle();
        match (settled, log_end) {
            (Err(why), _) => responder.send(refusal(HandlerError::from(why))),
            (Ok(()), Some(end)) if self.store.config().flush_mode == FlushMode::Sync => {
                answer_when_flushed(&self.store, responder, reply, end);
            }
            (Ok(()), _) => responder.send(reply),
        }
    }

    /// Waits, or answers that there is nothing where it does not want to wait any more.
    fn park(&self, mut parked: ParkedPop) {
        let config = self.settings.now();
        let limits = PopWaiterLimits {
            per_queue: usize::try_from(config.pop_polling_size).unwrap_or(0),
            in_all: usize::try_from(config.max_pop_polling_size).unwrap_or(0),
        };
        for _ in 0..LOOKS_MAX {
            let Some(interest) = parked.plan.interest(self.clock.now()) else {
                parked.responder.send(nothing(
                    &parked.plan,
                    ResponseCode::POLLING_TIMEOUT,
                    "NO_MESSAGE_IN_QUEUE",
                ));
                return;
            };
            let plan = Arc::clone(&parked.plan);
            let id = match self.hold.park(interest, limits, parked) {
                Ok(id) => id,
                Err(refused) => {
                    let code = match self.hold.is_stopped() {
                        true => ResponseCode::POLLING_TIMEOUT,
                        false => ResponseCode::POLLING_FULL,
                    };
                    let remark = format!(
                        "NO_MESSAGE_IN_QUEUE: {} pops and notifications wait, at most {} of one group and queue may (popPollingSize) \
                         and {} in all (maxPopPollingSize)",
                        self.hold.len(),
                        limits.per_queue,
                        limits.in_all
                    );
                    refused.responder.send(nothing(&refused.plan, code, &remark));
                    return;
                }
            };
            // A message may have come between the look and the parking.
            if !self.has_messages(&plan) {
                return;
            }
            let Some(again) = self.hold.take(id) else { return };
            match self.serve(&again.plan, Wait::Never) {
                Served::Found(reply, log_end) => {
                    return self.settle_and_send(again.responder, reply, log_end);
                }
                Served::Nothing => parked = again,
                Served::WouldWait => return self.wait_for_the_disk(again),
                Served::Refused(error) => return again.responder.send(refusal(error)),
            }
        }
        self.hold.leave(parked);
    }

    /// Looks at the queues and takes what is there.
    fn serve(&self, plan: &Plan, wait: Wait) -> Served {
        if plan.lane == Lane::Notification {
            return match self.has_messages(plan) {
                true => Served::Found(super::notification::reply(true, false), None),
                false => Served::Nothing,
            };
        }
        if let Some(client) = &plan.lite {
            return self.serve_lite(plan, client, wait);
        }
        let config = self.settings.now();
        let turn = self.pop.next_pop();
        let revive_queue =
            i32::try_from(turn % u64::from(self.pop.revive_queue_nums().unsigned_abs().max(1)));
        let mut gathered = {
            let wishes = self.consumers.wishes(&plan.group, &plan.topic);
            Gathered::new(self.clock.now().0, revive_queue.unwrap_or(0), wishes)
        };
        match self.gather(plan, &config, turn, &mut gathered, wait) {
            // What was taken is given out.
            Err(_) if gathered.messages > 0 => {}
            Err(Stopped::WouldWait) => return Served::WouldWait,
            Err(Stopped::Refused(error)) => return Served::Refused(error),
            Ok(()) => {}
        }
        if gathered.messages == 0 {
            return Served::Nothing;
        }
        if gathered.rest > 0 {
            // There is more than this pop took: another that waits may have it.
            self.hold.notify(&plan.topic, &plan.group, plan.queue_id);
        }
        let log_end = gathered.log_end;
        Served::Found(found(plan, gathered), log_end)
    }

    fn gather(
        &self,
        plan: &Plan,
        config: &BrokerConfig,
        turn: u64,
        gathered: &mut Gathered,
        wait: Wait,
    ) -> Result<(), Stopped> {
        // Of 100 pops in a row, as many as the percentage says try the retry topic first, evenly spread: 61 and 100 have
        // no common factor.
        let percent = match plan.priority_at(turn) {
            Some(_) => config.pop_from_retry_probability_for_priority,
            None => config.pop_from_retry_probability,
        };
        let percent = u64::from(percent.unsigned_abs());
        let is_retry_first = !plan.is_order && turn.wrapping_mul(61) % 100 < percent;
        if is_retry_first {
            self.gather_again(plan, config, turn, gathered, wait)?;
        }
        for queue_id in plan.queues(turn) {
            self.pop_queue(plan, &plan.topic, queue_id, gathered, wait)?;
        }
        if !is_retry_first && !plan.is_order && gathered.messages < plan.max_messages {
            self.gather_again(plan, config, turn, gathered, wait)?;
        }
        Ok(())
    }

    fn gather_again(
        &self,
        plan: &Plan,
        config: &BrokerConfig,
        turn: u64,
        gathered: &mut Gathered,
        wait: Wait,
    ) -> Result<(), Stopped> {
        for topic in plan.retry_topics(config) {
            let Some(topic_config) = self.topics.get(&topic) else { continue };
            let count = topic_config.read_queue_nums.max(0);
            let first = i32::try_from(turn % u64::from(count.max(1).unsigned_abs())).unwrap_or(0);
            for queue_id in (first..count).chain(0..first) {
                self.pop_queue(plan, &topic, queue_id, gathered, wait)?;
            }
        }
        Ok(())
    }

    /// Whether a pop like this would find something.
    pub(super) fn has_messages(&self, plan: &Plan) -> bool {
        if let Some(client) = &plan.lite {
            return self.lite.has_ready(&client.client_id);
        }
        let has = |topic: &str, queue_id: i32| {
            let queue = QueueKey::new(topic, plan.group.clone(), queue_id);
            if plan.is_order && self.pop.is_blocked(&queue, plan.attempt_id.as_deref()) {
                return false;
            }
            let from =
                self.pop.look(&queue).unwrap_or_else(|| self.pop.first_position(&queue, plan.from_min));
            self.is_wanted_from(plan, &queue, from)
        };
        plan.queues(0).into_iter().any(|queue_id| has(&plan.topic, queue_id))
            || !plan.is_order
                && plan.retry_topics(&self.settings.now()).into_iter().any(|topic| {
                    let queue_nums = self.topics.get(&topic).map_or(0, |config| config.read_queue_nums);
                    (0..queue_nums).any(|queue_id| has(&topic, queue_id))
                })
    }

    /// `POLLING_INFO`: how many pops of a group wait.
    ///
    /// # Errors
    /// It is refused.
    pub fn polling_info(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: PollingInfoRequest = request.header()?;
        let PollingInfoRequest { topic, consumer_group: group, queue_id } = &header;
        self.admit(topic, group, *queue_id, &self.settings.now(), caller.peer_addr())?;
        let waiting = self.hold.waiting_pops(topic, group, *queue_id);
        let polling_num = i32::try_from(waiting).unwrap_or(i32::MAX);
        Ok(Reply::Now(request.reply_with(&PollingInfoResponse { polling_num })))
    }
}

/// A woken pop looks again and is answered, or waits on.
impl PullRunner<ParkedPop> for PopMessageHandler {
    fn run(&self, parked: ParkedPop) {
        self.run_waiting(parked, Wait::Never);
    }
}

/// The answer with messages.
fn found(plan: &Plan, gathered: Gathered) -> RemotingCommand {
    let header = PopMessageResponse {
        pop_time: gathered.pop_time,
        invisible_time: plan.invisible_ms,
        revive_qid: if plan.is_order { ORDER_REVIVE_QUEUE } else { gathered.revive_queue },
        rest_num: gathered.rest,
        start_offset_info: Some(gathered.start_offset_info),
        msg_offset_info: Some(gathered.msg_offset_info),
        order_count_info: plan.is_order.then_some(gathered.order_count_info),
    };
    answer(ResponseCode::SUCCESS, &header, "FOUND").with_body(Bytes::from(gathered.records))
}

/// The answer without messages.
fn nothing(plan: &Plan, code: ResponseCode, remark: &str) -> RemotingCommand {
    if plan.lane == Lane::Notification {
        return super::notification::reply(false, code == ResponseCode::POLLING_FULL);
    }
    if plan.lite.is_some() {
        return answer(code, &super::lite::nothing(plan), remark);
    }
    let header = PopMessageResponse {
        invisible_time: plan.invisible_ms,
        revive_qid: if plan.is_order { ORDER_REVIVE_QUEUE } else { 0 },
        start_offset_info: Some(String::new()),
        msg_offset_info: Some(String::new()),
        order_count_info: plan.is_order.then(String::new),
        ..PopMessageResponse::default()
    };
    answer(code, &header, remark)
}

/// An answer whose `opaque` and encoding are set by whoever sends it.
pub(super) fn answer(
    code: ResponseCode,
    header: &impl eruca_protocol::HeaderFields,
    remark: &str,
) -> RemotingCommand {
    let mut reply =
        RemotingCommand::request_without_header(eruca_protocol::RequestCode::POP_MESSAGE).reply(code);
    header.encode_to(&mut reply.ext_fields);
    reply.with_remark(remark)
}

fn refusal(error: HandlerError) -> RemotingCommand {
    let HandlerError { code, remark } = error;
    answer(code, &PopMessageResponse::default(), &remark)
}
