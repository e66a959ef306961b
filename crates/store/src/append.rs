//! Appending: giving messages their places in log and queue. [`MessageStore::settle`] hands them to the operating system.
//!
//! `append` encodes outside of the lock and holds it for the copy alone.

use std::{
    cell::Cell,
    net::SocketAddr,
    sync::{Arc, MutexGuard, PoisonError},
};

use eruca_message::{
    LogOffset, QueueOffset, Record, RecordError, RecordFields, Timestamp, encode_record, names,
    properties::MAX_PROPERTIES_LEN_BYTES,
};

use crate::{
    commit_log::{Pending, Staging},
    consume_queue::{BatchQueue, BatchQueueEntry, ConsumeQueue, ConsumeQueueEntry},
    dispatch::{entry_tags_code, has_queue_entry, inner_batch_count, is_inner_batch, multi_dispatch},
    error::AppendError,
    store::MessageStore,
    unfinished::{MultiDispatch, Unfinished},
    watermark::LogTip,
    write_state::WriteStopped,
};

/// Staged bytes at which an append settles by itself.
const STAGED_MAX_BYTES: usize = 1 << 20;
/// What a thread's encoding buffer keeps after a large message.
const SCRATCH_KEPT_BYTES: usize = 256 << 10;

/// A message to append.
#[derive(Debug, Clone, Copy)]
pub struct AppendMessage<'a> {
    /// Topic name. Whether there is such a topic is not the store's business.
    pub topic: &'a str,
    /// Queue number, from 0.
    pub queue_id: i32,
    /// The user's flag.
    pub flag: i32,
    /// See [`eruca_message::sys_flag`]; the two host bits are set from the hosts.
    pub sys_flag: i32,
    /// When the producer made it.
    pub born_timestamp: Timestamp,
    /// Where it came from.
    pub born_host: SocketAddr,
    /// The broker.
    pub store_host: SocketAddr,
    /// How often it was sent back.
    pub reconsume_times: i32,
    /// Log offset of the half message of a committed one, else 0.
    pub prepared_transaction_offset: i64,
    /// Body.
    pub body: &'a [u8],
    /// Encoded properties (see [`eruca_message::properties`]).
    pub properties: &'a [u8],
}

impl<'a> AppendMessage<'a> {
    /// The message of a record, with other properties in another place.
    pub fn moved(record: &Record<'a>, topic: &'a str, queue_id: i32, properties: &'a [u8]) -> Self {
        let fields = &record.fields;
        AppendMessage {
            topic,
            queue_id,
            flag: fields.flag,
            sys_flag: fields.sys_flag,
            born_timestamp: fields.born_timestamp,
            born_host: fields.born_host,
            store_host: fields.store_host,
            reconsume_times: fields.reconsume_times,
            prepared_transaction_offset: fields.prepared_transaction_offset,
            body: fields.body,
            properties,
        }
    }
}

/// Where a message lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appended {
    /// Start of its record.
    pub log_offset: LogOffset,
    /// End of its record, exclusive: what [`MessageStore::on_flushed`] takes.
    pub log_offset_end: LogOffset,
    /// Index in its queue; 0 for a kind of record that has no queue entry.
    pub queue_offset: QueueOffset,
    /// When it was stored.
    pub store_timestamp: Timestamp,
}

/// What the append lock guards.
#[derive(Debug, Default)]
pub(crate) struct AppendState {
    /// Where the next record goes.
    pub(crate) log_end: u64,
    /// Store times never go back in the log: queries by time search it by halves.
    pub(crate) last_store_timestamp: Timestamp,
    pub(crate) staging: Staging,
    /// Counts how often staged records were dropped.
    pub(crate) drops: u64,
    /// Why they were the last time.
    pub(crate) dropped_for: Option<WriteStopped>,
}

impl AppendState {
    /// Behind the last record of the log.
    pub(crate) fn at(tip: LogTip) -> AppendState {
        AppendState { log_end: tip.end, last_store_timestamp: tip.store_timestamp, ..AppendState::default() }
    }
}

