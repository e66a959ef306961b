//! `END_TRANSACTION` and `RESUME_CHECK_HALF_MESSAGE`.

use std::{str::FromStr, sync::Arc};

use bytes::Bytes;
use eruca_message::{Clock, LogOffset, OffsetMessageId, Record, sys_flag, transaction::Half};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    request::{EndTransactionRequest, ResumeCheckHalfMessageRequest},
};
use eruca_remoting::{Caller, Reply};
use eruca_store::{FlushMode, MessageStore};

use super::FlushTimeouts;
use crate::{
    HandlerError,
    settings::Settings,
    transaction::{Ended, Outcome, Transactions},
};

/// Commits transactions and rolls them back (Java: `EndTransactionProcessor`).
#[derive(Debug)]
pub struct EndTransactionHandler {
    transactions: Arc<Transactions>,
    store: Arc<MessageStore>,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    flush_timeouts: Arc<FlushTimeouts>,
}

impl EndTransactionHandler {
    /// A handler over these parts.
    pub fn new(
        transactions: Arc<Transactions>,
        store: Arc<MessageStore>,
        settings: Arc<Settings>,
        clock: Arc<dyn Clock>,
        flush_timeouts: Arc<FlushTimeouts>,
    ) -> Self {
        EndTransactionHandler { transactions, store, settings, clock, flush_timeouts }
    }

    /// A producer says what becomes of its half message. Clients ask for no answer; who does gets it when the store has
    /// settled, or (with synchronous flush) when the disk has what became of it: it is neither forgotten nor done again then.
    pub fn end(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: EndTransactionRequest = request.header()?;
        let outcome = match header.commit_or_rollback {
            sys_flag::TRANSACTION_COMMIT => Outcome::Commit,
            sys_flag::TRANSACTION_ROLLBACK => Outcome::Rollback,
            // The producer does not know yet: it is asked (again) later. Java gives no answer.
            0 => return Ok(Reply::None),
            other => {
                return Err(HandlerError::invalid_parameter(format!(
                    "commitOrRollback={other} is none of {} (commit), {} (rollback) and 0 (not known yet)",
                    sys_flag::TRANSACTION_COMMIT,
                    sys_flag::TRANSACTION_ROLLBACK
                )));
            }
        };
        let bytes = self.look(header.commit_log_offset)?;
        let record = Record::decode(&bytes)
            .map_err(|error| not_found(header.commit_log_offset, &error.to_string()))?;
        let half = Half::of(&record).map_err(|why| not_found(header.commit_log_offset, &why.to_string()))?;
        self.check_immunity(&header, &record, &half)?;
        check_header(&header, &record, &half)?;
        let ended = self.transactions.end(&record, &half, outcome)?;
        if outcome == Outcome::Rollback || header.from_transaction_check == Some(true) {
            tracing::debug!(group = half.group, topic = half.topic, ?outcome, ?ended, "transaction ended");
        }
        let success = request.reply(ResponseCode::SUCCESS);
        match ended {
            Ended::Now if self.store.config().flush_mode == FlushMode::Sync && !request.is_oneway() => {
                let now = self.clock.now();
                let waiting = self.flush_timeouts.wait(caller.responder(request), success, now);
                self.transactions.when_noted(Box::new(move |result| waiting.flushed(result)));
                Ok(Reply::Later)
            }
            _ => Ok(Reply::AfterSettle(success)),
        }
    }

    /// An administrator lets a transaction be checked again that was given up.
    pub fn resume(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: ResumeCheckHalfMessageRequest = request.header()?;
        let id = header.msg_id.unwrap_or_default();
        let OffsetMessageId { log_offset, .. } = OffsetMessageId::from_str(&id).map_err(|error| {
            HandlerError::system_error(format!("msgId must be the offset id of a message: {error}"))
        })?;
        let at = log_offset.to_i64();
        let bytes = self.look(at)?;
        let record = Record::decode(&bytes).map_err(|error| not_found(at, &error.to_string()))?;
        self.transactions.resume(&record)?;
        tracing::info!(id, "a transaction is to be checked again");
        Ok(Reply::AfterSettle(request.reply(ResponseCode::SUCCESS)))
    }

    fn look(&self, offset: i64) -> Result<Bytes, HandlerError> {
        let at = u64::try_from(offset).map_err(|_| not_found(offset, "an offset is not negative"))?;
        match self.store.record_at(LogOffset(at)) {
            Ok(Some(record)) => Ok(record),
            Ok(None) => Err(not_found(offset, "there is no message, it may have expired")),
            Err(error) => Err(not_found(offset, &error.to_string())),
        }
    }

    /// Who set an immunity of its own must end its transaction within it, or wait to be asked.
    fn check_immunity(
        &self,
        header: &EndTransactionRequest,
        record: &Record<'_>,
        half: &Half<'_>,
    ) -> Result<(), HandlerError> {
        if header.from_transaction_check == Some(true) || half.immunity.is_none() {
            return Ok(());
        }
        let immunity_ms = half.immunity_ms(self.settings.now().transaction_time_out);
        let age_ms = self.clock.now().ms_since(record.fields.born_timestamp);
        match age_ms > immunity_ms {
            true => Err(HandlerError::new(
                ResponseCode::ILLEGAL_OPERATION,
                format!(
                    "the transaction began {age_ms} ms ago, its CHECK_IMMUNITY_TIME_IN_SECONDS allows {immunity_ms} ms: it is ended by the \
                     answer to a check now"
                ),
            )),
            false => Ok(()),
        }
    }
}

fn not_found(offset: i64, why: &str) -> HandlerError {
    HandlerError::system_error(format!(
        "Find prepared transaction message failed: commitLogOffset={offset}: {why}"
    ))
}

/// In Java's order and words.
fn check_header(
    header: &EndTransactionRequest,
    record: &Record<'_>,
    half: &Half<'_>,
) -> Result<(), HandlerError> {
    if half.group != header.producer_group {
        return Err(HandlerError::system_error(format!(
            "The producer group wrong: the half message was sent by group {}, not by {}",
            half.group, header.producer_group
        )));
    }
    let queue_offset = record.fields.queue_offset;
    if i64::try_from(queue_offset.0) != Ok(header.tran_state_table_offset) {
        return Err(HandlerError::system_error(format!(
            "The transaction state table offset wrong: the half message has {queue_offset}, the request says {}",
            header.tran_state_table_offset
        )));
    }
    Ok(())
}

#[cfg(test)]
#[path = "end_transaction_test.rs"]
mod tests;
