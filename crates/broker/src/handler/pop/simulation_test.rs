//! Pops on a simulated disk that the process dies on, against what consumers were given and told.
//!
//! Held against the broker: what was acknowledged in time never comes again, everything else does; nothing is given to
//! two at a time; a stale handle does nothing; in order nothing later is given while something earlier is in flight. What
//! the process died in, nobody was told of: messages that it may have touched may come once more than the others.

use std::{collections::BTreeMap, sync::Arc};

use eruca_message::Clock;
use eruca_protocol::ResponseCode;
use eruca_store::disk::{Fault, FaultKind, SimDisk, SimOp};
use proptest::prelude::*;

use super::fixture::{Given, Popper, request};
use crate::handler::test_parts::TestParts;

/// The group that pops in order; `g` pops in any.
const IN_ORDER: &str = "o";
/// So long after its time a message comes again at the latest: what came from the log waits 5 s for acknowledgements behind it,
/// and is looked at every second.
const AGAIN_MS: i64 = 6_000;
const GROUPS: [&str; 2] = ["g", IN_ORDER];

#[derive(Debug, Clone)]
enum Step {
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
    /// The process dies within one of the next changes of the disk, so many bytes into it.
    DieSoon(u64, usize),
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

struct World {
    disk: SimDisk,
    popper: Popper,
    /// Messages by their text: queue, and whether the send was acknowledged.
    sent: Vec<(i32, bool)>,
    told: BTreeMap<(&'static str, usize), Told>,
    deliveries: Vec<Delivery>,
}

impl World {
    fn new(seed: u64) -> World {
        let disk = SimDisk::new(seed);
        let popper = Popper::over(TestParts::on_disk(tempfile::tempdir().unwrap(), Arc::new(disk.clone())));
        World { disk, popper, sent: Vec::new(), told: BTreeMap::new(), deliveries: Vec::new() }
    }

    fn now(&self) -> i64 {
        self.popper.parts.clock.now().0
    }

    fn restart(self) -> World {
        let World { disk, popper, sent, mut told, deliveries } = self;
        if disk.is_dead() {
            for group in GROUPS {
                for number in 0..sent.len() {
                    told.entry((group, number)).or_default().is_doubtful = true;
                }
            }
        }
        let Popper { parts, pop, handler, .. } = popper;
        let now = parts.clock.now();
        // What came due a moment ago may be in the retry topic already, and the revive group's offset not behind it yet.
        for delivery in deliveries.iter().filter(|d| (0..AGAIN_MS).contains(&(now.0 - d.visible_at()))) {
            let number = delivery.given.body.parse().unwrap();
            let group = GROUPS.into_iter().find(|group| *group == delivery.given.group).unwrap();
            told.entry((group, number)).or_default().is_doubtful = true;
        }
        drop((handler, pop));
        let TestParts { directory, .. } = parts;
        disk.kill();
        let parts = TestParts::on_disk(directory, Arc::new(disk.clone()));
        parts.clock.set(now);
        let popper = Popper::over(parts);
        popper.note_delivered();
        World { disk, popper, sent, told, deliveries }
    }

    fn play(mut self, step: &Step) -> World {
        match step {
            Step::Send(queue_id) => self.send(*queue_id),
            Step::Pop { group, max, invisible_ms, queue_id } => {
                self.pop(GROUPS[*group], *max, *invisible_ms, *queue_id);
            }
            Step::Ack(which) => self.ack(*which),
            Step::Change(which, invisible_ms) => self.change(*which, *invisible_ms),
            Step::Pass(ms) => self.popper.pass(*ms),
            Step::Kill => return self.restart(),
            Step::DieSoon(after, keep) => {
                self.disk.inject(Fault { op: SimOp::Change, after: *after, kind: FaultKind::Crash(*keep) });
            }
        }
        if self.disk.is_dead() { self.restart() } else { self }
    }

