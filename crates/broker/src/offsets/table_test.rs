//! Offsets over restarts, power cuts and files of Java.

use eruca_message::{ManualClock, Timestamp};
use proptest::prelude::*;

use super::*;

fn open(dir: &Path) -> OffsetTable {
    OffsetTable::open(dir, &ManualClock::new(Timestamp(1_000))).unwrap()
}

#[test]
fn javas_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let json = "{\n\t\"dataVersion\":{\n\t\t\"counter\":0,\n\t\t\"stateVersion\":0,\n\t\t\"timestamp\":1795415246636\n\t},\n\t\"groupTopicMap\":{\n\t\t\"g_pop\":[\"GPop\"]\n\t},\n\t\"offsetTable\":{\n\t\t\"GNormal@g_trace\":{\n\t\t\t0:5,\n\t\t\t1:6\n\t\t},\n\t\t\"GNormal@g_bcast@broadcast\":{0:7}\n\t},\n\t\"pullOffsetTable\":{}\n}";
    std::fs::write(dir.path().join("consumerOffset.json"), json).unwrap();
    let table = open(dir.path());
    assert_eq!(table.committed("g_trace", "GNormal", 1), Some(6));
    assert_eq!(table.committed("g_bcast@broadcast", "GNormal", 0), Some(7));
    assert_eq!(table.committed("g_trace", "GNormal", 2), None);
    assert_eq!(table.groups_of("GNormal").len(), 2);
}

#[test]
fn an_offset_that_stands_on_lost_messages_does_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(dir.path());
    table.commit_after("g", "T", 0, 5, LogOffset(1_000));
    table.commit_after("g", "T", 0, 8, LogOffset(2_000));
    table.commit("g", "T", 1, 9);
    table.settle();
    drop(table);
    let clock = ManualClock::new(Timestamp(1_000));
    let after = |log_end| {
        let table = OffsetTable::open_for(dir.path(), &clock, false, LogOffset(log_end)).unwrap();
        (table.committed("g", "T", 0), table.committed("g", "T", 1))
    };
    assert_eq!(after(2_000), (Some(8), Some(9)), "a kill takes nothing");
    assert_eq!(after(1_999), (Some(5), Some(9)));
    assert_eq!(after(9_999), (Some(5), Some(9)), "the log has other messages there now");
}

#[test]
fn with_lmq_the_file_is_javas_other_one() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(Timestamp(1_000));
    open(dir.path()).commit("g", "T", 1, 5);
    let before = open(dir.path());
    before.commit("g", "T", 1, 5);
    before.settle();
    drop(before);
    let table = OffsetTable::open_for(dir.path(), &clock, true, LogOffset(u64::MAX)).unwrap();
    assert_eq!(table.committed("g", "T", 1), Some(5), "taken over");
    table.commit("%LMQ%c", "%LMQ%a", 0, 7);
    table.persist_step().unwrap();
    let json = std::fs::read_to_string(dir.path().join("lmqConsumerOffset.json")).unwrap();
    let file: ConsumerOffsetSerializeWrapper = body::from_json(json.as_bytes()).unwrap();
    assert_eq!(file.lmq_offset_table.unwrap(), BTreeMap::from([("%LMQ%a@%LMQ%c".to_owned(), 7)]));
    assert_eq!(file.offset_table.len(), 1);
    table.commit("%LMQ%c", "%LMQ%a", 0, 8);
    table.settle();
    drop(table);
    let table = OffsetTable::open_for(dir.path(), &clock, true, LogOffset(u64::MAX)).unwrap();
    assert_eq!(table.committed("%LMQ%c", "%LMQ%a", 0), Some(8));
    assert_eq!(table.committed("g", "T", 1), Some(5));
}

#[test]
fn a_light_group_has_one_offset_in_all_queues_of_a_topic() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(Timestamp(1_000));
    std::fs::write(
        dir.path().join("lmqConsumerOffset.json"),
        r#"{"lmqOffsetTable":{"T@%LMQ%c":4},"offsetTable":{}}"#,
    )
    .unwrap();
    let table = OffsetTable::open_for(dir.path(), &clock, true, LogOffset(u64::MAX)).unwrap();
    assert_eq!(table.committed("%LMQ%c", "T", 3), Some(4), "Java's file has no queue");
    table.commit("%LMQ%c", "T", 2, 6);
    assert_eq!(table.committed("%LMQ%c", "T", 1), Some(6));
    table.commit("g", "T", 2, 9);
    assert_eq!(table.committed("g", "T", 1), None, "an ordinary group has one in each queue");
    table.settle();
    drop(table);
    let table = OffsetTable::open_for(dir.path(), &clock, true, LogOffset(u64::MAX)).unwrap();
    assert_eq!(table.committed("%LMQ%c", "T", 3), Some(6));
    // Without the key, Java has ordinary groups only.
    let other = tempfile::tempdir().unwrap();
    let table = open(other.path());
    table.commit("%LMQ%c", "T", 2, 6);
    assert_eq!(table.committed("%LMQ%c", "T", 1), None);
}

#[derive(Debug, Clone)]
enum Step {
    Commit(u8, u8, i32, i64),
    ForgetGroup(u8),
    ForgetTopic(u8),
    Persist,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3u8, 0..3u8, 0..3i32, 0..100i64).prop_map(|(g, t, q, o)| Step::Commit(g, t, q, o)),
        1 => (0..3u8).prop_map(Step::ForgetGroup),
        1 => (0..3u8).prop_map(Step::ForgetTopic),
        2 => Just(Step::Persist),
        2 => Just(Step::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_was_settled_is_there_after_any_kills(steps in proptest::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut table = open(dir.path());
        let mut model: BTreeMap<(String, String), QueueOffsets> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Commit(g, t, q, o) => {
                    table.commit(&format!("g{g}"), &format!("t{t}"), q, o);
                    model.entry((format!("t{t}"), format!("g{g}"))).or_default().insert(q, o);
                }
                Step::ForgetGroup(g) => {
                    table.delete_group(&format!("g{g}"));
                    model.retain(|(_, group), _| *group != format!("g{g}"));
                }
                Step::ForgetTopic(t) => {
                    table.delete_topic(&format!("t{t}"));
                    model.retain(|(topic, _), _| *topic != format!("t{t}"));
                }
                Step::Persist => table.persist_step().unwrap(),
                Step::Kill => {
                    table.settle();
                    drop(table);
                    table = open(dir.path());
                }
            }
            let expected: BTreeMap<_, _> =
                model.iter().map(|((t, g), q)| (format!("{t}@{g}"), q.clone())).collect();
            prop_assert_eq!(table.snapshot(), expected);
        }
    }
}
