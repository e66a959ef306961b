//! Half messages on their way in, their ends, and what the store's settling says about both.

use std::{
    cell::RefCell,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use eruca_message::{
    Clock, LogOffset, QueueOffset, Record, Timestamp,
    names::{TRANS_GROUP, TRANS_HALF_TOPIC, TRANS_OP_HALF_TOPIC},
    sys_flag,
    transaction::{self, Half, OP_PROPERTIES},
};
use eruca_store::{
    AppendError, AppendMessage, Appended, FlushWaiter, MessageStore, WriteState, WriteStopped, planted,
};

use super::{
    counters::{Counters, TransactionCounts},
    groups::ORPHAN_PAUSE_MS,
    progress::{Progress, Settled},
    rebuild::Times,
    refusals::{refused, too_many},
    table::{Closed, HalfTable, NewHalf},
};
use crate::{
    HandlerError,
    clients::ProducerTable,
    delay::{Parking, Wake},
    offsets::OffsetTable,
    role::Escape,
    settings::Settings,
    stats::BrokerStats,
    topics::TopicTable,
};

/// Most open half messages. One takes about 180 bytes of memory beside what it takes on the disk.
pub const HALF_MESSAGES_MAX: usize = 1_000_000;
/// Room that a half message must leave in its properties for the count of checks.
pub(crate) const CHECK_TIMES_ROOM_BYTES: usize = 64;

static SERVICES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// By service; a thread rarely has more than one.
    static UNSETTLED: RefCell<Vec<Unsettled>> = const { RefCell::new(Vec::new()) };
}

/// What a thread did and did not settle yet.
#[derive(Default)]
struct Unsettled {
    service: u64,
    halves: Vec<QueueOffset>,
    ends: Vec<(QueueOffset, Closed)>,
    /// Who waits until the disk has what was noted of their ends.
    waiters: Vec<FlushWaiter>,
    /// Behind the last operation that notes them.
    noted_up_to: Option<LogOffset>,
    /// An operation could not be appended.
    is_failed: bool,
}

/// What a producer says of its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its message is to be delivered.
    Commit,
    /// It is to be forgotten.
    Rollback,
}

/// What ending a transaction brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is ended when the store has settled.
    Now,
    /// It was ended so before.
    Before,
}

/// Transactions (Java: `TransactionalMessageService` and what it is made of).
#[derive(Debug)]
pub struct Transactions {
    /// No other of this process has it.
    number: u64,
    pub(super) store: Arc<MessageStore>,
    pub(super) topics: Arc<TopicTable>,
    pub(super) offsets: Arc<OffsetTable>,
    pub(super) producers: Arc<ProducerTable>,
    parking: Arc<Parking>,
    pub(super) settings: Arc<Settings>,
    stats: Arc<BrokerStats>,
    pub(super) clock: Arc<dyn Clock>,
    /// What operations say where they come from.
    pub(super) store_host: SocketAddr,
    state: Mutex<State>,
    pub(super) counters: Counters,
    pub(super) wake: Wake,
    /// Whose turn it is in a group.
    pub(super) turn: AtomicU64,
    /// The way to another group, of a slave that stands in for its master.
    pub(super) escape: OnceLock<Arc<Escape>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) table: HalfTable,
    pub(super) progress: Progress,
    /// Half messages that are committed and not yet noted as settled, since they were taken up.
    pub(super) unnoted: Vec<QueueOffset>,
}

impl Transactions {
    /// Finds out what is open in `store`.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the broker that this needs")]
    pub fn open(
        store: Arc<MessageStore>,
        topics: Arc<TopicTable>,
        offsets: Arc<OffsetTable>,
        producers: Arc<ProducerTable>,
        parking: Arc<Parking>,
        settings: Arc<Settings>,
        stats: Arc<BrokerStats>,
        clock: Arc<dyn Clock>,
        store_host: SocketAddr,
    ) -> Self {
        let state = State {
            table: HalfTable::new(QueueOffset(0)),
            progress: Progress::default(),
            unnoted: Vec::new(),
        };
        let transactions = Transactions {
            number: SERVICES.fetch_add(1, Ordering::Relaxed),
            store,
            topics,
            offsets,
            producers,
            parking,
            settings,
            stats,
            clock,
            store_host,
            state: Mutex::new(state),
            counters: Counters::default(),
            wake: Wake::default(),
            turn: AtomicU64::new(0),
            escape: OnceLock::new(),
        };
        if transactions.store.is_replica() {
            transactions.set_on_duty(false);
        } else {
            transactions.take_up();
            transactions.set_on_duty(true);
        }
        transactions
    }