    fn send(&mut self, queue_id: i32) {
        let body = self.sent.len().to_string();
        let appended =
            self.popper.parts.store.append(&crate::handler::test_parts::message("T", queue_id, &body, b""));
        let is_sent =
            self.popper.pop.settling(|| self.popper.parts.store.settle()).is_ok() && appended.is_ok();
        self.sent.push((queue_id, is_sent));
    }

    fn pop(&mut self, group: &'static str, max: i32, invisible_ms: i64, queue_id: i32) {
        let mut header = request(max, invisible_ms);
        header.consumer_group = group.to_owned();
        header.order = group == IN_ORDER;
        header.queue_id = queue_id;
        header.attempt_id = header.order.then(|| self.deliveries.len().to_string());
        let now = self.now();
        let reply = self.popper.pop_with(&header).unwrap();
        if self.disk.is_dead() {
            return;
        }
        let given = self.popper.given_to(group, &reply);
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
            assert!(in_flight.is_none(), "{first:?} is given while {in_flight:?} is in flight");
            let messages = self.sent.iter().enumerate().filter(|(_, (queue, _))| *queue == queue_id);
            let open = messages.filter(|(number, (_, is_sent))| {
                *is_sent && !self.told.get(&(IN_ORDER, *number)).is_some_and(|told| told.is_acked)
            });
            let earliest = open.map(|(number, _)| number).next();
            let first: usize = first.body.parse().unwrap();
            let is_doubtful = self.told.get(&(IN_ORDER, first)).is_some_and(|told| told.is_doubtful);
            assert!(
                earliest.is_none_or(|earliest| first <= earliest) || is_doubtful,
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
        assert!(died || code == ResponseCode::SUCCESS, "{code} {delivery:?}");
        let is_settled = delivery.is_acked || delivery.is_replaced || self.is_superseded(which % count);
        // Some seconds after its time it comes again for certain; until then an acknowledgement may count.
        let late_ms = now - delivery.visible_at();
        let comes_again = late_ms >= AGAIN_MS && delivery.given.group == "g";
        if is_settled || comes_again && !self.told_of(&delivery.given).is_doubtful {
            return;
        }
        self.deliveries[which % count].is_acked = !died;
        let told = self.told_of(&delivery.given);
        told.is_acked = true;
        told.is_doubtful |= died || late_ms >= 0;
    }

    fn told_of(&mut self, given: &Given) -> &mut Told {
        let group = GROUPS.into_iter().find(|group| *group == given.group).unwrap();
        self.told.entry((group, given.body.parse().unwrap())).or_default()
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
                assert_eq!(code, ResponseCode::NO_MESSAGE);
                assert!(!is_good || is_doubtful, "a good handle changes nothing: {delivery:?}");
            }
        }
    }

