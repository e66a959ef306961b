//! What is in flight when nobody delivers what waits in the timer topic.

use std::sync::Arc;

use eruca_message::Clock;

use super::*;
use crate::{
    handler::test_parts::{TestParts, message},
    long_poll::PopHold,
    offsets::OffsetTable,
    pop::{AckHandle, CheckPoint, OrderVerdict, QueueKey, record, state::Revival},
};

#[test]
fn a_slave_that_stands_in_knows_what_came_due_while_there_was_no_master() {
    let parts = TestParts::new();
    let pop = parts.pop_service(&Arc::new(PopHold::new()), &Arc::default());
    let queue = QueueKey::new("T", "g", 0);
    let pop_time = parts.clock.now().0;
    let popped = |start: i64, invisible_ms| CheckPoint {
        key: PopKey::new(queue.clone(), start, pop_time),
        invisible_ms,
        offsets: vec![start, start + 1],
        suspend: false,
    };
    let (short, long) = (popped(0, 10_000), popped(2, 60_000));
    for check_point in [&short, &long] {
        let turn = pop.turn(&queue);
        pop.popped(&turn, check_point.clone(), 0, check_point.key.start + 2).unwrap();
    }
    let handle = AckHandle { due: short.due(), revive_queue: 0 };
    pop.ack(&short.key, &handle, &[1]).unwrap();
    pop.settling(|| parts.store.settle()).unwrap();

    parts.clock.advance_ms(20_000);
    let now = parts.clock.now();
    let due = |timers| {
        pop.take_up(timers, None);
        let due = pop.state().take_due(now, 10);
        due.into_iter().map(|revival| revival.check_point.offsets).collect::<Vec<_>>()
    };
    assert_eq!(due(Timers::Ours), Vec::<Vec<i64>>::new(), "it is looked for in the revive topic");
    assert_eq!(pop.check_points(), 1);
    assert_eq!(due(Timers::PassedOver), [[0]], "what was acknowledged does not come again");
    assert_eq!(pop.check_points(), 2);
    parts.store.set_replica(true).unwrap();
    pop.set_on_duty(false);
    assert_eq!(pop.check_points(), 0, "its master sees to them");
}

#[test]
fn what_was_in_flight_in_order_and_is_not_there_any_more_is_forgotten() {
    let parts = TestParts::new();
    let pop = parts.pop_service(&Arc::new(PopHold::new()), &Arc::default());
    parts.store.append(&message("T", 0, "all that a power cut left", b"")).unwrap();
    parts.store.settle().unwrap();
    let now = parts.clock.now().0;
    let give = |group: &str, offsets: &[i64]| {
        let queue = QueueKey::new("T", group, 0);
        let turn = pop.turn(&queue);
        pop.given_in_order(&turn, &queue, None, now, 60_000, offsets);
        drop(turn);
        queue
    };
    let (whole, torn) = (give("whole", &[0]), give("torn", &[0, 1]));
    pop.take_up(Timers::Ours, None);
    assert!(pop.is_blocked(&whole, None));
    assert!(!pop.is_blocked(&torn, None), "another message may come in the place of the second one");
}

#[test]
fn in_order_an_offset_stands_on_the_log() {
    let parts = TestParts::new();
    let pop = parts.pop_service(&Arc::new(PopHold::new()), &Arc::default());
    parts.store.append(&message("T", 0, "x", b"")).unwrap();
    parts.store.settle().unwrap();
    let (queue, now) = (QueueKey::new("T", "g", 0), parts.clock.now().0);
    let turn = pop.turn(&queue);
    pop.given_in_order(&turn, &queue, None, now, 60_000, &[0]);
    drop(turn);
    assert_eq!(pop.ack_in_order(&queue, 0, now), OrderVerdict::Done);
    parts.offsets.settle();
    let config = parts.directory.path().join("config");
    let after = |log_end| {
        let offsets = OffsetTable::open_for(&config, &*parts.clock, false, log_end).unwrap();
        offsets.committed("g", "T", 0)
    };
    let end = parts.store.log_range().1;
    assert_eq!(after(end), Some(1));
    assert_eq!(after(LogOffset(end.0 - 1)), None, "a power cut took the message");
}

#[test]
fn a_slave_that_stands_in_deals_with_long_pops_and_says_until_when() {
    let parts = TestParts::new();
    let pop = parts.pop_service(&Arc::new(PopHold::new()), &Arc::default());
    let queue = QueueKey::new("T", "g", 0);
    let now = parts.clock.now();
    // Longer ago than the timer topic is searched.
    let long = |start: i64, due_in_ms: i64| CheckPoint {
        key: PopKey::new(queue.clone(), start, now.0 - 3_600_000),
        invisible_ms: 3_600_000 + due_in_ms,
        offsets: vec![start, start + 1],
        suspend: false,
    };
    let (due, later) = (long(0, 1_000), long(2, 60_000));
    pop.take_up(Timers::PassedOver, None);
    for check_point in [&due, &later] {
        let body = record::encode_check_point(check_point, "b");
        pop.passed(b"TAGS\x01ck\x02", &body).unwrap();
    }
    pop.passed(b"TAGS\x01ack\x02", &record::encode_acks(&due.key, &[1], "b")).unwrap();
    pop.passed(b"TAGS\x01ck\x02", b"no record").unwrap();
    assert_eq!(pop.state().take_due(now.add_ms(1_000), 10), [], "acknowledgements come with its time");
    let revived = pop.state().take_due(now.add_ms(4_000), 10);
    assert_eq!(revived.iter().map(|it| &it.check_point.offsets[..]).collect::<Vec<_>>(), [[0]]);
    parts.clock.advance_ms(4_000);
    let until = pop.state().dealt_until(parts.clock.now());
    assert_eq!(until, Some(due.due().add_ms(-1)), "it is not in the retry topic yet");
    for Revival { id, .. } in revived {
        pop.state().revived(id, &[0], parts.clock.now());
    }
    assert_eq!(pop.stand_down(), parts.clock.now());
    assert_eq!(pop.check_points(), 0);

    // The master that comes back leaves alone what was due by then.
    pop.take_up(Timers::Ours, Some(parts.clock.now()));
    pop.state().revive_check_point(0, 0, due);
    pop.state().revive_check_point(0, 1, later);
    assert_eq!(pop.check_points(), 1);
}

#[test]
fn a_group_goes_back_to_what_was_popped_by_a_part_of_the_log_that_is_cut_off() {
    let parts = TestParts::new();
    let pop = parts.pop_service(&Arc::new(PopHold::new()), &Arc::default());
    let queue = QueueKey::new("T", "g", 0);
    let pop_at = |start: i64| {
        let key = PopKey::new(queue.clone(), start, parts.clock.now().0 + start);
        let check_point = CheckPoint { key, invisible_ms: 60_000, offsets: vec![start], suspend: false };
        let turn = pop.turn(&queue);
        pop.popped(&turn, check_point, 0, start + 1).unwrap();
        drop(turn);
        pop.settling(|| parts.store.settle()).unwrap();
        parts.store.log_range().1
    };
    let ends: Vec<_> = (0..4).map(pop_at).collect();
    let committed = || parts.offsets.committed("g", "T", 0);
    assert_eq!(committed(), Some(4));
    pop.log_will_be_cut(ends[3]);
    assert_eq!(committed(), Some(4), "nothing is lost");
    pop.log_will_be_cut(ends[1]);
    assert_eq!(committed(), Some(2), "the third message comes again");
}
