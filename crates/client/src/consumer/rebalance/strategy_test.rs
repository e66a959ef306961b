use proptest::prelude::*;

use super::*;

const GOLDEN: &str = include_str!("../../../tests/data/allocation.txt");

fn queue(topic: &str, text: &str) -> MessageQueue {
    let (broker, id) = text.split_once(':').unwrap();
    MessageQueue::new(topic, broker, id.parse().unwrap())
}

fn room(name: &str) -> String {
    name.split('@').next().unwrap().to_owned()
}

fn named(name: &str) -> AllocationStrategy {
    match name {
        "average" => AllocationStrategy::Average,
        "circle" => AllocationStrategy::AverageByCircle,
        "hash10" => AllocationStrategy::ConsistentHash { virtual_nodes: 10 },
        "hash3" => AllocationStrategy::ConsistentHash { virtual_nodes: 3 },
        "room" => AllocationStrategy::MachineRoom { rooms: ["r0", "r1"].map(str::to_owned).into() },
        "nearby" => AllocationStrategy::MachineRoomNearby(RoomOf::new(room, room)),
        other => panic!("{other}"),
    }
}

/// What the strategies of rocketmq-client 5.5.0 gave for random queues and members.
#[test]
fn shares_are_those_of_the_java_client() {
    let (mut topic, mut queues, mut members) = ("", Vec::new(), Vec::new());
    let mut compared = 0;
    for line in GOLDEN.lines() {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        if let Some(name) = parts[0].strip_prefix("case ") {
            topic = name;
            queues = parts[1].split_whitespace().map(|text| queue(topic, text)).collect();
            members = parts[2].split_whitespace().map(str::to_owned).collect();
            continue;
        }
        let (strategy, member) = parts[0].split_once(' ').unwrap();
        let mut expected: Vec<MessageQueue> =
            parts[1].split_whitespace().map(|text| queue(topic, text)).collect();
        expected.sort();
        assert_eq!(named(strategy).allocate(member, &queues, &members), expected, "{topic} {line}");
        compared += 1;
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn a_stranger_gets_nothing() {
    let queues = [MessageQueue::new("t", "b", 0)];
    for name in ["average", "circle", "hash10", "room", "nearby"] {
        assert!(named(name).allocate("x", &queues, &["a".to_owned()]).is_empty());
        assert!(named(name).allocate("x", &queues, &[]).is_empty());
    }
}

#[test]
fn fixed_queues_are_taken_where_they_exist_and_retries_are_shared() {
    let queues: Vec<_> = (0..4).map(|id| MessageQueue::new("t", "b", id)).collect();
    let fixed = AllocationStrategy::Fixed(vec![queues[2].clone(), MessageQueue::new("t", "gone", 0)]);
    let members = ["a".to_owned(), "b".to_owned()];
    assert_eq!(fixed.allocate("a", &queues, &members), [queues[2].clone()]);
    let retry = [MessageQueue::new("%RETRY%g", "b", 0)];
    assert_eq!(fixed.allocate("a", &retry, &members), retry);
    assert!(fixed.allocate("b", &retry, &members).is_empty());
}

proptest! {
    #[test]
    fn every_queue_goes_to_exactly_one_member(
        count in 0usize..50,
        members in proptest::collection::hash_set("r[0-3]@[a-z]{1,4}", 1..12),
        name in proptest::sample::select(&["average", "circle", "hash10", "hash3", "nearby"][..]),
        seed in any::<u64>(),
    ) {
        let mut all: Vec<_> =
            (0..count).map(|i| MessageQueue::new("t", format!("r{}@b", i % 3), (i / 3) as i32)).collect();
        all.rotate_left(seed as usize % count.max(1));
        let members: Vec<String> = members.into_iter().collect();
        let shares: Vec<Vec<MessageQueue>> =
            members.iter().map(|id| named(name).allocate(id, &all, &members)).collect();
        let mut given: Vec<MessageQueue> = shares.iter().flatten().cloned().collect();
        given.sort();
        all.sort();
        prop_assert_eq!(given, all);
        if matches!(name, "average" | "circle") {
            let sizes = shares.iter().map(Vec::len);
            prop_assert!(sizes.clone().max().unwrap_or(0) - sizes.min().unwrap_or(0) <= 1);
        }
    }
}