    /// Nothing goes wrong any more, and consumers acknowledge all that they are given: everything comes.
    fn calm_down(mut self) {
        self.disk.disarm();
        self = if self.disk.is_dead() { self.restart() } else { self };
        for _ in 0..200 {
            self.popper.pass(8_000);
            let before = self.deliveries.len();
            for group in GROUPS {
                self.pop(group, 32, 30_000, -1);
            }
            (before..self.deliveries.len()).for_each(|which| self.ack(which));
            let is_over = self.deliveries.len() == before && self.popper.pop.check_points() == 0;
            if is_over && self.deliveries.iter().all(|d| d.visible_at() < self.now()) {
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

fn play(seed: u64, steps: &[Step]) {
    let mut world = World::new(seed);
    for step in steps {
        world = world.play(step);
    }
    world.calm_down();
}

fn pop(group: usize, max: i32, invisible_ms: i64) -> Step {
    Step::Pop { group, max, invisible_ms, queue_id: -1 }
}

/// A bit of everything.
fn script() -> Vec<Step> {
    let mut steps: Vec<Step> = (0..6).map(|number| Step::Send(number % 2)).collect();
    steps.extend([
        pop(0, 4, 4_000),
        pop(1, 2, 6_000),
        Step::Ack(0),
        Step::Ack(4),
        Step::Change(1, 9_000),
        Step::Pass(1_500),
        Step::Send(0),
        pop(0, 32, 3_000),
        pop(1, 2, 5_000),
        Step::Ack(2),
        Step::Ack(7),
        Step::Change(3, 0),
        Step::Pass(3_000),
        pop(0, 32, 2_000),
        pop(1, 32, 2_000),
        Step::Ack(1),
        Step::Ack(9),
        Step::Pass(6_000),
        pop(0, 2, 20_000),
        pop(1, 2, 20_000),
    ]);
    steps
}

#[test]
fn a_restart_at_every_step_is_not_noticed() {
    for at in 0..=script().len() {
        let mut steps = script();
        steps.insert(at, Step::Kill);
        play(1, &steps);
    }
}

/// Whether its check point went to the revive topic at once, waits there, or is still with the timer.
#[test]
fn a_handle_that_was_used_up_stays_so_after_a_restart() {
    for invisible_ms in [1, 400, 1_000, 1_500, 4_000] {
        for (before_ack, before_kill) in [(0, 0), (300, 0), (0, 300), (600, 600)] {
            let pass = |ms: i64| (ms > 0).then_some(Step::Pass(ms));
            let mut steps = vec![Step::Send(1), Step::Pop { group: 0, max: 1, invisible_ms, queue_id: 1 }];
            steps.extend(pass(before_ack));
            steps.push(Step::Ack(0));
            steps.extend(pass(before_kill));
            steps.extend([Step::Kill, Step::Change(0, 9_000), Step::Change(0, 0)]);
            play(1, &steps);
        }
    }
}

#[test]
fn in_order_what_was_acknowledged_behind_an_open_one_does_not_come_again() {
    let pop = |max, invisible_ms| Step::Pop { group: 1, max, invisible_ms, queue_id: 1 };
    let steps = [
        Step::Send(1),
        Step::Send(1),
        pop(2, 1),
        Step::Ack(1),
        Step::Pass(1),
        pop(1, 0),
        Step::Ack(2),
        pop(1, 0),
    ];
    play(1, &steps);
}

#[test]
fn a_death_within_every_change_of_the_disk_loses_nothing() {
    let changes = {
        let mut world = World::new(1);
        for step in script() {
            world = world.play(&step);
        }
        world.disk.changes()
    };
    assert!(changes > 20);
    for after in 0..changes {
        for keep in [0, 300, usize::MAX] {
            let mut steps = vec![Step::DieSoon(after, keep)];
            steps.extend(script());
            play(1, &steps);
        }
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let invisible = || prop_oneof![Just(0i64), 1..9_000i64, Just(60_000)];
    prop_oneof![
        6 => (0..2).prop_map(Step::Send),
        6 => (0..2usize, 1..6, invisible(), -1..2).prop_map(|(group, max, invisible_ms, queue_id)| {
            Step::Pop { group, max, invisible_ms, queue_id }
        }),
        6 => (0..999usize).prop_map(Step::Ack),
        3 => (0..999usize, invisible()).prop_map(|(which, invisible_ms)| Step::Change(which, invisible_ms)),
        5 => (1..5_000i64).prop_map(Step::Pass),
        1 => Just(Step::Kill),
        1 => (0..8u64, prop_oneof![Just(0), Just(usize::MAX), 0..2_000usize])
            .prop_map(|(after, keep)| Step::DieSoon(after, keep)),
    ]
}

/// How many worlds are played; `POP_WORLDS` asks for more.
fn worlds() -> u32 {
    std::env::var("POP_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(worlds()))]
    #[test]
    fn each_message_is_acknowledged_or_comes_again(
        seed in 1..u64::MAX,
        steps in proptest::collection::vec(any_step(), 1..60),
    ) {
        play(seed, &steps);
    }
}
