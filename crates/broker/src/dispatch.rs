//! From a request's code to its handler.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use eruca_protocol::{RemotingCommand, RequestCode, ResponseCode};
use eruca_remoting::{Caller, CommandService, Reply, SettleError};
use eruca_store::MessageStore;

use crate::{
    clients::{ConsumerIdsNotice, ConsumerTable, ProducerTable},
    controller::ControllerHandler,
    groups::GroupTable,
    handler::{
        AdminHandler, AssignmentHandler, ClientHandler, ConsumerListHandler, ConsumerOffsetHandler,
        EndTransactionHandler, HeartbeatHandler, LiteInfoHandler, LiteSubscriptionHandler, LockQueueHandler,
        PopMessageHandler, PullMessageHandler, QueryMessageHandler, RecallMessageHandler,
        ReplyMessageHandler, SendBackHandler, SendMessageHandler,
    },
    offsets::OffsetTable,
    pop::PopService,
    registration::Membership,
    reply::HandlerError,
    role::{RoleState, refused_by_slave},
    settings::Settings,
    topics::TopicTable,
    transaction::Transactions,
};

/// A request that takes longer on its connection's thread is logged: all connections of the thread wait with it.
const SLOW: Duration = Duration::from_millis(500);

/// Every handler of the broker.
#[derive(Debug)]
pub struct Handlers {
    /// `SEND_MESSAGE` and its like.
    pub send: SendMessageHandler,
    /// `PULL_MESSAGE`, `LITE_PULL_MESSAGE`.
    pub pull: Arc<PullMessageHandler>,
    /// `POP_MESSAGE` and its like.
    pub pop: Arc<PopMessageHandler>,
    /// `SEND_REPLY_MESSAGE` and its V2.
    pub reply: ReplyMessageHandler,
    /// `HEART_BEAT`.
    pub heartbeat: HeartbeatHandler,
    /// `UNREGISTER_CLIENT`, `CHECK_CLIENT_CONFIG`.
    pub client: ClientHandler,
    /// `GET_CONSUMER_LIST_BY_GROUP`.
    pub consumer_list: ConsumerListHandler,
    /// `QUERY_ASSIGNMENT`, `SET_MESSAGE_REQUEST_MODE`.
    pub assignment: Arc<AssignmentHandler>,
    /// `LITE_SUBSCRIPTION_CTL`.
    pub lite_subscription: LiteSubscriptionHandler,
    /// What administrators ask of lite topics.
    pub lite_info: LiteInfoHandler,
    /// `LOCK_BATCH_MQ`, `UNLOCK_BATCH_MQ`.
    pub lock_queue: LockQueueHandler,
    /// `RECALL_MESSAGE`.
    pub recall: RecallMessageHandler,
    /// `CONSUMER_SEND_MSG_BACK`.
    pub send_back: SendBackHandler,
    /// `END_TRANSACTION`, `RESUME_CHECK_HALF_MESSAGE`.
    pub transaction: EndTransactionHandler,
    /// Offsets: committed ones, and the ends of queues.
    pub offset: ConsumerOffsetHandler,
    /// `QUERY_MESSAGE`, `VIEW_MESSAGE_BY_ID`, `QUERY_CONSUME_QUEUE`.
    pub query: QueryMessageHandler,
    /// Everything that administrators ask and change.
    pub admin: AdminHandler,
    /// What members of the group and name servers say of it.
    pub(crate) membership: Arc<Membership>,
    /// What the controller says, and what is asked about it.
    pub(crate) controller: ControllerHandler,
}

/// What is settled before answers go out.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The messages.
    pub store: Arc<MessageStore>,
    /// The topics.
    pub topics: Arc<TopicTable>,
    /// The groups.
    pub groups: Arc<GroupTable>,
    /// The offsets.
    pub offsets: Arc<OffsetTable>,
}

