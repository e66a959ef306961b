//! The thread that asks producers for the outcome of their transactions, and gives up those that nobody ends.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use eruca_message::{
    LogOffset, OffsetMessageId, QueueOffset, Record, RecordFields, Timestamp, encode_record,
    names::{TRANS_CHECK_MAX_TIME_TOPIC, TRANS_HALF_TOPIC},
    properties::TRANSACTION_CHECK_TIMES,
    transaction::{Half, checked_properties, without},
};
use eruca_protocol::{RemotingCommand, request::CheckTransactionStateRequest};
use eruca_store::{AppendError, AppendMessage, Appended, ReadError};

use super::{
    counters::Counters,
    service::{Transactions, earlier},
    table::{Action, ActionKind, Closed, RETRY_MS, Rules},
};
use crate::{HandlerError, delay::NextStep};

/// Most half messages that are dealt with between two settlements.
pub(super) const BATCH: usize = 256;
/// Pause between two looks whether the disk has what is settled.
pub(super) const PROGRESS_PAUSE_MS: i64 = 1_000;
const MS_PER_HOUR: i64 = 3_600_000;

/// What was done about half messages, until the store has settled.
#[derive(Default)]
struct Done {
    /// Copies, the latest last.
    copies: Vec<Copy>,
    /// Half messages that were given up, or can never be settled.
    closed: Vec<QueueOffset>,
    /// Offsets that an operation has to name.
    settled: Vec<QueueOffset>,
    questions: Vec<Question>,
}

struct Copy {
    to: QueueOffset,
}

/// A check that is sent when its copy is written.
struct Question {
    group: String,
    request: RemotingCommand,
}

/// Why nothing came of an action.
pub(super) enum NotDone {
    /// It may go later.
    Later,
    /// It never will: why.
    Never(String),
}

impl From<AppendError> for NotDone {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Stopped(_) => NotDone::Later,
            other => NotDone::Never(other.to_string()),
        }
    }
}

/// An operator should know of a half message that nobody will settle.
pub(super) fn tell_passed_over(offset: QueueOffset, log_offset: LogOffset, why: &str) {
    let (queue_offset, log_offset) = (offset.0, log_offset.0);
    tracing::error!(queue_offset, log_offset, why, "a half message can never be settled, it is passed over");
}

impl Transactions {
    /// Asks until [`Transactions::stop`]: for a thread of its own, which sleeps as long as nothing is due.
    pub fn run(&self) {
        while self.wake.wait_for_duty() {
            self.wake.begin();
            match self.check_step(self.clock.now()) {
                NextStep::Now => {}
                NextStep::At(due) => self.wake.sleep(Some(due), &*self.clock),
                NextStep::OnArrival => self.wake.sleep(None, &*self.clock),
            }
        }
    }

    /// Ends [`Transactions::run`].
    pub fn stop(&self) {
        self.wake.stop();
    }

    /// Does what is due about a batch of half messages.
    pub fn check_step(&self, now: Timestamp) -> NextStep {
        if self.store.is_replica() {
            return self.move_step(now);
        }
        let config = self.settings.now();
        let rules = Rules {
            check_max: u32::try_from(config.transaction_check_max).unwrap_or(0),
            age_max_ms: i64::from(config.file_reserved_time).saturating_mul(MS_PER_HOUR),
        };
        let step = {
            let mut is_live = |group: &str| self.producers.is_online(group);
            self.state().table.step(now, &rules, &mut is_live, BATCH)
        };
        for orphaned in &step.orphaned {
            tracing::warn!(
                group = %orphaned.group,
                half_messages = orphaned.queued,
                "no producer of the group is here to be asked for the outcome of its transactions: they wait until one comes, and are \
                 given up when they are older than fileReservedTime"
            );
        }
        let mut done = Done::default();
        for action in &step.actions {
            self.act(action, now, &mut done);
        }
        self.settle(done);
        let progress = self.progress_step().then(|| now.add_ms(PROGRESS_PAUSE_MS));
        match step.next {
            Some(due) if due <= now => NextStep::Now,
            next => earlier(next, progress).map_or(NextStep::OnArrival, NextStep::At),
        }
    }

    fn act(&self, action: &Action, now: Timestamp, done: &mut Done) {
        match self.try_act(action, now, done) {
            Ok(()) => {}
            Err(NotDone::Later) => self.reopen(&[action.offset]),
            Err(NotDone::Never(why)) => {
                tell_passed_over(action.offset, action.log_offset, &why);
                self.close(action, done);
            }
        }
    }

