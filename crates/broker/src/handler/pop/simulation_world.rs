//! A broker that pops, on a simulated disk, and what its consumers were given and told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
    path::Path,
    sync::Arc,
};

use eruca_message::Clock;
use eruca_protocol::{RemotingCommand, ResponseCode, request::PopMessageRequest};
use eruca_store::{
    FlushMode,
    disk::{Fault, FaultKind, SimDisk, SimOp},
};

use super::fixture::{Given, Popper, request};
use crate::handler::test_parts::{OnDisk, TestParts};

/// The group that pops in order; `g` pops in any.
const IN_ORDER: &str = "o";
/// So long after its time a message comes again at the latest: what came from the log waits 5 s for acknowledgements behind it,
/// and is looked at every second.
const AGAIN_MS: i64 = 6_000;
const GROUPS: [&str; 2] = ["g", IN_ORDER];

#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(i32),
    Pop {
        group: usize,
        max: i32,
        invisible_ms: i64,
        queue_id: i32,
    },
    /// An acknowledgement by one of all handles that were ever given.
    Ack(usize),
    /// Another invisible time.
    Change(usize, i64),
    Pass(i64),
    Kill,
    /// The process dies within one of the next changes of the disk, so many bytes into it; with a number, the power fails
    /// in that moment, as in [`Step::PowerCut`].
    DieSoon(u64, usize, Option<u64>),
    /// The log is brought to the disk, as by the flush thread.
    Flush,
    /// The tables of offsets and of what is in flight in order are brought to the disk, as by the schedule.
    Persist,
    /// The power is gone and back. Of the log an arbitrary part of what was not flushed is lost; the journals of the tables,
    /// which nobody flushes, are there up to this many hundredths.
    PowerCut(u64),
}

/// One delivery, as its consumer knows it.
#[derive(Debug, Clone)]
struct Delivery {
    given: Given,
    is_acked: bool,
    is_replaced: bool,
}

impl Delivery {
    fn visible_at(&self) -> i64 {
        self.given.handle.pop_time + self.given.handle.invisible_time
    }
}

/// What is known of a message in a group.
#[derive(Debug, Clone, Default)]
struct Told {
    is_acked: bool,
    /// The process died in something that may have concerned it.
    is_doubtful: bool,
}