impl Settled {
    /// What groups have consumed ends no later than the queues: their ends may have been cut off, or not have come here.
    pub(crate) fn cut_offsets(&self) {
        self.offsets.cut(|topic, queue_id| self.store.queue_range(topic, queue_id).max.0);
    }
}

/// Who is told when a connection ends.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Producers.
    pub producers: Arc<ProducerTable>,
    /// Consumers.
    pub consumers: Arc<ConsumerTable>,
    /// Tells the others of a group.
    pub notice: Arc<ConsumerIdsNotice>,
}

/// Answers every request of the broker.
#[derive(Debug)]
pub struct Dispatcher {
    handlers: Handlers,
    settled: Settled,
    transactions: Arc<Transactions>,
    pop: Arc<PopService>,
    clients: Clients,
    role: Arc<RoleState>,
    settings: Arc<Settings>,
}

impl Dispatcher {
    /// A dispatcher to these handlers.
    pub fn new(
        handlers: Handlers,
        settled: Settled,
        transactions: Arc<Transactions>,
        pop: Arc<PopService>,
        clients: Clients,
        role: Arc<RoleState>,
        settings: Arc<Settings>,
    ) -> Self {
        Dispatcher { handlers, settled, transactions, pop, clients, role, settings }
    }

    fn route(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        use RequestCode as Code;
        if !self.role.is_master()
            && let Some(refusal) = refused_by_slave(request.request_code(), &self.settings.now())
        {
            return Err(refusal);
        }
        let to = &self.handlers;
        to.controller.check_lease(request.request_code())?;
        match request.request_code() {
            Code::SEND_MESSAGE | Code::SEND_MESSAGE_V2 | Code::SEND_BATCH_MESSAGE => {
                Ok(to.send.handle(caller, request))
            }
            Code::SEND_REPLY_MESSAGE | Code::SEND_REPLY_MESSAGE_V2 => {
                to.reply.handle(&to.send, caller, request)
            }
            Code::PULL_MESSAGE | Code::LITE_PULL_MESSAGE => to.pull.handle(caller, request),
            Code::POP_MESSAGE => to.pop.pop(caller, request),
            Code::POP_LITE_MESSAGE => to.pop.pop_lite(caller, request),
            Code::LITE_SUBSCRIPTION_CTL => to.lite_subscription.control(caller, request),
            Code::ACK_MESSAGE => to.pop.ack(caller, request),
            Code::BATCH_ACK_MESSAGE => to.pop.batch_ack(request),
            Code::CHANGE_MESSAGE_INVISIBLETIME => to.pop.change_invisible_time(caller, request),
            Code::NOTIFICATION => to.pop.notification(caller, request),
            Code::POLLING_INFO => to.pop.polling_info(caller, request),
            Code::PEEK_MESSAGE => to.pop.peek(caller, request),
            Code::HEART_BEAT => to.heartbeat.handle(caller, request),
            Code::UNREGISTER_CLIENT => to.client.unregister(caller, request),
            Code::CHECK_CLIENT_CONFIG => to.client.check(request),
            Code::GET_CONSUMER_LIST_BY_GROUP => to.consumer_list.handle(request),
            Code::QUERY_ASSIGNMENT => to.assignment.query(caller, request),
            Code::SET_MESSAGE_REQUEST_MODE => to.assignment.set_mode(request),
            Code::GET_ALL_MESSAGE_REQUEST_MODE => Ok(to.assignment.all_modes(request)),
            Code::LOCK_BATCH_MQ => to.lock_queue.lock(caller, request),
            Code::UNLOCK_BATCH_MQ => to.lock_queue.unlock(request),
            Code::RECALL_MESSAGE => to.recall.handle(caller, request),
            Code::CONSUMER_SEND_MSG_BACK => to.send_back.handle(caller, request),
            Code::END_TRANSACTION => to.transaction.end(caller, request),
            Code::RESUME_CHECK_HALF_MESSAGE => to.transaction.resume(request),
            Code::QUERY_CONSUMER_OFFSET => to.offset.query(request),
            Code::UPDATE_CONSUMER_OFFSET => to.offset.update(request),
            Code::GET_MAX_OFFSET => to.offset.max(request),
            Code::GET_MIN_OFFSET => to.offset.min(request),
            Code::SEARCH_OFFSET_BY_TIMESTAMP => to.offset.by_time(request),
            Code::GET_EARLIEST_MSG_STORETIME => to.offset.earliest_store_time(request),
            Code::QUERY_CORRECTION_OFFSET => to.offset.correction(request),
            Code::NOTIFY_MIN_BROKER_ID_CHANGE => to.membership.notified(request),
            Code::NOTIFY_BROKER_ROLE_CHANGED => to.controller.role_changed(caller, request),
            Code::GET_BROKER_EPOCH_CACHE => to.controller.epochs(request),
            Code::EXCHANGE_BROKER_HA_INFO => to.membership.exchange(caller, request),
            Code::QUERY_MESSAGE => to.query.query(caller, request),
            Code::VIEW_MESSAGE_BY_ID => to.query.view(request),
            Code::QUERY_CONSUME_QUEUE => to.query.consume_queue(request),
            Code::GET_BROKER_LITE_INFO => to.lite_info.broker(request),
            Code::GET_PARENT_TOPIC_INFO => to.lite_info.parent(request),
            Code::GET_LITE_TOPIC_INFO => to.lite_info.topic(request),
            Code::GET_LITE_CLIENT_INFO => to.lite_info.client(request),
            Code::GET_LITE_GROUP_INFO => to.lite_info.group(request),
            Code::TRIGGER_LITE_DISPATCH => to.lite_info.dispatch(request),
            code => to.admin.handle(caller, request).unwrap_or_else(|| Err(not_supported(code))),
        }
    }
}

