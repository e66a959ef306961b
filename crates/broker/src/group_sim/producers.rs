//! Producers of transactions, and what they know.

use eruca_message::{Clock, LogOffset, Record, transaction::Half};
use eruca_protocol::request::CheckTransactionStateRequest;
use eruca_sim::{cluster::Board, trace::Trace};

use super::process::{Process, message};
use crate::transaction::Outcome;

/// Where committed messages go.
pub(super) const TOPIC: &str = "T";

/// A transaction, as its producer sees it.
#[derive(Debug, Clone, Default)]
struct Transaction {
    /// So it was decided; it is never decided otherwise.
    commits: bool,
    /// The half message was acknowledged.
    is_sent: bool,
    /// Where the half message was last known to lie.
    place: Option<(u64, u64)>,
    /// Where a consumer got its message.
    delivered: Option<u64>,
}

#[derive(Default)]
pub(super) struct Producers {
    transactions: Vec<Transaction>,
    /// Questions that were not answered yet, and of which transaction.
    checks: Vec<(CheckTransactionStateRequest, usize)>,
    /// How many questions there were.
    pub(super) asked: u64,
}

/// Number of the message with this body; `kind` is the letter before it.
pub(super) fn id_of(kind: char, body: &[u8]) -> Option<usize> {
    std::str::from_utf8(body).ok()?.strip_prefix(kind)?.parse().ok()
}

impl Producers {
    pub(super) fn transactions(&self) -> usize {
        self.transactions.len()
    }

    pub(super) fn checks(&self) -> usize {
        self.checks.len()
    }

    /// How many messages of transactions consumers got.
    pub(super) fn delivered(&self) -> usize {
        self.transactions.iter().filter(|one| one.delivered.is_some()).count()
    }

    /// A producer begins a transaction, and decides.
    pub(super) fn send(&mut self, process: &Process, board: Board<'_>, commits: bool, trace: &mut Trace) {
        let id = self.transactions.len();
        let properties = format!(
            "UNIQ_KEY\u{1}K{id}\u{2}PGROUP\u{1}p\u{2}TRAN_MSG\u{1}true\u{2}REAL_TOPIC\u{1}{TOPIC}\u{2}REAL_QID\u{1}0\u{2}"
        );
        let half = Half::of_properties(properties.as_bytes()).unwrap();
        let body = format!("t{id}");
        let prepared = process.parts.transactions.prepare(&message(board, TOPIC, &body, &properties), &half);
        let is_settled = process.settle();
        let mut transaction = Transaction { commits, ..Transaction::default() };
        if let (Ok(appended), true) = (prepared, is_settled) {
            trace.line(format_args!("{} takes half message {id}: {appended:?}", board.at));
            transaction.place = Some((appended.queue_offset.0, appended.log_offset.0));
            process.halves.wait(board.group, id, appended.log_offset_end, board.clock.now());
        }
        self.transactions.push(transaction);
    }

    pub(super) fn acknowledged(&mut self, id: usize) {
        self.transactions[id].is_sent = true;
    }

    /// A producer ends its transaction, if its half message lies where it was last known to lie.
    pub(super) fn end(&self, process: &Process, at: usize, id: usize, trace: &mut Trace) {
        if let Some(place) = self.transactions.get(id).and_then(|one| one.place) {
            self.end_at(process, at, id, place, trace);
        }
    }

    fn end_at(
        &self,
        process: &Process,
        at: usize,
        id: usize,
        (queue_offset, log_offset): (u64, u64),
        trace: &mut Trace,
    ) {
        let Ok(Some(bytes)) = process.parts.settled.store.record_at(LogOffset(log_offset)) else { return };
        let Ok(record) = Record::decode(&bytes) else { return };
        let Ok(half) = Half::of(&record) else { return };
        let key = format!("K{id}");
        if record.fields.queue_offset.0 != queue_offset || half.unique_key != Some(&key) {
            return;
        }
        let outcome = if self.transactions[id].commits { Outcome::Commit } else { Outcome::Rollback };
        let ended = process.parts.transactions.end(&record, &half, outcome);
        let is_settled = process.settle();
        trace.line(format_args!("{at} ends {id}, {outcome:?}: {ended:?}, settled: {is_settled}"));
    }

    /// A producer answers a question, which may have been another broker's.
    pub(super) fn answer(&mut self, process: &Process, at: usize, number: usize, trace: &mut Trace) {
        let (check, id) = self.checks.swap_remove(number);
        let place = (check.tran_state_table_offset as u64, check.commit_log_offset as u64);
        self.end_at(process, at, id, place, trace);
    }

    /// A master asks.
    pub(super) fn check(&mut self, process: &Process, at: usize, trace: &mut Trace) {
        for (check, id) in process.check() {
            trace.line(format_args!("{at} asks for {id}: {check:?}"));
            self.asked += 1;
            self.transactions[id].place =
                Some((check.tran_state_table_offset as u64, check.commit_log_offset as u64));
            self.checks.push((check, id));
        }
    }

    /// A consumer got a message there.
    pub(super) fn got(&mut self, offset: u64, body: &[u8]) -> Result<(), String> {
        let id = id_of('t', body).ok_or("a message that nobody sent")?;
        let transaction = &mut self.transactions[id];
        if !transaction.commits {
            return Err(format!("{id} was rolled back and is delivered at {offset}"));
        }
        match transaction.delivered.replace(offset) {
            Some(before) if before != offset => Err(format!("{id} is delivered at {before} and at {offset}")),
            _ => Ok(()),
        }
    }

    /// Consumers got all there is: nothing is missing.
    pub(super) fn verify(&self) -> Result<(), String> {
        let is_lost = |one: &Transaction| one.commits && one.is_sent && one.delivered.is_none();
        match self.transactions.iter().position(is_lost) {
            Some(id) => Err(format!(
                "transaction {id} was acknowledged and committed, and is lost: {:?}",
                self.transactions[id]
            )),
            None => Ok(()),
        }
    }
}
