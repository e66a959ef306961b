//! What an end costs beside few and beside very many open half messages: counted in operations of the disk and bytes of the
//! log, not in time.

use std::sync::Arc;

use eruca_message::{LogOffset, Record, transaction::Half};
use eruca_store::{AppendMessage, Appended, disk::SimDisk};

use super::{Outcome, Transactions};
use crate::handler::test_parts::{TestParts, message};

const MANY: usize = 100_000;
/// Halves that one settlement brings.
const AT_ONCE: usize = 1_000;
/// Ends of which the middle one counts: now and then one begins a new file.
const ENDS: usize = 9;

/// What one end did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Work {
    operations: u64,
    log_bytes: u64,
}

struct Broker {
    disk: SimDisk,
    parts: TestParts,
    transactions: Arc<Transactions>,
}

impl Broker {
    /// With so many open half messages: where they lie.
    fn with_open(halves: usize) -> (Broker, Vec<LogOffset>) {
        let disk = SimDisk::new(1);
        let parts = TestParts::on_disk(tempfile::tempdir().unwrap(), Arc::new(disk.clone()));
        let transactions = parts.transactions();
        let broker = Broker { disk, parts, transactions };
        let mut places = Vec::new();
        for number in 0..halves {
            places.push(broker.half(number).log_offset);
            if number % AT_ONCE == 0 {
                broker.settle();
            }
        }
        broker.settle();
        (broker, places)
    }

    fn half(&self, number: usize) -> Appended {
        let properties = format!(
            "UNIQ_KEY\u{1}K{number:08}\u{2}PGROUP\u{1}g\u{2}TRAN_MSG\u{1}true\u{2}REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}0\u{2}"
        );
        let half = Half::of_properties(properties.as_bytes()).unwrap();
        let born_timestamp = eruca_message::Clock::now(&*self.parts.clock);
        let sent = AppendMessage { born_timestamp, ..message("T", 0, "body", properties.as_bytes()) };
        self.transactions.prepare(&sent, &half).unwrap()
    }

    fn settle(&self) {
        self.transactions.before_settle();
        let settled = self.parts.store.settle();
        self.transactions.after_settle(settled.is_ok());
        settled.unwrap();
    }

    fn work(&self) -> Work {
        Work { operations: self.disk.operations(), log_bytes: self.parts.store.log_range().1.0 }
    }

    fn end(&self, place: LogOffset, outcome: Outcome) -> Work {
        let before = self.work();
        let bytes = self.parts.store.record_at(place).unwrap().unwrap();
        let record = Record::decode(&bytes).unwrap();
        self.transactions.end(&record, &Half::of(&record).unwrap(), outcome).unwrap();
        self.settle();
        let after = self.work();
        Work {
            operations: after.operations - before.operations,
            log_bytes: after.log_bytes - before.log_bytes,
        }
    }

    /// What an end costs, of half messages all over the queue.
    fn usual(&self, places: &[LogOffset], outcome: Outcome, first: usize) -> Work {
        let step = (places.len() / ENDS).max(1);
        let mut all: Vec<Work> = places
            .iter()
            .skip(first)
            .step_by(step)
            .take(ENDS)
            .map(|place| self.end(*place, outcome))
            .collect();
        all.sort_unstable();
        all[all.len() / 2]
    }
}

#[test]
fn an_end_does_the_same_work_whatever_else_is_open() {
    let (few, places_of_few) = Broker::with_open(2 * ENDS);
    let (many, places_of_many) = Broker::with_open(MANY);
    for (outcome, first) in [(Outcome::Commit, 0), (Outcome::Rollback, 1)] {
        let expected = few.usual(&places_of_few, outcome, first);
        let found = many.usual(&places_of_many, outcome, first);
        assert!(expected.operations > 0 && expected.log_bytes > 0, "{expected:?}");
        assert_eq!(found.operations, expected.operations, "{outcome:?}: {found:?}");
        // An operation names the offset in the half queue, which has more digits.
        let digits = u64::from(MANY.ilog10());
        assert!(
            found.log_bytes.abs_diff(expected.log_bytes) <= digits,
            "{outcome:?}: {found:?}, {expected:?}"
        );
    }
    assert_eq!(many.transactions.counts().open, MANY - 2 * ENDS);
}