    fn try_act(&self, action: &Action, now: Timestamp, done: &mut Done) -> Result<(), NotDone> {
        let bytes = self.look(action.log_offset)?;
        let record = Record::decode(&bytes).map_err(|error| NotDone::Never(error.to_string()))?;
        let half = Half::of(&record).map_err(|error| NotDone::Never(error.to_string()))?;
        match action.kind {
            ActionKind::Check { times } => self.check(action, &record, &half, times, now, done),
            ActionKind::Copy { times } => {
                let properties = record.fields.properties;
                let due = now.add_ms(RETRY_MS);
                self.copy(action, &record, properties, times, due, done).map(drop)
            }
            ActionKind::GiveUpChecks { times } => {
                self.give_up(action, &record, &half, &format!("it was asked for {times} times"), done)
            }
            ActionKind::GiveUpAge { age_ms } => {
                let why = format!("it is {} hours old", age_ms / MS_PER_HOUR);
                self.give_up(action, &record, &half, &why, done)
            }
        }
    }

    pub(super) fn look(&self, at: LogOffset) -> Result<Bytes, NotDone> {
        match self.store.record_at(at) {
            Ok(Some(record)) => Ok(record),
            Ok(None) => Err(NotDone::Never("its record is not in the log any more".to_owned())),
            Err(damaged @ ReadError::Damaged { .. }) => Err(NotDone::Never(damaged.to_string())),
            Err(error) => {
                tracing::warn!(%error, "a half message cannot be read now");
                Err(NotDone::Later)
            }
        }
    }

    /// Copies the half message to the end of the half queue, as Java does, and prepares the question.
    fn check(
        &self,
        action: &Action,
        record: &Record<'_>,
        half: &Half<'_>,
        times: u32,
        now: Timestamp,
        done: &mut Done,
    ) -> Result<(), NotDone> {
        let due = now.add_ms(self.times().interval_ms);
        let properties = checked_properties(record.fields.properties, times);
        let place = match self.copy(action, record, &properties, times, due, done) {
            Ok(Some(copy)) => (copy.queue_offset, copy.log_offset),
            // It was ended meanwhile.
            Ok(None) => return Ok(()),
            // One of Java's whose properties have no room for the count.
            Err(NotDone::Never(why)) => {
                tracing::debug!(
                    queue_offset = action.offset.0,
                    why,
                    "a half message is checked where it lies"
                );
                self.state().table.checked_in_place(action.offset, times, due);
                (action.offset, action.log_offset)
            }
            Err(later) => return Err(later),
        };
        let request = self.question(record, half, &properties, place);
        done.questions.push(Question { group: half.group.to_owned(), request });
        Ok(())
    }

    fn copy(
        &self,
        action: &Action,
        record: &Record<'_>,
        properties: &[u8],
        times: u32,
        due: Timestamp,
        done: &mut Done,
    ) -> Result<Option<Appended>, NotDone> {
        let message = AppendMessage::moved(record, TRANS_HALF_TOPIC, 0, properties);
        let mut state = self.state();
        if !state.table.is_checking(action.offset) {
            return Ok(None);
        }
        let copy = self.append_half(&mut state, &message)?;
        state.table.copied(action.offset, copy.queue_offset, copy.log_offset, times, due);
        drop(state);
        done.copies.push(Copy { to: copy.queue_offset });
        done.settled.push(action.offset);
        Ok(Some(copy))
    }

    fn give_up(
        &self,
        action: &Action,
        record: &Record<'_>,
        half: &Half<'_>,
        why: &str,
        done: &mut Done,
    ) -> Result<(), NotDone> {
        // From here on an end of it comes too late.
        if self.state().table.begin_end(action.offset, action.log_offset) != Ok(action.offset) {
            return Ok(());
        }
        self.topics.ensure(TRANS_CHECK_MAX_TIME_TOPIC, 1);
        self.store.append(&AppendMessage::moved(
            record,
            TRANS_CHECK_MAX_TIME_TOPIC,
            0,
            record.fields.properties,
        ))?;
        tracing::warn!(
            group = half.group,
            topic = half.topic,
            id = half.unique_key.unwrap_or_default(),
            why,
            "a transaction is given up, its message goes to {TRANS_CHECK_MAX_TIME_TOPIC}"
        );
        self.close(action, done);
        Ok(())
    }

    fn close(&self, action: &Action, done: &mut Done) {
        done.settled.extend(self.state().table.offsets_of(action.offset));
        done.closed.push(action.offset);
    }

