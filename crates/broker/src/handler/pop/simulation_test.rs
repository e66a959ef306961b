//! Pops on a simulated disk that the process dies on, and whose machine loses its power, against what consumers were given and
//! told.
//!
//! Held against the broker: what was acknowledged in time never comes again, everything else does; nothing is given to
//! two at a time; a stale handle does nothing; in order nothing later is given while something earlier is in flight. What
//! the process died in, nobody was told of: messages that it may have touched may come once more than the others. So may those
//! that a power cut may have made it forget, but what the disk had comes, and what is stored in the place of what was lost.

use eruca_store::FlushMode;
use proptest::prelude::*;

use super::simulation_world::{Step, World};
use crate::handler::test_parts::OnDisk;

const ASYNC: OnDisk = OnDisk { flush_mode: FlushMode::Async, trusts_offsets: false };
const SYNC: OnDisk = OnDisk { flush_mode: FlushMode::Sync, trusts_offsets: false };

fn play(seed: u64, steps: &[Step]) {
    play_as(ASYNC, seed, steps);
}

fn play_as(kind: OnDisk, seed: u64, steps: &[Step]) {
    let mut world = World::new(seed, kind);
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
        let mut world = World::new(1, ASYNC);
        for step in script() {
            world = world.play(&step);
        }
        world.disk.changes()
    };
    assert!(changes > 20);
    for after in 0..changes {
        for keep in [0, 300, usize::MAX] {
            let mut steps = vec![Step::DieSoon(after, keep, None)];
            steps.extend(script());
            play(1, &steps);
        }
    }
}

/// A power cut behind every step, with what the kernel wrote of the journals by then: all, nothing, half. What comes
/// afterwards has the places of what was lost, and must not be taken for it.
fn with_power_cuts(mut play: impl FnMut(u64, &[Step])) {
    for at in 0..=script().len() {
        for (seed, kept) in [(1, 100), (2, 100), (3, 0), (4, 50)] {
            let mut steps = script();
            steps.splice(at..at, [Step::PowerCut(kept), Step::Send(0), Step::Send(1), pop(1, 4, 2_000)]);
            play(seed, &steps);
        }
    }
}

#[test]
fn a_power_cut_behind_every_step_loses_nothing_that_the_disk_had() {
    for kind in [ASYNC, SYNC] {
        with_power_cuts(|seed, steps| play_as(kind, seed, steps));
    }
}

#[test]
fn a_power_cut_within_every_change_of_the_disk_loses_nothing_that_was_flushed() {
    for (kind, after) in [ASYNC, SYNC].into_iter().flat_map(|kind| (0..40).map(move |after| (kind, after))) {
        let mut steps = vec![Step::DieSoon(after, 300, Some(100))];
        steps.extend(script());
        play_as(kind, after + 1, &steps);
    }
}

/// Planted: a broker that believes its journal of offsets, whatever became of the log.
#[test]
fn offsets_that_run_ahead_of_the_log_are_found() {
    let (mut played, mut found) = (0, 0);
    with_power_cuts(|seed, steps| {
        let kind = OnDisk { trusts_offsets: true, ..ASYNC };
        played += 1;
        found += u32::from(std::panic::catch_unwind(|| play_as(kind, seed, steps)).is_err());
    });
    assert!(found * 20 > played, "{found} of {played} worlds show it");
}

/// Twice the process dies: what it died in the second time counts, or does not, as the first time.
#[test]
fn an_acknowledgement_that_the_process_died_in_may_count() {
    let steps = [
        Step::Send(0),
        Step::Pop { group: 0, max: 1, invisible_ms: 60_000, queue_id: 0 },
        Step::DieSoon(0, usize::MAX, None),
        Step::Send(0),
        Step::DieSoon(0, usize::MAX, Some(100)),
        Step::Ack(0),
    ];
    (1..40).for_each(|seed| play(seed, &steps));
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
        1 => (0..8u64, prop_oneof![Just(0), Just(usize::MAX), 0..2_000usize], proptest::option::of(0..=100u64))
            .prop_map(|(after, keep, cut)| Step::DieSoon(after, keep, cut)),
        2 => Just(Step::Flush),
        1 => Just(Step::Persist),
        1 => prop_oneof![Just(100u64), 0..=100u64].prop_map(Step::PowerCut),
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
        is_sync in proptest::bool::ANY,
        steps in proptest::collection::vec(any_step(), 1..60),
    ) {
        play_as(if is_sync { SYNC } else { ASYNC }, seed, &steps);
    }
}