/// A message in a group.
type OfGroup = (&'static str, usize);

pub(super) struct World {
    pub(super) disk: SimDisk,
    kind: OnDisk,
    popper: Popper,
    /// Messages by their text: queue, and whether the send was acknowledged.
    sent: Vec<(i32, bool)>,
    told: BTreeMap<OfGroup, Told>,
    deliveries: Vec<Delivery>,
    since_flush: Unsafe,
    since_persist: Unsafe,
    /// When the tables were brought to the disk.
    persisted_at: i64,
    /// What the power cut that is under way leaves of the journals, in hundredths.
    cut: Option<u64>,
    was_cut: bool,
}

/// What a power cut may take.
#[derive(Debug, Default)]
struct Unsafe {
    messages: BTreeSet<usize>,
    /// Popped, acknowledged or changed.
    touched: BTreeSet<OfGroup>,
}

impl World {
    pub(super) fn new(seed: u64, kind: OnDisk) -> World {
        let disk = SimDisk::new(seed);
        let directory = tempfile::tempdir().unwrap();
        World {
            popper: Popper::over(TestParts::on_disk_as(directory, Arc::new(disk.clone()), kind)),
            disk,
            kind,
            sent: Vec::new(),
            told: BTreeMap::new(),
            deliveries: Vec::new(),
            since_flush: Unsafe::default(),
            since_persist: Unsafe::default(),
            persisted_at: 0,
            cut: None,
            was_cut: false,
        }
    }

    fn now(&self) -> i64 {
        self.popper.parts.clock.now().0
    }

    fn restart(mut self) -> World {
        if self.disk.is_dead() {
            for group in GROUPS {
                for number in 0..self.sent.len() {
                    self.doubt((group, number));
                }
            }
        }
        let now = self.popper.parts.clock.now();
        let mut again_since = now.0 - AGAIN_MS;
        if self.cut.is_some() {
            let touched = [&self.since_flush, &self.since_persist].map(|since| since.touched.clone());
            touched.into_iter().flatten().for_each(|of_group| self.doubt(of_group));
            again_since = again_since.min(self.persisted_at - AGAIN_MS);
        }
        // What came due a moment ago may be in the retry topic already, and the revive group's offset not behind it yet.
        let came_due = self.deliveries.iter().filter(|d| (again_since..=now.0).contains(&d.visible_at()));
        let came_due: Vec<OfGroup> = came_due.map(|delivery| of_group(&delivery.given)).collect();
        came_due.into_iter().for_each(|of_group| self.doubt(of_group));

        let Popper { parts, pop, handler, .. } = self.popper;
        drop((handler, pop));
        let TestParts { directory, .. } = parts;
        match self.cut {
            None => self.disk.kill(),
            Some(kept) => {
                self.disk.power_cut();
                ["consumerOffset", "consumerOrderInfo"].iter().for_each(|table| {
                    cut_off(&directory.path().join("config").join(format!("{table}.journal")), kept);
                });
            }
        }
        let parts = TestParts::on_disk_as(directory, Arc::new(self.disk.clone()), self.kind);
        // A machine takes longer to come back than a process: nothing is popped twice in one millisecond.
        parts.clock.set(if self.cut.is_some() { now.add_ms(2_000) } else { now });
        self.popper = Popper::over(parts);
        self.popper.note_delivered();
        if self.cut.take().is_some() {
            self.was_cut = true;
            self.forget_what_was_lost();
        }
        self
    }

    fn doubt(&mut self, of_group: OfGroup) {
        self.told.entry(of_group).or_default().is_doubtful = true;
    }

    /// What was flushed is there; of the rest some messages may be gone, with the handles by which they were known.
    fn forget_what_was_lost(&mut self) {
        let there = (0..2).flat_map(|queue_id| self.popper.all("T", queue_id));
        let there: BTreeSet<usize> = there.map(|message| number_of(&message.message.body)).collect();
        for (number, (_, is_sent)) in self.sent.iter_mut().enumerate() {
            let is_lost = *is_sent && !there.contains(&number);
            assert!(
                !is_lost || self.since_flush.messages.contains(&number),
                "{number} was flushed, and is lost to a power cut"
            );
            *is_sent &= !is_lost;
        }
        self.deliveries.retain(|delivery| there.contains(&number_of(delivery.given.body.as_bytes())));
        self.since_flush = Unsafe::default();
    }

    pub(super) fn play(mut self, step: &Step) -> World {
        match step {
            Step::Send(queue_id) => self.send(*queue_id),
            Step::Pop { group, max, invisible_ms, queue_id } => {
                self.pop(GROUPS[*group], *max, *invisible_ms, *queue_id);
            }
            Step::Ack(which) => self.ack(*which),
            Step::Change(which, invisible_ms) => self.change(*which, *invisible_ms),
            Step::Pass(ms) => self.popper.pass(*ms),
            Step::Kill => return self.restart(),
            Step::DieSoon(after, keep, cut) => {
                self.disk.inject(Fault { op: SimOp::Change, after: *after, kind: FaultKind::Crash(*keep) });
                self.cut = *cut;
            }
            Step::Flush => {
                self.flush();
            }
            Step::Persist => self.persist(),
            Step::PowerCut(kept) => {
                self.cut = Some(*kept);
                return self.restart();
            }
        }
        if self.disk.is_dead() { self.restart() } else { self }
    }

    /// Whether the disk has all.
    fn flush(&mut self) -> bool {
        let is_flushed = self.popper.parts.store.flush_step().is_ok();
        if is_flushed {
            self.since_flush = Unsafe::default();
        }
        is_flushed
    }

    fn persist(&mut self) {
        let Popper { parts, pop, .. } = &self.popper;
        if pop.may_persist_offsets() && parts.offsets.persist_step().is_ok() && pop.persist_step().is_ok() {
            self.since_persist = Unsafe::default();
            self.persisted_at = self.now();
        }
    }

    fn is_sync(&self) -> bool {
        self.kind.flush_mode == FlushMode::Sync
    }

    fn touch(&mut self, of_group: OfGroup) {
        self.since_flush.touched.insert(of_group);
        self.since_persist.touched.insert(of_group);
    }

    fn send(&mut self, queue_id: i32) {
        let body = self.sent.len().to_string();
        let appended =
            self.popper.parts.store.append(&crate::handler::test_parts::message("T", queue_id, &body, b""));
        let is_settled =
            self.popper.pop.settling(|| self.popper.parts.store.settle()).is_ok() && appended.is_ok();
        self.since_flush.messages.insert(self.sent.len());
        let is_sent = is_settled && (!self.is_sync() || self.flush());
        self.sent.push((queue_id, is_sent));
    }

    fn pop(&mut self, group: &'static str, max: i32, invisible_ms: i64, queue_id: i32) {
        let mut header = request(max, invisible_ms);
        header.consumer_group = group.to_owned();
        header.order = group == IN_ORDER;
        header.queue_id = queue_id;
        header.attempt_id = header.order.then(|| self.deliveries.len().to_string());
        let now = self.now();
        let Some(reply) = self.answer_to(&header).filter(|_| !self.disk.is_dead()) else { return };
        let given = self.popper.given_to(group, &reply);
        given.iter().for_each(|given| self.touch(of_group(given)));
        for one in &given {
            let number: usize = one.body.parse().unwrap();
            // In order a queue is given from the first that is open, with what was acknowledged behind it.
            let is_behind = group == IN_ORDER
                && given.iter().any(|before| {
                    let before_it = before.handle.queue_id == one.handle.queue_id
                        && before.queue_offset < one.queue_offset;
                    before_it && !self.told_of(before).is_acked
                });
            let told = self.told.entry((group, number)).or_default();
            assert!(
                !told.is_acked || told.is_doubtful || is_behind,
                "{number} was acknowledged by {group}, and comes again"
            );
            told.is_acked = false;
            let holds = |d: &&Delivery| {
                let is_held = !d.is_acked && !d.is_replaced && d.visible_at() > now;
                is_held && d.given.group == group && d.given.body == one.body
            };
            let holder = self.deliveries.iter().find(holds);
            assert!(holder.is_none() || told.is_doubtful, "{number} is given to two of {group}: {holder:?}");
        }
        if group == IN_ORDER {
            self.check_order(&given, now);
        }
        let new = given.into_iter().map(|given| Delivery { given, is_acked: false, is_replaced: false });
        self.deliveries.extend(new);
    }

    /// The answer to a pop, which with `SYNC_FLUSH` comes when the disk has what it stands on; none where the disk died.
    fn answer_to(&mut self, header: &PopMessageRequest) -> Option<RemotingCommand> {
        let at_once = self.popper.pop_with(header);
        if !self.is_sync() || at_once.as_ref().is_some_and(|reply| reply.body.is_empty()) {
            return at_once;
        }
        // In order nothing is noted in the log.
        assert!(at_once.is_none() || header.order, "an answer with messages did not wait for the disk");
        let is_flushed = self.flush();
        at_once.or_else(|| self.popper.outbox.take().pop()).filter(|_| is_flushed)
    }

    /// Nothing of a queue while something is in flight, and then from the first that is not acknowledged.
    fn check_order(&self, given: &[Given], now: i64) {
        for queue_id in 0..2 {
            let of_queue: Vec<&Given> =
                given.iter().filter(|given| given.handle.queue_id == queue_id).collect();
            let Some(first) = of_queue.first() else { continue };
            let in_flight = self.deliveries.iter().find(|d| {
                d.given.group == IN_ORDER
                    && d.given.handle.queue_id == queue_id
                    && !d.is_acked
                    && !d.is_replaced
                    && d.visible_at() > now
            });
            let is_doubtful =
                |given: &Given| self.told.get(&of_group(given)).is_some_and(|told| told.is_doubtful);
            assert!(
                in_flight.is_none_or(|held| is_doubtful(&held.given)),
                "{first:?} is given while {in_flight:?} is in flight"
            );
            let messages = self.sent.iter().enumerate().filter(|(_, (queue, _))| *queue == queue_id);
            let open = messages.filter(|(number, (_, is_sent))| {
                *is_sent && !self.told.get(&(IN_ORDER, *number)).is_some_and(|told| told.is_acked)
            });
            let earliest = open.map(|(number, _)| number).next();
            let first: usize = first.body.parse().unwrap();
            let is_doubtful =
                |number: usize| self.told.get(&(IN_ORDER, number)).is_some_and(|told| told.is_doubtful);
            assert!(
                earliest.is_none_or(|earliest| first <= earliest || is_doubtful(earliest))
                    || is_doubtful(first),
                "{earliest:?} is left out for {first}"
            );
            let numbers: Vec<usize> = of_queue.iter().map(|given| given.body.parse().unwrap()).collect();
            assert!(numbers.is_sorted(), "{numbers:?}");
        }
    }

    fn ack(&mut self, which: usize) {
        let count = self.deliveries.len();
        let Some(delivery) = self.deliveries.get(which % count.max(1)).cloned() else { return };
        let now = self.now();
        let code = self.popper.ack(&delivery.given);
        let died = self.disk.is_dead();
        let is_doubtful = self.told_of(&delivery.given).is_doubtful;
        assert!(died || is_doubtful || code == ResponseCode::SUCCESS, "{code} {delivery:?}");
        self.touch(of_group(&delivery.given));
        if is_doubtful {
            // Which of its handles counts nobody knows; a consumer is done with it.
            let told = self.told_of(&delivery.given);
            // What the process died in may have reached the disk.
            told.is_acked |= died || code == ResponseCode::SUCCESS;
            self.deliveries[which % count].is_acked |= code == ResponseCode::SUCCESS;
            return;
        }
        let is_settled = delivery.is_acked || delivery.is_replaced || self.is_superseded(which % count);
        // Some seconds after its time it comes again for certain; until then an acknowledgement may count.
        let late_ms = now - delivery.visible_at();
        let comes_again = late_ms >= AGAIN_MS && delivery.given.group == "g";
        if is_settled || comes_again {
            return;
        }
        self.deliveries[which % count].is_acked = !died;
        let told = self.told_of(&delivery.given);
        told.is_acked = true;
        told.is_doubtful |= died || late_ms >= 0;
    }

    fn told_of(&mut self, given: &Given) -> &mut Told {
        self.told.entry(of_group(given)).or_default()
    }

    /// Whether the message was given to somebody later.
    fn is_superseded(&self, which: usize) -> bool {
        let given = &self.deliveries[which].given;
        let is_same = |later: &Delivery| later.given.group == given.group && later.given.body == given.body;
        self.deliveries[which + 1..].iter().any(is_same)
    }

    fn change(&mut self, which: usize, invisible_ms: i64) {
        let count = self.deliveries.len();
        let Some(delivery) = self.deliveries.get(which % count.max(1)).cloned() else { return };
        let now = self.now();
        let changed = self.popper.change(&delivery.given, invisible_ms);
        self.touch(of_group(&delivery.given));
        if self.disk.is_dead() {
            return;
        }
        let is_settled = delivery.is_acked || delivery.is_replaced || self.is_superseded(which % count);
        let is_good = !is_settled && delivery.visible_at() > now;
        let is_doubtful = self.told_of(&delivery.given).is_doubtful;
        match changed {
            Ok(given) => {
                let may_be_late =
                    !is_settled && (now - delivery.visible_at() < AGAIN_MS || given.group == IN_ORDER);
                assert!(
                    is_good || may_be_late || is_doubtful,
                    "a stale handle changes something: {delivery:?}"
                );
                if given.group == IN_ORDER {
                    // The handle is the same, but for its time.
                    self.deliveries[which % count].given = given;
                } else {
                    self.deliveries[which % count].is_replaced = true;
                    self.deliveries.push(Delivery { given, is_acked: false, is_replaced: false });
                }
            }
            Err(code) => {
                assert!(code == ResponseCode::NO_MESSAGE || is_doubtful, "{code}");
                assert!(!is_good || is_doubtful, "a good handle changes nothing: {delivery:?}");
            }
        }
    }

    /// Nothing goes wrong any more, and consumers acknowledge all that they are given: everything comes.
    pub(super) fn calm_down(mut self) {
        self.disk.disarm();
        self = if self.disk.is_dead() { self.restart() } else { self };
        // A change of the invisible time that a power cut took leaves the time as it was: a minute at most.
        let (mut idle, wanted) = (0, if self.was_cut { 9 } else { 1 });
        for _ in 0..200 {
            self.popper.pass(8_000);
            let before = self.deliveries.len();
            for group in GROUPS {
                self.pop(group, 32, 30_000, -1);
            }
            (before..self.deliveries.len()).for_each(|which| self.ack(which));
            let is_over = self.deliveries.len() == before && self.popper.pop.check_points() == 0;
            let is_over = is_over && self.deliveries.iter().all(|d| d.visible_at() < self.now());
            idle = if is_over { idle + 1 } else { 0 };
            if idle == wanted {
                break;
            }
        }
        for group in GROUPS {
            for (number, (_, is_sent)) in self.sent.iter().enumerate() {
                let is_acked = self.told.get(&(group, number)).is_some_and(|told| told.is_acked);
                let of_message = |d: &&Delivery| d.given.group == group && d.given.body == number.to_string();
                let deliveries: Vec<&Delivery> = self.deliveries.iter().filter(of_message).collect();
                assert!(!is_sent || is_acked, "{number} is lost to {group}: {deliveries:?}");
            }
        }
        assert_eq!(self.popper.pop.check_points(), 0, "all is dealt with");
    }
}

fn of_group(given: &Given) -> OfGroup {
    let group = GROUPS.into_iter().find(|group| *group == given.group).unwrap();
    (group, number_of(given.body.as_bytes()))
}

fn number_of(body: &[u8]) -> usize {
    std::str::from_utf8(body).unwrap().parse().unwrap()
}

/// Leaves so many hundredths of a journal's records.
fn cut_off(journal: &Path, hundredths: u64) {
    const HEADER_LEN: u64 = 16;
    let Ok(file) = OpenOptions::new().write(true).open(journal) else { return };
    let records = file.metadata().unwrap().len().saturating_sub(HEADER_LEN);
    file.set_len(HEADER_LEN + records * hundredths.min(100) / 100).unwrap();
}
