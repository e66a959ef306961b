//! Reading for a pull.

use std::{net::SocketAddr, sync::Arc};

use eruca_message::{
    Clock, QueueOffset,
    lite::{is_lite_queue, storage_topic},
    names::is_retry_topic,
};
use eruca_protocol::{RemotingCommand, ResponseCode, request::PullMessageRequest};
use eruca_remoting::{Caller, Reply};
use eruca_store::{EntryFilter, MessageStore, ReadLimits, ReadOutcome, ReadStatus, Wait};

use super::{
    admission::{Admitted, flag},
    answer::{Position, Verdict, may_wait, refusal, reply},
    hand_over::{ForOthers, NotForOthers},
    parked::ParkedPull,
};
use crate::{
    clients::{ConsumerTable, Wishes},
    config::BrokerConfig,
    control::Control,
    delay::Parking,
    filter::{CompiledFilters, MessageFilter},
    groups::GroupTable,
    long_poll::PullHold,
    offsets::OffsetTable,
    reply::HandlerError,
    role::RoleState,
    settings::Settings,
    stats::BrokerStats,
    topics::TopicTable,
};

/// No pull waits longer, whatever its client asks for.
const WAIT_MAX_MS: i64 = 10 * 60 * 1000;
/// Bytes of a queue entry.
const ENTRY_LEN_BYTES: i32 = 20;

/// Answers pulls.
#[derive(Debug)]
pub struct PullMessageHandler {
    pub(super) store: Arc<MessageStore>,
    pub(super) topics: Arc<TopicTable>,
    pub(super) groups: Arc<GroupTable>,
    pub(super) consumers: Arc<ConsumerTable>,
    pub(super) offsets: Arc<OffsetTable>,
    pub(super) hold: Arc<PullHold<ParkedPull>>,
    /// Compiles what pulls ask for themselves.
    pub(super) filters: Arc<CompiledFilters>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    /// Of the machine or its cgroup.
    memory_bytes: u64,
    stats: Arc<BrokerStats>,
    control: Arc<Control>,
    pub(super) role: Arc<RoleState>,
    pub(super) parking: Arc<Parking>,
    /// What messages say where they were stored.
    pub(super) store_host: SocketAddr,
}

/// An admitted pull: what to read and how to answer.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) group: Box<str>,
    pub(super) topic: Arc<str>,
    pub(super) queue_id: i32,
    pub(super) offset: i64,
    max_messages: i32,
    max_bytes: Option<i32>,
    pub(super) filter: MessageFilter,
    /// What others of the group want and the puller does not.
    pub(super) others: Vec<Wishes>,
    topic_sys_flag: i32,
    group_sys_flag: i32,
    broker_id: i64,
    broker_id_when_slow: i64,
    peer: SocketAddr,
}

impl PullMessageHandler {
    /// A handler; `memory_bytes` is what the machine or its cgroup has, `control` is where pulls wait for the disk.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the broker that pulls need")]
    pub fn new(
        store: Arc<MessageStore>,
        topics: Arc<TopicTable>,
        groups: Arc<GroupTable>,
        consumers: Arc<ConsumerTable>,
        offsets: Arc<OffsetTable>,
        hold: Arc<PullHold<ParkedPull>>,
        filters: Arc<CompiledFilters>,
        settings: Arc<Settings>,
        clock: Arc<dyn Clock>,
        memory_bytes: u64,
        stats: Arc<BrokerStats>,
        control: Arc<Control>,
        role: Arc<RoleState>,
        parking: Arc<Parking>,
        store_host: SocketAddr,
    ) -> Self {
        PullMessageHandler {
            store,
            topics,
            groups,
            consumers,
            offsets,
            hold,
            filters,
            settings,
            clock,
            memory_bytes,
            stats,
            control,
            role,
            parking,
            store_host,
        }
    }

    /// Answers one pull, parks it, or lets it wait for the disk elsewhere.
    pub fn handle(
        self: &Arc<Self>,
        caller: &Caller,
        request: &RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        let config = self.settings.now();
        let header: PullMessageRequest = request.header()?;
        let admitted = self.admit(request.request_code(), &header, &config, caller)?;
        let commits = header.sys_flag & flag::COMMIT_OFFSET != 0 && header.commit_offset >= 0;
        if commits {
            let (group, topic) = (&header.consumer_group, &header.topic);
            self.offsets.commit(group, topic, header.queue_id, header.commit_offset);
        }
        let plan = Plan::new(&header, &admitted, caller.peer_addr());
        let Some(served) = self.serve_waiting(&plan, &config, Wait::Never) else {
            return self.wait_for_the_disk(caller, request, plan, commits);
        };
        if served.may_wait && header.sys_flag & flag::SUSPEND != 0 {
            let wait_ms = match config.long_polling_enable {
                true => header.suspend_timeout_millis,
                false => config.short_polling_time_mills,
            };
            return self.park(caller, request, plan, wait_ms.clamp(0, WAIT_MAX_MS));
        }
        let mut reply = served.reply;
        (reply.opaque, reply.encoding) = (request.opaque, request.encoding);
        // A commit that comes with a pull reaches the kernel before the pull is answered.
        Ok(if commits { Reply::AfterSettle(reply) } else { Reply::Now(reply) })
    }