/// In Java's words, with the code's name where it has one.
fn not_supported(code: RequestCode) -> HandlerError {
    let name = code.name().map(|name| format!(" ({name})")).unwrap_or_default();
    HandlerError::new(
        ResponseCode::REQUEST_CODE_NOT_SUPPORTED,
        format!(" request type {} not supported{name}", code.0),
    )
}

impl CommandService for Dispatcher {
    fn call(&self, caller: &Caller, request: RemotingCommand) -> Reply {
        let started = Instant::now();
        let reply = self.route(caller, &request).unwrap_or_else(|error| {
            if request.is_oneway() {
                tracing::debug!(code = %request.request_code(), peer = %caller.peer_addr(), %error, "oneway request refused");
            }
            Reply::Now(error.into_reply(&request))
        });
        let took = started.elapsed();
        if took > SLOW {
            tracing::warn!(
                code = %request.request_code(),
                peer = %caller.peer_addr(),
                took_ms = took.as_millis(),
                "slow request: other connections had to wait for it"
            );
        }
        if request.is_oneway() && matches!(reply, Reply::Now(_)) { Reply::None } else { reply }
    }

    fn settle(&self) -> Result<(), SettleError> {
        let Settled { store, topics, groups, offsets } = &self.settled;
        topics.settle();
        groups.settle();
        self.transactions.before_settle();
        let settled = self.pop.settling(|| store.settle());
        self.transactions.after_settle(settled.is_ok());
        // Offsets last: those of pops must not be in the kernel before what tells of the pops.
        offsets.settle();
        settled.map_err(|why| {
            let HandlerError { code, remark } = why.into();
            SettleError { code, remark }
        })
    }

    fn disconnected(&self, caller: &Caller) {
        let Clients { producers, consumers, notice } = &self.clients;
        producers.disconnected(caller.id());
        for group in consumers.disconnected(caller.id()) {
            tracing::info!(group, peer = %caller.peer_addr(), "consumer disconnected");
            notice.send(&group);
        }
    }
}