    /// Stores a half message: `message` as it was sent, but for topic and queue, which `half` has. As with
    /// [`MessageStore::append`] the store must be settled before it is acknowledged.
    ///
    /// # Errors
    /// There are too many open half messages, or the store refuses it.
    pub fn prepare(&self, message: &AppendMessage<'_>, half: &Half<'_>) -> Result<Appended, HandlerError> {
        let message = AppendMessage {
            topic: TRANS_HALF_TOPIC,
            queue_id: 0,
            sys_flag: message.sys_flag & !sys_flag::TRANSACTION_MASK,
            ..*message
        };
        let config = self.settings.now();
        let times =
            Times { timeout_ms: config.transaction_time_out, interval_ms: config.transaction_check_interval };
        let (appended, due) = {
            let mut state = self.state();
            if state.table.len() >= HALF_MESSAGES_MAX {
                return Err(too_many());
            }
            let appended = self
                .append_half(&mut state, &message)
                .map_err(|error| HandlerError::from_append(error, config.max_message_size))?;
            let due = times.due(half, appended.store_timestamp, message.born_timestamp);
            state.table.opened(&NewHalf {
                offset: appended.queue_offset,
                log_offset: appended.log_offset,
                group: half.group,
                topic: half.topic,
                since: appended.store_timestamp,
                check_times: half.check_times,
                due,
            });
            (appended, due)
        };
        self.unsettled(|unsettled| unsettled.halves.push(appended.queue_offset));
        self.wake.due_at(due);
        Ok(appended)
    }

    /// Appends to the half queue. The lock is held meanwhile: whoever has it knows every half message that has a place.
    pub(super) fn append_half(
        &self,
        state: &mut State,
        message: &AppendMessage<'_>,
    ) -> Result<Appended, AppendError> {
        let appended = self.store.append(message)?;
        state.progress.note(appended.queue_offset, || self.store.queue_range(TRANS_OP_HALF_TOPIC, 0).max);
        Ok(appended)
    }

    /// Ends the transaction whose half message is `record`: stores its message, or not. Takes effect when the store settles.
    ///
    /// # Errors
    /// `ILLEGAL_OPERATION` where it was ended otherwise, or is not known; and what the store refuses.
    pub fn end(&self, record: &Record<'_>, half: &Half<'_>, outcome: Outcome) -> Result<Ended, HandlerError> {
        let (offset, log_offset) = (record.fields.queue_offset, record.fields.log_offset);
        let key = match self.state().table.begin_end(offset, log_offset) {
            Ok(key) => key,
            Err(refusal) => return refused(refusal, outcome, offset),
        };
        let stored = match outcome {
            Outcome::Commit => self.store_committed(record, half),
            Outcome::Rollback => Ok(()),
        };
        match stored {
            Ok(()) => {
                let closed = match outcome {
                    Outcome::Commit => Closed::Committed,
                    Outcome::Rollback => Closed::RolledBack,
                };
                self.unsettled(|unsettled| unsettled.ends.push((key, closed)));
                Ok(Ended::Now)
            }
            Err(error) => {
                self.reopen(&[key]);
                Err(error)
            }
        }
    }

    /// Appends the message of a committed transaction.
    fn store_committed(&self, record: &Record<'_>, half: &Half<'_>) -> Result<(), HandlerError> {
        let fields = &record.fields;
        let mut properties = transaction::committed_properties(fields.properties);
        if Parking::concerns(&properties) {
            // As in Java: what is delivered later must not be taken for a half message on its way.
            properties =
                transaction::without(&properties, &[eruca_message::properties::TRANSACTION_PREPARED]);
        }
        let message = AppendMessage {
            sys_flag: fields.sys_flag & !sys_flag::TRANSACTION_MASK | sys_flag::TRANSACTION_COMMIT,
            prepared_transaction_offset: fields.log_offset.to_i64(),
            ..AppendMessage::moved(record, half.topic, half.queue_id, &properties)
        };
        let appended = self.parking.append(&self.store, &message, self.clock.now())?;
        self.stats.put(half.topic, 1, appended.log_offset_end.0 - appended.log_offset.0);
        Ok(())
    }

