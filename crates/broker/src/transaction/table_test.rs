use super::*;

const RULES: Rules = Rules { check_max: 15, age_max_ms: 1_000_000 };

fn half(offset: u64, due: i64) -> NewHalf<'static> {
    NewHalf {
        offset: QueueOffset(offset),
        log_offset: LogOffset(offset * 100),
        group: "g",
        topic: "T",
        since: Timestamp(0),
        check_times: 0,
        due: Timestamp(due),
    }
}

fn table(offsets: std::ops::Range<u64>) -> HalfTable {
    let mut table = HalfTable::default();
    offsets.for_each(|offset| table.opened(&half(offset, 6_000 + offset as i64)));
    table
}

fn step(table: &mut HalfTable, now: i64) -> Step {
    table.step(Timestamp(now), &RULES, &mut |_| true, 100)
}

fn end(table: &mut HalfTable, offset: u64, log_offset: u64) -> Result<QueueOffset, Refusal> {
    table.begin_end(QueueOffset(offset), LogOffset(log_offset))
}

/// As the thread does: copies what is to be checked to `at` and on.
fn copy(table: &mut HalfTable, step: &Step, mut at: u64, due: i64) {
    for action in &step.actions {
        let ActionKind::Check { times } = action.kind else { continue };
        table.copied(action.offset, QueueOffset(at), LogOffset(at * 100), times, Timestamp(due));
        at += 1;
    }
}

#[test]
fn each_is_due_at_its_time_and_not_before() {
    let mut table = table(0..3);
    assert_eq!(step(&mut table, 5_999), Step { next: Some(Timestamp(6_000)), ..Step::default() });
    let due = step(&mut table, 6_001);
    let kinds: Vec<_> = due.actions.iter().map(|action| (action.offset.0, action.kind)).collect();
    assert_eq!(kinds, [(0, ActionKind::Check { times: 1 }), (1, ActionKind::Check { times: 1 })]);
    assert_eq!(due.next, Some(Timestamp(6_002)));
    copy(&mut table, &due, 3, 36_000);
    assert_eq!(step(&mut table, 6_002).actions.len(), 1);
    assert_eq!(step(&mut table, 36_000).actions[0].kind, ActionKind::Check { times: 2 });
}

#[test]
fn what_is_forgotten_is_not_ended_again() {
    let mut table = table(0..CLOSED_MAX as u64 + 1);
    for offset in 0..=CLOSED_MAX as u64 {
        let key = end(&mut table, offset, offset * 100).unwrap();
        table.close(key, Closed::Committed);
    }
    assert_eq!(end(&mut table, 1, 100), Err(Refusal::Closed(Closed::Committed)));
    assert_eq!(
        end(&mut table, 0, 0),
        Err(Refusal::NotOpen),
        "its outcome is forgotten, that it was settled is not"
    );
}

#[test]
fn an_end_is_exclusive_and_its_outcome_is_remembered() {
    let mut table = table(0..2);
    assert_eq!(end(&mut table, 0, 100), Err(Refusal::NotOpen), "another record");
    assert_eq!(end(&mut table, 0, 0), Ok(QueueOffset(0)));
    assert_eq!(end(&mut table, 0, 0), Err(Refusal::Busy));
    table.reopen(QueueOffset(0), Timestamp(0));
    assert_eq!(end(&mut table, 0, 0), Ok(QueueOffset(0)));
    assert_eq!(table.settled_up_to(), QueueOffset(0));
    table.close(QueueOffset(0), Closed::Committed);
    assert_eq!(end(&mut table, 0, 0), Err(Refusal::Closed(Closed::Committed)));
    assert_eq!((table.len(), table.settled_up_to()), (1, QueueOffset(1)));
    assert_eq!(step(&mut table, 10_000).actions.len(), 1, "only the other is asked for");
}

#[test]
fn an_answer_to_any_earlier_check_finds_the_half_message() {
    let mut table = table(0..1);
    for (now, at) in [(6_000, 1), (36_000, 2), (66_000, 3)] {
        let due = step(&mut table, now);
        copy(&mut table, &due, at, now + 30_000);
    }
    assert_eq!(table.settled_up_to(), QueueOffset(3));
    for earlier in [0, 1, 2, 3] {
        assert_eq!(end(&mut table, earlier, earlier * 100), Ok(QueueOffset(3)));
        table.reopen(QueueOffset(3), Timestamp(0));
    }
    assert_eq!(end(&mut table, 1, 100), Ok(QueueOffset(3)));
    assert_eq!(table.offsets_of(QueueOffset(3)), [3, 2, 1, 0].map(QueueOffset));
    table.close(QueueOffset(3), Closed::RolledBack);
    assert_eq!(end(&mut table, 0, 0), Err(Refusal::Closed(Closed::RolledBack)));
    assert!(table.aliases.is_empty() && table.open.is_empty() && table.due.is_empty());
    assert_eq!(table.settled_up_to(), QueueOffset(4));
}

