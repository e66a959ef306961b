//! What is in flight when nobody delivers what waits in the timer topic.

use std::sync::Arc;

use eruca_message::Clock;

use super::*;
use crate::{
    handler::test_parts::{TestParts, message},
    long_poll::PopHold,
    offsets::OffsetTable,
    pop::{AckHandle, CheckPoint, OrderVerdict, QueueKey},
};

#[test]
fn a_slave_that_stands_in_knows_what_came_due_while_there_was_no_master() {
    let parts = TestParts::new();
    let pop = parts.pop_service(&Arc::new(PopHold::new()), &Arc::default());
    let queue = QueueKey::new("T", "g", 0);
    let pop_time = parts.clock.now().0;
    let popped = |start: i64, invisible_ms| CheckPoint {
        key: PopKey { queue: queue.clone(), start, pop_time },
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
        pop.take_up(timers);
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
    pop.take_up(Timers::Ours);
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