    /// Calls `waiter` when the disk has what is noted of the ends that this thread will settle next: the end of the record of
    /// a committed message comes before.
    pub fn when_noted(&self, waiter: FlushWaiter) {
        self.unsettled(|unsettled| unsettled.waiters.push(waiter));
    }

    pub(super) fn note_at_start(&self, offsets: &[QueueOffset]) {
        if offsets.is_empty() {
            return;
        }
        let noted = self.append_operations(offsets).map_err(|error| error.to_string());
        let written = self.store.settle().map_err(|why| why.to_string());
        if let Err(why) = noted.and(written) {
            tracing::warn!(
                why,
                "transactions that are committed are not noted as that, the next start does it"
            );
        }
    }

    /// To be called before the store settles on this thread: notes the ends in the op queue, so that one write has them and
    /// their messages.
    pub fn before_settle(&self) {
        if UNSETTLED.with_borrow(Vec::is_empty) {
            return;
        }
        let ends = self.with_unsettled(|unsettled| unsettled.ends.clone()).unwrap_or_default();
        if ends.is_empty() {
            return;
        }
        let offsets: Vec<QueueOffset> = {
            let state = self.state();
            ends.iter().flat_map(|(key, _)| state.table.offsets_of(*key)).collect()
        };
        let noted = self.append_operations(&offsets);
        self.with_unsettled(|unsettled| match noted {
            Ok(end) => unsettled.noted_up_to = end,
            Err(error) => {
                tracing::warn!(%error, "ends of transactions are not noted: they stay open");
                unsettled.is_failed = true;
            }
        });
    }

    /// To be called after the store settled on this thread, with whether it did.
    pub fn after_settle(&self, is_written: bool) {
        if UNSETTLED.with_borrow(Vec::is_empty) {
            return;
        }
        let Some(Unsettled { halves, ends, waiters, noted_up_to, is_failed, .. }) = UNSETTLED
            .with_borrow_mut(|all| {
                let place = all.iter().position(|one| one.service == self.number)?;
                Some(all.swap_remove(place))
            })
        else {
            return;
        };
        let is_ended = is_written && !is_failed;
        let now = self.clock.now();
        let mut state = self.state();
        if !is_written {
            // Backwards, so that the table ends before the first of them.
            halves.iter().rev().for_each(|offset| state.table.dropped(*offset));
        }
        for (key, how) in &ends {
            match is_ended {
                true => state.table.close(*key, *how),
                false => state.table.reopen(*key, now),
            }
        }
        drop(state);
        if is_written {
            Counters::add(&self.counters.prepared, halves.len());
        }
        if is_ended {
            let committed = ends.iter().filter(|(_, how)| *how == Closed::Committed).count();
            Counters::add(&self.counters.committed, committed);
            Counters::add(&self.counters.rolled_back, ends.len() - committed);
        } else if !ends.is_empty() {
            self.wake.due_at(now);
        }
        for waiter in waiters {
            match noted_up_to {
                Some(end) if is_ended => self.store.on_flushed(end, waiter),
                _ => waiter(Err(self.why_stopped())),
            }
        }
    }

    fn why_stopped(&self) -> WriteStopped {
        match self.store.write_state() {
            WriteState::Stopped(why) => why,
            WriteState::Open => WriteStopped::ShuttingDown,
        }
    }

