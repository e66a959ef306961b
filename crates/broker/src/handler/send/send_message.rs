//! The way of a message into the store.

use std::{
    borrow::Cow,
    cell::Cell,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU32},
};

use eruca_message::{
    Clock, LogOffset, OFFSET_ID_LEN_MAX, OffsetMessageId, PropertiesError, RecallHandle, Timestamp,
    UniqueIdGenerator, decode_batch,
    names::{MAX_TOPIC_LEN_BYTES, TRANS_HALF_TOPIC, is_retry_topic},
    properties::{
        DELAY_TIME_LEVEL, INNER_BASE, INNER_NUM, MAX_PROPERTIES_LEN_BYTES, MSG_REGION, PRIORITY, TRACE_SWITCH,
    },
    sys_flag,
};
use eruca_protocol::{ExtFields, RemotingCommand, ResponseCode};
use eruca_remoting::{Caller, Reply};
use eruca_store::{AppendError, AppendMessage, Appended, MessageStore};

use super::{
    admission::Destination,
    half_message::flags_without_transaction,
    header::SendHeader,
    properties::{Asked, BrokersOwn, rewrite, trace_text},
};
use crate::{
    config::BrokerConfig,
    dead_letter::in_no_light_queue,
    delay::Parking,
    groups::GroupTable,
    handler::Durability,
    idempotence::IdempotentSends,
    locks::QueueLocks,
    reply::HandlerError,
    settings::Settings,
    stats::BrokerStats,
    topics::{TopicTable, has_batch_queues},
    transaction::Transactions,
};

/// What a property buffer keeps after a message with many.
const SCRATCH_KEPT_BYTES: usize = 64 << 10;

thread_local! {
    /// Encoded properties of the message at hand.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Answers sends.
#[derive(Debug)]
pub struct SendMessageHandler {
    pub(super) store: Arc<MessageStore>,
    pub(super) topics: Arc<TopicTable>,
    pub(super) groups: Arc<GroupTable>,
    /// Whose locks tell which groups consume in order.
    pub(super) locks: Arc<QueueLocks>,
    pub(super) settings: Arc<Settings>,
    stats: Arc<BrokerStats>,
    pub(super) clock: Arc<dyn Clock>,
    durability: Arc<Durability>,
    /// What messages and ids say where they were stored.
    pub(super) store_host: SocketAddr,
    pub(super) self_test_group: String,
    own: BrokersOwn,
    unique_ids: UniqueIdGenerator,
    pub(super) parking: Arc<Parking>,
    pub(super) transactions: Arc<Transactions>,
    /// Spreads messages over queues whose producer did not choose one.
    pub(super) spread: AtomicU32,
    pub(super) idempotent: IdempotentSends,
}

/// All that is known of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Send<'r, 'a> {
    pub(super) caller: &'r Caller,
    pub(super) request: &'r RemotingCommand,
    pub(super) header: &'r SendHeader<'a>,
    pub(super) asked: &'r Asked<'a>,
    pub(super) config: &'r BrokerConfig,
    pub(super) now: Timestamp,
}

/// Messages that are in the store.
#[derive(Debug)]
pub(super) struct Stored<'a> {
    pub(super) first: Appended,
    pub(super) log_offset_end: LogOffset,
    /// How many were stored now, and their bytes in the log.
    pub(super) messages: usize,
    pub(super) bytes: u64,
    /// The places of the messages of a batch.
    pub(super) batch: Vec<Appended>,
    /// Offset ids, separated by commas.
    pub(super) message_ids: String,
    pub(super) unique_key: Cow<'a, str>,
    /// All of them are one record.
    pub(super) is_inner_batch: bool,
    /// It waits in the half topic.
    pub(super) is_half: bool,
    /// When the only one is delivered, where it has a time of its own.
    pub(super) deliver_at: Option<Timestamp>,
}

/// A batch that becomes one record.
#[derive(Debug, Clone, Copy)]
struct InnerBatch<'a> {
    messages: usize,
    unique_key: &'a str,
}