    /// Messages that are on the disk only are read by another thread: this one serves other connections, and sends.
    fn wait_for_the_disk(
        self: &Arc<Self>,
        caller: &Caller,
        request: &RemotingCommand,
        plan: Plan,
        commits: bool,
    ) -> Result<Reply, HandlerError> {
        let turn = self.control.disk_turn().ok_or_else(|| {
            HandlerError::new(
                ResponseCode::SYSTEM_BUSY,
                "[OVERLOAD] too many pulls wait for the disk: pull again later, from fewer queues at a time",
            )
        })?;
        let (handler, responder) = (Arc::clone(self), caller.responder(request));
        turn.run(move || {
            if !responder.caller().is_open() {
                return;
            }
            if commits {
                handler.offsets.settle();
            }
            responder.send(handler.serve(&plan, &handler.settings.now()).reply);
        });
        Ok(Reply::Later)
    }

    /// Reads and makes the answer, however long the disk takes.
    pub(super) fn serve(&self, plan: &Plan, config: &BrokerConfig) -> Served {
        let served = self.serve_waiting(plan, config, Wait::Allowed);
        // None is for those who may not wait.
        served.unwrap_or_else(|| self.answer(plan, config, self.before_the_first(plan)))
    }

    /// The same; `None` where the disk would have to be waited for, and may not.
    fn serve_waiting(&self, plan: &Plan, config: &BrokerConfig, wait: Wait) -> Option<Served> {
        if let Some(reset) = self.reset(plan) {
            return Some(reset);
        }
        // The limits need a look at the queue.
        if wait == Wait::Never
            && !self.fits_memory(config)
            && !self.store.is_queue_cached(&plan.topic, plan.queue_id, plan.from())
        {
            return None;
        }
        let limits = self.limits(plan, config);
        let by_plan = plan.filter.for_read();
        let rest = plan.rest();
        let filter = rest.as_ref().map_or(&by_plan as &dyn EntryFilter, |rest| rest);
        let read = match plan.offset {
            0.. => self.store.read_waiting(&plan.topic, plan.queue_id, plan.from(), &limits, filter, wait)?,
            // No queue starts below 0.
            _ => self.before_the_first(plan),
        };
        match self.hand_over(plan, read, wait) {
            Ok(read) => Some(self.answer(plan, config, read?)),
            Err(error) => Some(Served::refused(error)),
        }
    }

    /// What an administrator wants the group to go on at.
    fn reset(&self, plan: &Plan) -> Option<Served> {
        let reset = self.offsets.take_reset(&plan.group, &plan.topic, plan.queue_id)?;
        let range = self.store.queue_range(&plan.topic, plan.queue_id);
        let position = plan.position(reset.max(0).unsigned_abs(), range.min.0, range.max.0);
        Some(Served { reply: reply(Verdict::OFFSET_RESET, &position), may_wait: false, passed_over: None })
    }

    fn answer(&self, plan: &Plan, config: &BrokerConfig, mut read: ReadOutcome) -> Served {
        let mut verdict = Verdict::of(read.status, plan.offset);
        let is_copy_behind = verdict.code == ResponseCode::PULL_OFFSET_MOVED
            && read.status != ReadStatus::OffsetTooSmall
            && !self.role.is_master()
            && !config.offset_check_in_slave;
        if is_copy_behind {
            // The group was further on the master than this copy of the log is: it must not be set back, but wait.
            verdict.code = ResponseCode::PULL_NOT_FOUND;
            read.next_offset = plan.from();
        }
        let mut position = plan.position(read.next_offset.0, read.min_offset.0, read.max_offset.0);
        let is_slow = read.lag_bytes > self.recent_bytes(config);
        if config.slave_read_enable {
            position.suggested_broker_id = if is_slow { plan.broker_id_when_slow } else { plan.broker_id };
        }
        if !is_slow && self.role.is_slave_with_master() {
            // What is recent is read from the master, where it comes first; nothing is waited for here.
            position.suggested_broker_id = 0;
            if read.status != ReadStatus::Found {
                verdict = Verdict { code: ResponseCode::PULL_RETRY_IMMEDIATELY, ..verdict };
            }
        }
        let now = self.clock.now();
        // Whoever pulls may name any lite topic, so notes of them would have no bound.
        if !is_lite_queue(&plan.topic) {
            self.offsets.note_pulled(&plan.group, &plan.topic, plan.queue_id, position.next, plan.peer, now);
        }
        match read.message_count {
            0 => self.stats.got_nothing(),
            count => self.stats.got(&plan.group, &plan.topic, count as u64, read.records.len() as u64),
        }
        let may_wait = may_wait(verdict, &read, plan.offset);
        let passed_over = (read.status == ReadStatus::NoMatchedMessage).then_some(read.next_offset.0);
        Served { reply: reply(verdict, &position).with_body(read.records), may_wait, passed_over }
    }