    /// Appends operations that settle half messages. The end of the last one.
    pub(super) fn append_operations(
        &self,
        offsets: &[QueueOffset],
    ) -> Result<Option<LogOffset>, AppendError> {
        let mut end = None;
        // A number and its comma take 21 bytes at most.
        let batch = (self.settings.now().transaction_op_msg_max_size / 21).clamp(1, 10_000);
        for offsets in offsets.chunks(batch) {
            let body = transaction::encode_op_body(offsets.iter().copied());
            let appended = self.store.append(&AppendMessage {
                topic: TRANS_OP_HALF_TOPIC,
                queue_id: 0,
                flag: 0,
                sys_flag: 0,
                born_timestamp: self.clock.now(),
                born_host: self.store_host,
                store_host: self.store_host,
                reconsume_times: 0,
                prepared_transaction_offset: 0,
                body: &body,
                properties: OP_PROPERTIES,
            })?;
            end = Some(appended.log_offset_end);
        }
        Ok(end)
    }

    /// How many are open, and what was done since the start.
    pub fn counts(&self) -> TransactionCounts {
        let (open, orphaned) = {
            let state = self.state();
            (state.table.len(), state.table.orphaned())
        };
        self.counters.counts(open, orphaned)
    }

    /// By topic, how many half messages are open.
    pub fn open_by_topic(&self) -> Vec<(String, u64)> {
        let counts = self.state().table.open_by_topic();
        let mut counts: Vec<_> = counts.into_iter().map(|(topic, open)| (topic.to_string(), open)).collect();
        counts.sort();
        counts
    }

    /// Commits the offsets up to which all is settled, on the disk, and in a log that is never cut off again. Whether there will be more
    /// when that has got further.
    pub(super) fn progress_step(&self) -> bool {
        let (settled, is_behind) = {
            let State { table, progress, .. } = &mut *self.state();
            let marks = self.store.watermarks();
            let safe = match planted!(ProgressBeforeConfirmed) {
                true => marks.flushed,
                false => marks.flushed.min(self.store.confirmed()),
            };
            (progress.advance(table.settled_up_to(), marks.written, safe), progress.is_behind())
        };
        if let Some(settled) = settled {
            self.commit_offsets(settled);
        }
        is_behind
    }

    /// Commits the offsets for a stop: all that is settled is brought to the disk before.
    pub fn persist(&self) {
        // On a slave they are the master's.
        if !self.wake.is_on_duty() {
            return;
        }
        // Once to see how far it is, again with what the disk has then.
        for _ in 0..2 {
            self.progress_step();
            if let Err(error) = self.store.flush_step() {
                tracing::warn!(%error, "how far transactions are settled is not written: the log could not be flushed");
                return;
            }
            self.progress_step();
        }
    }

    pub(super) fn commit_offsets(&self, settled: Settled) {
        for (topic, offset) in [(TRANS_HALF_TOPIC, settled.half), (TRANS_OP_HALF_TOPIC, settled.op)] {
            let offset = offset.to_i64();
            if self.offsets.committed(TRANS_GROUP, topic, 0) != Some(offset) {
                self.offsets.commit(TRANS_GROUP, topic, 0, offset);
            }
        }
    }

    pub(super) fn reopen(&self, keys: &[QueueOffset]) {
        let now = self.clock.now();
        let mut state = self.state();
        keys.iter().for_each(|key| state.table.reopen(*key, now));
        drop(state);
        self.wake.due_at(now.add_ms(ORPHAN_PAUSE_MS));
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves the table whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn times(&self) -> Times {
        times(&self.settings)
    }

    fn unsettled(&self, note: impl FnOnce(&mut Unsettled)) {
        UNSETTLED.with_borrow_mut(|all| {
            let place = all.iter().position(|one| one.service == self.number).unwrap_or_else(|| {
                all.push(Unsettled { service: self.number, ..Unsettled::default() });
                all.len() - 1
            });
            if let Some(mine) = all.get_mut(place) {
                note(mine);
            }
        });
    }

    fn with_unsettled<R>(&self, read: impl FnOnce(&mut Unsettled) -> R) -> Option<R> {
        UNSETTLED.with_borrow_mut(|all| all.iter_mut().find(|one| one.service == self.number).map(read))
    }
}

fn times(settings: &Settings) -> Times {
    let config = settings.now();
    Times { timeout_ms: config.transaction_time_out, interval_ms: config.transaction_check_interval }
}

/// When something is to be done again.
pub(super) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}