#[test]
fn an_end_during_a_check_wins() {
    let mut table = table(0..1);
    let due = step(&mut table, 6_000);
    assert_eq!(end(&mut table, 0, 0), Ok(QueueOffset(0)));
    assert!(!table.is_checking(due.actions[0].offset));
    table.close(QueueOffset(0), Closed::Committed);
    assert_eq!(step(&mut table, 100_000), Step::default());
}

#[test]
fn it_is_given_up_after_enough_checks_or_too_long() {
    let rules = Rules { check_max: 2, age_max_ms: 100_000 };
    let mut asked = table(0..1);
    for now in [6_000, 36_000] {
        let due = asked.step(Timestamp(now), &rules, &mut |_| true, 10);
        assert!(matches!(due.actions[0].kind, ActionKind::Check { .. }), "{due:?}");
        copy(&mut asked, &due, now as u64, now + 30_000);
    }
    let last = asked.step(Timestamp(66_000), &rules, &mut |_| true, 10);
    assert_eq!(last.actions[0].kind, ActionKind::GiveUpChecks { times: 2 });

    let mut nobody = table(0..2);
    let first = nobody.step(Timestamp(7_000), &rules, &mut |_| false, 10);
    assert_eq!(first.orphaned, [Orphaned { group: "g".into(), queued: 2 }]);
    assert!(first.actions.is_empty());
    let again = nobody.step(Timestamp(8_000), &rules, &mut |_| false, 10);
    assert_eq!(again, Step { next: Some(Timestamp(9_000)), ..Step::default() }, "told once");
    let old = nobody.step(Timestamp(100_001), &rules, &mut |_| false, 10);
    assert_eq!(old.actions.len(), 2);
    assert_eq!(old.actions[0].kind, ActionKind::GiveUpAge { age_ms: 100_001 });
}

#[test]
fn who_comes_back_is_asked_at_once() {
    let mut table = table(0..3);
    table.step(Timestamp(7_000), &RULES, &mut |_| false, 10);
    assert_eq!(table.orphaned(), 3);
    assert_eq!(step(&mut table, 8_000).actions.len(), 3);
    assert_eq!(table.orphaned(), 0);
}

#[test]
fn what_the_store_dropped_was_never_there() {
    let mut table = table(0..2);
    table.opened(&half(2, 6_000));
    for offset in [2, 1] {
        table.dropped(QueueOffset(offset));
    }
    assert_eq!((table.len(), table.end), (1, QueueOffset(1)));
    let due = step(&mut table, 6_000);
    copy(&mut table, &due, 1, 36_000);
    table.copy_dropped(QueueOffset(1), Timestamp(6_000));
    assert_eq!((table.end, table.settled_up_to()), (QueueOffset(1), QueueOffset(0)));
    assert_eq!(step(&mut table, 6_000 + RETRY_MS).actions[0].kind, ActionKind::Check { times: 2 });
}

#[test]
fn few_open_ones_do_not_keep_a_long_queue() {
    let mut table = table(0..1);
    let end_of_queue = GAP_MAX + 10;
    table.opened(&half(end_of_queue, i64::MAX));
    let step = table.step(Timestamp(10), &RULES, &mut |_| false, 10);
    let offsets: Vec<_> = step.actions.iter().map(|action| (action.offset.0, action.kind)).collect();
    assert_eq!(offsets, [(0, ActionKind::Copy { times: 0 }), (end_of_queue, ActionKind::Copy { times: 0 })]);
}

#[test]
fn checks_begin_anew_when_they_are_resumed() {
    let mut table = table(0..1);
    let due = step(&mut table, 6_000);
    copy(&mut table, &due, 1, 36_000);
    assert!(!table.resume(QueueOffset(5), LogOffset(500), Timestamp(7_000)));
    assert!(table.resume(QueueOffset(0), LogOffset(0), Timestamp(7_000)));
    assert_eq!(step(&mut table, 7_000).actions[0].kind, ActionKind::Check { times: 1 });
}