/// Records back to back, as far as they are known before they have a place.
#[derive(Debug, Default)]
struct Encoded {
    bytes: Vec<u8>,
    /// Length and `tagsCode` of each.
    records: Vec<(usize, i64)>,
    /// What the only record still lacks.
    unfinished: Option<Unfinished>,
    /// How many messages the only record holds, where it is an inner batch.
    inner_count: u16,
}

/// The queue of the messages that are appended.
enum Home {
    /// These messages get no entry.
    None,
    /// An ordinary one.
    Queue(Arc<ConsumeQueue>),
    /// A batch queue.
    Batch(Arc<BatchQueue>),
}

thread_local! {
    /// Encoded records on their way into the staging buffer.
    static SCRATCH: Cell<Encoded> = const {
        Cell::new(Encoded { bytes: Vec::new(), records: Vec::new(), unfinished: None, inner_count: 0 })
    };
}

impl MessageStore {
    /// Gives a message its place in log and queue. It is visible and survives a killed process after the next
    /// [`MessageStore::settle`] on this thread; do not acknowledge it before.
    ///
    /// # Errors
    /// [`AppendError`]; nothing of the message is in the log then.
    pub fn append(&self, message: &AppendMessage<'_>) -> Result<Appended, AppendError> {
        let mut one = None;
        let messages = std::slice::from_ref(message);
        let special = is_inner_batch(message.sys_flag) || self.config.multi_dispatch;
        self.append_all(messages, special, |appended| one = Some(appended))?;
        // One message in, one place out; an empty batch cannot come here.
        one.ok_or(AppendError::MixedBatch)
    }