impl SendMessageHandler {
    /// A handler; `store_host` is the address that the broker advertises, `self_test_group` the one producer group that
    /// may send to the self test's topic.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the broker that sends need")]
    pub fn new(
        store: Arc<MessageStore>,
        topics: Arc<TopicTable>,
        groups: Arc<GroupTable>,
        locks: Arc<QueueLocks>,
        parking: Arc<Parking>,
        transactions: Arc<Transactions>,
        settings: Arc<Settings>,
        stats: Arc<BrokerStats>,
        clock: Arc<dyn Clock>,
        durability: Arc<Durability>,
        store_host: SocketAddr,
        self_test_group: String,
    ) -> Self {
        let config = settings.now();
        SendMessageHandler {
            parking,
            idempotent: IdempotentSends::new(store.clone(), clock.now()),
            transactions,
            own: BrokersOwn::new(&config.region_id, &config.broker_cluster_name),
            unique_ids: UniqueIdGenerator::new(store_host.ip(), std::process::id(), 0),
            store,
            topics,
            groups,
            locks,
            settings,
            stats,
            clock,
            durability,
            store_host,
            self_test_group,
            spread: AtomicU32::new(0),
        }
    }

    /// Answers one send; the answer goes out after the store has settled.
    pub fn handle(&self, caller: &Caller, request: &RemotingCommand) -> Reply {
        let config = self.settings.now();
        let header = match SendHeader::decode(request) {
            Ok(header) => header,
            Err(error) => return Reply::Now(HandlerError::from(error).into_reply(request)),
        };
        self.send(caller, request, &header, &config).unwrap_or_else(|error| {
            // Java says region and trace switch in refusals, too: its clients look for them.
            let mut reply = error.into_reply(request);
            self.push_region(&mut reply.ext_fields, config.trace_on);
            Reply::Now(reply)
        })
    }

    fn send(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
        header: &SendHeader<'_>,
        config: &BrokerConfig,
    ) -> Result<Reply, HandlerError> {
        let now = self.clock.now();
        let mut destination = self.admit(header, config, caller.peer_addr(), now)?;
        if request.body.is_empty() {
            let cause = format!(
                "the message body is empty, it must have 1 to maxMessageSize={} bytes: send a body of one byte at least",
                config.max_message_size
            );
            return Err(HandlerError::message_illegal(config.max_message_size, cause));
        }
        let asked = Asked::scan(header.properties);
        if !header.is_batch {
            self.redirect_retry(header, request, &mut destination, now)?;
            if let Some(priority) = asked.priority.filter(|_| asked.is_by_priority()) {
                destination.by_priority(priority);
            }
        }
        let wanted = self.durability.wanted(asked.no_wait, config)?;
        self.durability.check_lease(wanted)?;
        let send = Send { caller, request, header, asked: &asked, config, now };
        let stored = match IdempotentSends::window_ms(&destination.topic) {
            Some(window_ms) => self.append_once(&send, &mut destination, window_ms)?,
            None => self.append_new(&send, &destination)?,
        };
        let counted_in = if stored.is_half { TRANS_HALF_TOPIC } else { header.topic };
        self.stats.put(counted_in, stored.messages as u64, stored.bytes);
        let success = self.success(request, config, &destination, &stored);
        let responder = || caller.responder(request);
        Ok(self.durability.acknowledge(responder, success, stored.log_offset_end, wanted, config, now))
    }