    /// Writes what was done; only then it counts, and only then producers are asked.
    fn settle(&self, done: Done) {
        let Done { copies, closed, settled, questions } = done;
        if !settled.is_empty() {
            let noted = self.append_operations(&settled);
            // Also where nothing was noted: what was appended on this thread is to be settled by it.
            let written = self.store.settle();
            let failed =
                noted.err().map(|error| error.to_string()).or(written.err().map(|why| why.to_string()));
            let now = self.clock.now();
            let mut state = self.state();
            if let Some(why) = failed {
                copies.iter().rev().for_each(|copy| state.table.copy_dropped(copy.to, now));
                closed.iter().for_each(|key| state.table.reopen(*key, now));
                tracing::warn!(why, "checks of transactions wait: the store does not take them");
                return;
            }
            closed.iter().for_each(|key| state.table.close(*key, Closed::GivenUp));
            Counters::add(&self.counters.given_up, closed.len());
        }
        questions.iter().for_each(|question| self.ask(question));
    }

    fn ask(&self, Question { group, request }: &Question) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for caller in self.producers.callers_from(group, turn) {
            match caller.notify(request.clone()) {
                Ok(()) => return Counters::add(&self.counters.checks, 1),
                Err(error) => {
                    tracing::debug!(group, %error, "a producer could not be asked, the next one is")
                }
            }
        }
        tracing::warn!(
            group,
            "no producer of the group could be asked for the outcome of a transaction, it is asked again later"
        );
    }

    /// What a producer is asked: the copy of its half message, which says where it was to go.
    fn question(
        &self,
        record: &Record<'_>,
        half: &Half<'_>,
        properties: &[u8],
        (queue_offset, log_offset): (QueueOffset, LogOffset),
    ) -> RemotingCommand {
        let fields = RecordFields {
            topic: half.topic,
            queue_id: half.queue_id,
            queue_offset,
            log_offset,
            properties,
            ..record.fields
        };
        let mut body = Vec::new();
        if let Err(error) = encode_record(&fields, &mut body) {
            tracing::error!(%error, "a question for the outcome of a transaction has no message in it");
        }
        let id = OffsetMessageId { store_host: record.fields.store_host, log_offset };
        let header = CheckTransactionStateRequest {
            topic: Some(TRANS_HALF_TOPIC.to_owned()),
            tran_state_table_offset: queue_offset.to_i64(),
            commit_log_offset: log_offset.to_i64(),
            msg_id: half.unique_key.map(str::to_owned),
            transaction_id: half.unique_key.map(str::to_owned),
            offset_msg_id: Some(id.to_string()),
        };
        let mut request = RemotingCommand::request(&header).with_body(body);
        request.ext_fields.push("bname", &self.settings.now().broker_name);
        request
    }

    /// Takes up again a transaction that was given up (Java: `RESUME_CHECK_HALF_MESSAGE`), or counts the checks of an open one
    /// from 0. `record` lies in `TRANS_CHECK_MAX_TIME_TOPIC` or in the half topic. Takes effect when the store settles.
    ///
    /// # Errors
    /// It is no such message, or the store refuses it.
    pub fn resume(&self, record: &Record<'_>) -> Result<(), HandlerError> {
        let illegal = |why: String| HandlerError::new(eruca_protocol::ResponseCode::ILLEGAL_OPERATION, why);
        let (topic, offset) = (record.fields.topic, record.fields.queue_offset);
        if topic == TRANS_HALF_TOPIC {
            let now = self.clock.now();
            let is_open = self.state().table.resume(offset, record.fields.log_offset, now);
            self.wake.due_at(now);
            return match is_open {
                true => Ok(()),
                false => Err(illegal(format!("the half message at queue offset {offset} is not open"))),
            };
        }
        if topic != TRANS_CHECK_MAX_TIME_TOPIC {
            return Err(illegal(format!(
                "the message lies in topic {topic}: only messages of {TRANS_CHECK_MAX_TIME_TOPIC} and open half messages can be resumed"
            )));
        }
        let mut properties = without(record.fields.properties, &[TRANSACTION_CHECK_TIMES]);
        eruca_message::properties::encode_property(&mut properties, TRANSACTION_CHECK_TIMES, "0");
        let half = Half::of_properties(&properties)
            .map_err(|why| illegal(format!("it cannot be resumed: {why}")))?;
        self.prepare(&AppendMessage::moved(record, TRANS_HALF_TOPIC, 0, &properties), &half).map(drop)
    }
}