    /// Appends messages for one queue of one topic, all or none of them: they lie one after the other in the log
    /// and have consecutive queue offsets. An empty batch is nothing.
    ///
    /// # Errors
    /// As [`MessageStore::append`]; [`AppendError::MixedBatch`] for messages of different queues.
    pub fn append_batch(&self, messages: &[AppendMessage<'_>]) -> Result<Vec<Appended>, AppendError> {
        let mut all = Vec::with_capacity(messages.len());
        // As in Java the messages of a batch are in no other queue.
        self.append_all(messages, false, |appended| all.push(appended))?;
        Ok(all)
    }

    fn append_all(
        &self,
        messages: &[AppendMessage<'_>],
        may_be_unfinished: bool,
        placed: impl FnMut(Appended),
    ) -> Result<(), AppendError> {
        let Some(first) = messages.first() else { return Ok(()) };
        self.gate.check()?;
        self.check_place(first)?;
        if messages.iter().any(|other| (other.topic, other.queue_id) != (first.topic, first.queue_id)) {
            return Err(AppendError::MixedBatch);
        }
        let mut encoded = SCRATCH.take();
        let staged = self
            .encode_all(messages, &mut encoded)
            .and_then(|()| match may_be_unfinished {
                true => self.note_unfinished(first, &mut encoded),
                false => Ok(()),
            })
            .and_then(|()| self.stage_all(messages, &mut encoded, placed));
        encoded.bytes.clear();
        encoded.bytes.shrink_to(SCRATCH_KEPT_BYTES);
        encoded.records.clear();
        encoded.unfinished = None;
        encoded.inner_count = 0;
        SCRATCH.set(encoded);
        if staged? > STAGED_MAX_BYTES {
            self.settle_early()?;
        }
        Ok(())
    }

    /// Topic and queue number become the names of directories.
    fn check_place(&self, message: &AppendMessage<'_>) -> Result<(), AppendError> {
        let topic = message.topic;
        if !is_directory_name(topic) {
            return Err(AppendError::IllegalTopic { topic: topic.chars().take(64).collect() });
        }
        if message.queue_id < 0 {
            return Err(AppendError::IllegalQueueId { topic: topic.to_owned(), queue_id: message.queue_id });
        }
        Ok(())
    }

    /// Notes what the record of the only message lacks, where it must name queue offsets.
    fn note_unfinished(&self, message: &AppendMessage<'_>, encoded: &mut Encoded) -> Result<(), AppendError> {
        let topic = message.topic;
        let unfinished = if is_inner_batch(message.sys_flag) {
            if !self.batch_queues.is_batch_topic(topic) {
                return Err(AppendError::NoBatchQueue { topic: topic.to_owned() });
            }
            encoded.inner_count = inner_batch_count(message.properties)
                .ok_or_else(|| AppendError::NoInnerCount { topic: topic.to_owned() })?;
            Unfinished::InnerBatch(self.batch_queue(topic, message.queue_id)?)
        } else {
            let names = multi_dispatch(&self.config, topic, message.queue_id, message.properties);
            if names.is_empty() || !has_queue_entry(message.sys_flag) {
                return Ok(());
            }
            let multi = MultiDispatch::new(&names, |name, id| self.queues.find_or_create(name, id));
            Unfinished::MultiDispatch(multi)
        };
        let added = unfinished.added_len_max();
        let len = message.properties.len() + added;
        if len > MAX_PROPERTIES_LEN_BYTES {
            let limit = MAX_PROPERTIES_LEN_BYTES;
            return Err(RecordError::PropertiesTooLong { len, limit }.into());
        }
        self.check_record_len(encoded.bytes.len() + added)?;
        encoded.unfinished = Some(unfinished);
        Ok(())
    }

    fn batch_queue(&self, topic: &str, queue_id: i32) -> Result<Arc<BatchQueue>, AppendError> {
        Ok(self.batch_queues.find_or_create(topic, queue_id).map_err(|error| self.stop_for(&error))?)
    }

    /// Where the messages get their entries.
    fn home_of(&self, messages: &[AppendMessage<'_>], encoded: &Encoded) -> Result<Home, AppendError> {
        let Some(first) = messages.first() else { return Ok(Home::None) };
        if let Some(Unfinished::InnerBatch(queue)) = &encoded.unfinished {
            return Ok(Home::Batch(Arc::clone(queue)));
        }
        if !messages.iter().any(|message| has_queue_entry(message.sys_flag)) {
            return Ok(Home::None);
        }
        if self.batch_queues.is_batch_topic(first.topic) {
            return self.batch_queue(first.topic, first.queue_id).map(Home::Batch);
        }
        Ok(Home::Queue(self.queues.find_or_create(first.topic, first.queue_id)))
    }

    fn check_record_len(&self, len_bytes: usize) -> Result<(), AppendError> {
        let segment = usize::try_from(self.config.segment_size_bytes).unwrap_or(usize::MAX);
        let limit_bytes = self.config.record_size_max_bytes().min(segment - 8);
        match len_bytes > limit_bytes {
            true => Err(AppendError::RecordTooLarge { len_bytes, limit_bytes }),
            false => Ok(()),
        }
    }

    fn encode_all(&self, messages: &[AppendMessage<'_>], into: &mut Encoded) -> Result<(), AppendError> {
        let segment = usize::try_from(self.config.segment_size_bytes).unwrap_or(usize::MAX);
        for message in messages {
            let (len_bytes, limit_bytes) = (message.body.len(), self.config.max_message_size_bytes);
            if len_bytes > limit_bytes {
                return Err(AppendError::BodyTooLarge { len_bytes, limit_bytes });
            }
            let fields = RecordFields {
                topic: message.topic,
                queue_id: message.queue_id,
                flag: message.flag,
                sys_flag: message.sys_flag,
                queue_offset: QueueOffset(0),
                log_offset: LogOffset(0),
                born_timestamp: message.born_timestamp,
                born_host: message.born_host,
                store_timestamp: Timestamp(0),
                store_host: message.store_host,
                reconsume_times: message.reconsume_times,
                prepared_transaction_offset: message.prepared_transaction_offset,
                body: message.body,
                properties: message.properties,
            };
            let len_bytes = encode_record(&fields, &mut into.bytes)?;
            self.check_record_len(len_bytes)?;
            // A batch lies in one segment.
            if into.bytes.len() > segment - 8 {
                let len_bytes = into.bytes.len();
                return Err(AppendError::RecordTooLarge { len_bytes, limit_bytes: segment - 8 });
            }
            into.records.push((len_bytes, self.tags_code(message, Timestamp(0))));
        }
        Ok(())
    }

    fn tags_code(&self, message: &AppendMessage<'_>, store_timestamp: Timestamp) -> i64 {
        entry_tags_code(message.topic, message.properties, store_timestamp, &self.config.delay_levels)
    }

    /// Gives the encoded records their places. How many bytes are staged now.
    fn stage_all(
        &self,
        messages: &[AppendMessage<'_>],
        encoded: &mut Encoded,
        mut placed: impl FnMut(Appended),
    ) -> Result<usize, AppendError> {
        let Some(first) = messages.first() else { return Ok(0) };
        let home = self.home_of(messages, encoded)?;
        let unfinished = encoded.unfinished.take();
        let batch_count = encoded.inner_count.max(1);
        let has_delivery_time = first.topic == names::SCHEDULE_TOPIC;
        let now = self.clock.now();

        let mut state = self.append_lock();
        // Again, under the lock: what is staged after writing stopped would be settled as if nothing happened.
        self.gate.check()?;
        let state = &mut *state;
        let now = now.max(state.last_store_timestamp);
        state.last_store_timestamp = now;
        let unsettled_drops = state.drops;
        let mut finished = None;
        if let Some(unfinished) = &unfinished {
            let base = if let Home::Batch(queue) = &home { queue.next() } else { 0 };
            finished = Some(unfinished.finish(&mut encoded.bytes, base)?);
            encoded.records.iter_mut().for_each(|(len, _)| *len = encoded.bytes.len());
        }
        let mut at = state.staging.make_room(
            state.log_end,
            encoded.bytes.len() as u64 - u64::from(planted!(SegmentEndOffByOne)),
            self.config.segment_size_bytes,
        );
        let mut rest = encoded.bytes.as_slice();
        for (message, (len, tags_code)) in messages.iter().zip(&encoded.records) {
            let (record, later) = rest.split_at(*len);
            rest = later;
            let has_entry = has_queue_entry(message.sys_flag);
            let queue_offset = match &home {
                Home::Queue(queue) if has_entry => queue.assign(1),
                Home::Batch(queue) if has_entry => queue.assign(u64::from(batch_count)),
                _ => 0,
            };
            let tags_code = if has_delivery_time { self.tags_code(message, now) } else { *tags_code };
            let (log_offset, size_bytes) = (LogOffset(at), record.len() as u32);
            let entry = ConsumeQueueEntry { log_offset, size_bytes, tags_code };
            let mut extra = finished.take().map(Box::new);
            let queue = match &home {
                Home::Queue(queue) if has_entry => Some(Arc::clone(queue)),
                Home::Batch(queue) if has_entry => {
                    let entry = batch_entry(&entry, now, queue_offset, batch_count);
                    extra.get_or_insert_default().batch = Some((Arc::clone(queue), entry));
                    None
                }
                _ => None,
            };
            let pending = Pending { queue, queue_offset, entry, store_timestamp: now, extra };
            state.staging.push_record(record, at, queue_offset, now, pending);
            at += record.len() as u64;
            placed(Appended {
                log_offset,
                log_offset_end: LogOffset(at),
                queue_offset: QueueOffset(queue_offset),
                store_timestamp: now,
            });
        }
        state.log_end = at;
        self.progress.set_appended(at);
        self.note_unsettled(unsettled_drops, at);
        Ok(state.staging.len_bytes())
    }

    pub(crate) fn append_lock(&self) -> MutexGuard<'_, AppendState> {
        self.append.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn batch_entry(entry: &ConsumeQueueEntry, stored: Timestamp, base: u64, count: u16) -> BatchQueueEntry {
    BatchQueueEntry {
        log_offset: entry.log_offset,
        size_bytes: entry.size_bytes,
        tags_code: entry.tags_code,
        store_timestamp: stored,
        base_offset: QueueOffset(base),
        message_count: count,
    }
}

/// Whether a topic can be the name of a directory.
pub(crate) fn is_directory_name(topic: &str) -> bool {
    !(topic.is_empty() || topic == "." || topic == ".." || topic.contains(['/', '\0']))
}