    /// Stores what was sent.
    pub(super) fn append_new<'a>(
        &self,
        send: &Send<'_, 'a>,
        destination: &Destination,
    ) -> Result<Stored<'a>, HandlerError> {
        if send.header.is_batch {
            self.append_batch(send, destination)
        } else {
            self.append_single(send, destination)
        }
    }

    fn append_single<'a>(
        &self,
        send: &Send<'_, 'a>,
        destination: &Destination,
    ) -> Result<Stored<'a>, HandlerError> {
        let Send { caller, request, header, asked, config, now } = *send;
        let is_half = self.is_half(header, asked, destination, config)?;
        if asked.is_inner_batch {
            return Err(HandlerError::message_illegal(
                config.max_message_size,
                "the message has the property INNER_NUM, which brokers alone set: leave it out, and send many messages as a batch",
            ));
        }
        let unique_key = match asked.unique_key {
            Some(key) => Cow::Borrowed(key),
            None => Cow::Owned(self.unique_ids.next_id(now)),
        };
        let made_key = asked.unique_key.is_none().then_some(&*unique_key);
        let mut properties = SCRATCH.take();
        self.own.add_to(header.properties, asked, made_key, config.trace_on, &mut properties);
        if asked.priority.is_some() && !asked.is_by_priority() {
            rewrite(&mut properties, |properties| properties.remove(PRIORITY));
        }
        if let Some(lite) = asked.lite_topic {
            self.name_lite_queue(&destination.topic, lite, config, &mut properties)?;
        }
        if is_half {
            let appended = self.append_half(send, destination, &mut properties);
            give_back(properties);
            return Ok(Stored { is_half, ..self.stored_one(appended?, unique_key) });
        }
        let (target, queue_id) = (destination.topic.topic_name.as_str(), destination.stored_in());
        if destination.is_dead_letter {
            rewrite(&mut properties, |properties| {
                properties.set(DELAY_TIME_LEVEL, "-1");
                in_no_light_queue(properties);
            });
        }
        let parked = match asked.may_wait() {
            true => {
                rewrite(&mut properties, |properties| self.parking.park(properties, target, queue_id, now))?
            }
            false => None,
        };
        let (topic, queue_id) = parked.map_or((target, queue_id), |parked| (parked.topic, parked.queue_id));
        let appended = if properties.len() > MAX_PROPERTIES_LEN_BYTES {
            let cause = PropertiesError::TooLong { len: properties.len() };
            Err(HandlerError::message_illegal(config.max_message_size, cause))
        } else {
            self.store
                .append(&AppendMessage {
                    topic,
                    queue_id,
                    properties: &properties,
                    sys_flag: flags_without_transaction(header, asked),
                    ..self.message(caller, request, header)
                })
                .map_err(|error| HandlerError::from_append(error, config.max_message_size))
        };
        give_back(properties);
        let deliver_at = parked.and_then(|parked| parked.deliver_at);
        Ok(Stored { deliver_at, ..self.stored_one(appended?, unique_key) })
    }

    fn stored_one<'a>(&self, first: Appended, unique_key: Cow<'a, str>) -> Stored<'a> {
        Stored {
            first,
            log_offset_end: first.log_offset_end,
            messages: 1,
            bytes: first.log_offset_end.0 - first.log_offset.0,
            batch: Vec::new(),
            message_ids: self.message_id(&first),
            unique_key,
            is_inner_batch: false,
            is_half: false,
            deliver_at: None,
        }
    }

    fn append_batch<'a>(
        &self,
        send: &Send<'_, 'a>,
        destination: &Destination,
    ) -> Result<Stored<'a>, HandlerError> {
        let Send { caller, request, header, asked, config, .. } = *send;
        let illegal = |remark| HandlerError::new(ResponseCode::MESSAGE_ILLEGAL, remark);
        if header.topic.len() > MAX_TOPIC_LEN_BYTES {
            return Err(illegal(format!(
                "message topic length too long {}: the limit for a batch is {MAX_TOPIC_LEN_BYTES} bytes, choose a shorter name",
                header.topic.len()
            )));
        }
        if is_retry_topic(header.topic) {
            return Err(illegal(format!(
                "batch request does not support retry group {}: send its messages one by one",
                header.topic
            )));
        }
        refuse_long_body(&request.body, config)?;
        if self.is_half(header, asked, destination, config)? {
            return Err(illegal("a batch cannot be a half message: send its messages one by one".to_owned()));
        }
        let entries = decode_batch(&request.body)?;
        // As in Java a batch without an id of its own is stored message by message.
        if let Some(unique_key) = asked.unique_key
            && has_batch_queues(&destination.topic)
        {
            let messages = entries.len();
            let batch = InnerBatch { messages, unique_key };
            return self.append_inner_batch(send, destination, batch);
        }
        let common = self.message(caller, request, header);
        let messages: Vec<AppendMessage<'_>> = entries
            .iter()
            .map(|entry| AppendMessage {
                topic: &destination.topic.topic_name,
                queue_id: destination.queue_id,
                flag: entry.flag,
                body: entry.body,
                properties: entry.properties,
                ..common
            })
            .collect();
        let placed = self
            .store
            .append_batch(&messages)
            .map_err(|error| HandlerError::from_append(error, config.max_message_size))?;
        let (Some(first), Some(last)) = (placed.first(), placed.last()) else {
            return Err(illegal("the batch has no message: send one at least".to_owned()));
        };
        Ok(Stored {
            first: *first,
            log_offset_end: last.log_offset_end,
            messages: placed.len(),
            bytes: last.log_offset_end.0 - first.log_offset.0,
            message_ids: self.message_ids(&placed),
            unique_key: Cow::Borrowed(asked.unique_key.unwrap_or_default()),
            is_inner_batch: false,
            is_half: false,
            deliver_at: None,
            batch: placed,
        })
    }

    /// One record that holds all messages, for a topic with batch queues.
    fn append_inner_batch<'a>(
        &self,
        send: &Send<'_, 'a>,
        destination: &Destination,
        batch: InnerBatch<'a>,
    ) -> Result<Stored<'a>, HandlerError> {
        let Send { caller, request, header, asked, config, .. } = *send;
        let mut properties = Vec::new();
        self.own.add_to(header.properties, asked, None, config.trace_on, &mut properties);
        rewrite(&mut properties, |properties| {
            properties.set(INNER_NUM, batch.messages.to_string());
            properties.remove(INNER_BASE);
        });
        if i16::try_from(batch.messages).is_err() {
            let remark = format!(
                "the batch has {} messages, the limit is {}: send fewer at once",
                batch.messages,
                i16::MAX
            );
            return Err(HandlerError::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        }
        let common = self.message(caller, request, header);
        let message = AppendMessage {
            topic: &destination.topic.topic_name,
            queue_id: destination.queue_id,
            sys_flag: header.sys_flag | sys_flag::INNER_BATCH | sys_flag::NEED_UNWRAP,
            properties: &properties,
            ..common
        };
        let appended = self.store.append(&message);
        let first = appended.map_err(|error| HandlerError::from_append(error, config.max_message_size))?;
        Ok(Stored {
            first,
            log_offset_end: first.log_offset_end,
            messages: batch.messages,
            bytes: first.log_offset_end.0 - first.log_offset.0,
            batch: Vec::new(),
            message_ids: self.message_id(&first),
            unique_key: Cow::Borrowed(batch.unique_key),
            is_inner_batch: true,
            is_half: false,
            deliver_at: None,
        })
    }

    /// What all messages of a request have in common.
    pub(super) fn message<'a>(
        &self,
        caller: &Caller,
        request: &'a RemotingCommand,
        header: &SendHeader<'_>,
    ) -> AppendMessage<'a> {
        AppendMessage {
            topic: "",
            queue_id: 0,
            flag: header.flag,
            sys_flag: header.sys_flag,
            born_timestamp: Timestamp(header.born_timestamp),
            born_host: caller.peer_addr(),
            store_host: self.store_host,
            reconsume_times: header.reconsume_times,
            prepared_transaction_offset: 0,
            body: &request.body,
            properties: b"",
        }
    }

    fn success(
        &self,
        request: &RemotingCommand,
        config: &BrokerConfig,
        destination: &Destination,
        stored: &Stored<'_>,
    ) -> RemotingCommand {
        let mut reply = request.reply(ResponseCode::SUCCESS);
        let mut fields = ExtFields::with_capacity(6, 160 + stored.message_ids.len());
        fields.push("msgId", &stored.message_ids);
        fields.push_display("queueId", destination.queue_id);
        fields.push_display("queueOffset", stored.first.queue_offset);
        if !stored.unique_key.is_empty() {
            fields.push("transactionId", &stored.unique_key);
        }
        if stored.is_inner_batch {
            fields.push("batchUniqId", &stored.unique_key);
        }
        let target = &destination.topic.topic_name;
        if let Some(deliver_at) = stored.deliver_at.filter(|_| !is_retry_topic(target)) {
            let handle = RecallHandle {
                topic: target.clone(),
                broker_name: config.broker_name.clone(),
                deliver_at,
                unique_key: stored.unique_key.clone().into_owned(),
            };
            fields.push("recallHandle", &handle.encode());
        }
        self.push_region(&mut fields, config.trace_on);
        reply.ext_fields = fields;
        reply
    }

    pub(super) fn push_region(&self, fields: &mut ExtFields, trace_on: bool) {
        fields.push(MSG_REGION, self.own.region());
        fields.push(TRACE_SWITCH, trace_text(trace_on));
    }

    fn message_id(&self, appended: &Appended) -> String {
        self.message_ids(std::slice::from_ref(appended))
    }

    pub(super) fn message_ids(&self, placed: &[Appended]) -> String {
        let mut buffer = [0; OFFSET_ID_LEN_MAX];
        let mut ids = String::with_capacity(placed.len() * (OFFSET_ID_LEN_MAX + 1));
        for one in placed {
            if !ids.is_empty() {
                ids.push(',');
            }
            let id = OffsetMessageId { store_host: self.store_host, log_offset: one.log_offset };
            ids.push_str(id.text(&mut buffer));
        }
        ids
    }
}

/// The store looks at single messages; replies need not come there, and of a batch it sees the messages.
pub(super) fn refuse_long_body(body: &[u8], config: &BrokerConfig) -> Result<(), HandlerError> {
    let (len_bytes, limit_bytes) = (body.len(), config.max_message_size);
    match len_bytes > limit_bytes {
        true => {
            Err(HandlerError::from_append(AppendError::BodyTooLarge { len_bytes, limit_bytes }, limit_bytes))
        }
        false => Ok(()),
    }
}

/// Keeps a property buffer for the next message.
fn give_back(mut properties: Vec<u8>) {
    properties.clear();
    properties.shrink_to(SCRATCH_KEPT_BYTES);
    SCRATCH.set(properties);
}