    fn before_the_first(&self, plan: &Plan) -> ReadOutcome {
        let range = self.store.queue_range(&plan.topic, plan.queue_id);
        ReadOutcome {
            status: ReadStatus::OffsetTooSmall,
            records: Default::default(),
            message_count: 0,
            next_offset: range.min,
            min_offset: range.min,
            max_offset: range.max,
            last_log_offset: Default::default(),
            lag_bytes: 0,
        }
    }

    fn limits(&self, plan: &Plan, config: &BrokerConfig) -> ReadLimits {
        let (count, bytes) = if self.is_old(plan, config) {
            (config.max_transfer_count_on_message_in_disk, config.max_transfer_bytes_on_message_in_disk)
        } else {
            (config.max_transfer_count_on_message_in_memory, config.max_transfer_bytes_on_message_in_memory)
        };
        let bytes = plan.max_bytes.map_or(bytes, |asked| bytes.min(i64::from(asked.max(100))));
        let asked = plan.max_messages.min(config.pull_batch_max_message_count);
        let scanned = (config.max_filter_message_size / ENTRY_LEN_BYTES).max(asked);
        ReadLimits {
            max_messages: usize::try_from(asked.min(count)).unwrap_or(0).max(1),
            max_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            max_entries_scanned: usize::try_from(scanned).unwrap_or(0).max(1),
        }
    }

    /// Whether what is to be read is no longer expected in memory.
    fn is_old(&self, plan: &Plan, config: &BrokerConfig) -> bool {
        // A log that fits memory needs no look at the queue.
        if plan.offset < 0 || self.fits_memory(config) {
            return false;
        }
        let (end, recent_bytes) = (self.store.log_range().1, self.recent_bytes(config));
        let first = self.store.queue_entries(&plan.topic, plan.queue_id, plan.from(), 1);
        first.first().is_some_and(|entry| end.0.saturating_sub(entry.log_offset.0) > recent_bytes)
    }

    fn fits_memory(&self, config: &BrokerConfig) -> bool {
        let (start, end) = self.store.log_range();
        end.0 - start.0 <= self.recent_bytes(config)
    }

    fn recent_bytes(&self, config: &BrokerConfig) -> u64 {
        let percent = u64::from(config.access_message_in_memory_max_ratio.unsigned_abs());
        self.memory_bytes / 100 * percent
    }
}

/// A reading and what may become of it.
pub(super) struct Served {
    pub(super) reply: RemotingCommand,
    /// Whether there is nothing yet.
    pub(super) may_wait: bool,
    /// Where the next read begins, if no message of those looked at was wanted.
    pub(super) passed_over: Option<u64>,
}

impl Served {
    fn refused(error: HandlerError) -> Served {
        Served { reply: refusal(error), may_wait: false, passed_over: None }
    }
}

impl Plan {
    /// Of messages that were sent back, those that others of the group want are not for this member.
    fn rest(&self) -> Option<NotForOthers<'_>> {
        let differ = !self.others.is_empty() && is_retry_topic(&self.topic);
        differ.then(|| NotForOthers(ForOthers::new(self)))
    }

    fn new(header: &PullMessageRequest, admitted: &Admitted, peer: SocketAddr) -> Plan {
        Plan {
            group: header.consumer_group.as_str().into(),
            topic: storage_topic(&header.topic, header.lite_topic.as_deref()).into(),
            queue_id: header.queue_id,
            offset: header.queue_offset,
            max_messages: header.max_msg_nums,
            max_bytes: header.max_msg_bytes,
            filter: admitted.filter.clone(),
            others: admitted.others.clone(),
            topic_sys_flag: admitted.topic.topic_sys_flag,
            group_sys_flag: admitted.group.group_sys_flag,
            broker_id: admitted.group.broker_id,
            broker_id_when_slow: admitted.group.which_broker_when_consume_slowly,
            peer,
        }
    }

    pub(super) fn from(&self) -> QueueOffset {
        QueueOffset(self.offset.max(0).unsigned_abs())
    }

    fn position(&self, next: u64, min: u64, max: u64) -> Position {
        Position {
            next,
            min,
            max,
            suggested_broker_id: 0,
            topic_sys_flag: self.topic_sys_flag,
            group_sys_flag: self.group_sys_flag,
        }
    }
}
