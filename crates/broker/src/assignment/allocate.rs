//! How queues are shared by the members of a group, as every Java client and broker computes it.

use eruca_message::MessageQueue;
use eruca_protocol::body::{MessageRequestMode, SetMessageRequestModeRequestBody};

/// Who asks for its share, and among whom.
#[derive(Debug, Clone, Copy)]
pub struct Share<'a> {
    /// The member.
    pub client_id: &'a str,
    /// All members, sorted.
    pub members: &'a [String],
    /// All queues of the topic, sorted.
    pub queues: &'a [MessageQueue],
    /// `AVG` or `AVG_BY_CIRCLE`.
    pub strategy: &'a str,
}

/// A member's queues. `None`: the strategy is not known, or the member is not one.
///
/// Popped queues may have several owners: each member takes its own share and those of so many members behind it
/// (`popShareQueueNum`). With 0 or less, or as many as there are others, every member pops from all queues, which one entry
/// with queue -1 for each broker says.
pub fn share(share: Share<'_>, mode: &SetMessageRequestModeRequestBody) -> Option<Vec<MessageQueue>> {
    if mode.mode == MessageRequestMode::Pull {
        return of_member(share, share.client_id);
    }
    let others = i64::try_from(share.members.len()).unwrap_or(i64::MAX) - 1;
    let shared_with = i64::from(mode.pop_share_queue_num);
    if shared_with <= 0 || shared_with >= others {
        let mut all: Vec<MessageQueue> = share
            .queues
            .iter()
            .map(|queue| MessageQueue::new(queue.topic.as_str(), queue.broker_name.as_str(), -1))
            .collect();
        all.dedup();
        return Some(all);
    }
    let place = share.members.iter().position(|member| member == share.client_id)?;
    if share.members.len() > share.queues.len() {
        // More members than queues: one each, and a queue has several.
        return Some(share.queues.get(place % share.queues.len().max(1)).cloned().into_iter().collect());
    }
    let count = usize::try_from(shared_with).unwrap_or(0);
    let behind = share.members.iter().cycle().skip(place).take(count + 1);
    let mut queues = behind.map(|member| of_member(share, member)).collect::<Option<Vec<_>>>()?.concat();
    queues.sort();
    queues.dedup();
    Some(queues)
}

fn of_member(share: Share<'_>, member: &str) -> Option<Vec<MessageQueue>> {
    let Share { members, queues, .. } = share;
    let place = members.iter().position(|one| one == member)?;
    let (count, more) = (queues.len() / members.len(), queues.len() % members.len());
    match share.strategy {
        // Neighbours; the first members have one more where it does not come out even.
        "AVG" => {
            let start = place * count + place.min(more);
            let len = count + usize::from(place < more);
            Some(queues.iter().skip(start).take(len).cloned().collect())
        }
        "AVG_BY_CIRCLE" => Some(queues.iter().skip(place).step_by(members.len()).cloned().collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn queues(count: i32) -> Vec<MessageQueue> {
        (0..count).map(|id| MessageQueue::new("T", "b", id)).collect()
    }

    fn members(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("m{number}")).collect()
    }

    fn ids(queues: Option<Vec<MessageQueue>>) -> Vec<i32> {
        queues.unwrap().iter().map(|queue| queue.queue_id).collect()
    }

    fn ask(
        of: &str,
        count: usize,
        queues: &[MessageQueue],
        strategy: &str,
        pop: Option<i32>,
    ) -> Option<Vec<MessageQueue>> {
        let mode = SetMessageRequestModeRequestBody {
            mode: if pop.is_some() { MessageRequestMode::Pop } else { MessageRequestMode::Pull },
            pop_share_queue_num: pop.unwrap_or(0),
            ..Default::default()
        };
        share(Share { client_id: of, members: &members(count), queues, strategy }, &mode)
    }

    #[test]
    fn queues_are_shared_as_java_does() {
        let queues = queues(5);
        assert_eq!(ids(ask("m0", 2, &queues, "AVG", None)), [0, 1, 2]);
        assert_eq!(ids(ask("m1", 2, &queues, "AVG", None)), [3, 4]);
        assert_eq!(ids(ask("m1", 2, &queues, "AVG_BY_CIRCLE", None)), [1, 3]);
        assert!(ids(ask("m6", 7, &queues, "AVG", None)).is_empty());
        assert_eq!(ask("x", 2, &queues, "AVG", None), None);
        assert_eq!(ask("m0", 2, &queues, "CONFIG", None), None);
    }

    #[test]
    fn popped_queues_have_several_owners() {
        let queues = queues(4);
        for all in [-1, 0, 3, 9] {
            assert_eq!(ids(ask("m0", 4, &queues, "AVG", Some(all))), [-1], "{all}");
        }
        assert_eq!(ids(ask("m0", 4, &queues, "AVG", Some(1))), [0, 1]);
        assert_eq!(ids(ask("m3", 4, &queues, "AVG", Some(1))), [0, 3], "round the end");
        assert_eq!(ids(ask("m5", 6, &queues, "AVG", Some(1))), [1], "one each where there are more members");
        let two_brokers: Vec<_> = ["a", "b"]
            .iter()
            .flat_map(|broker| (0..2).map(|id| MessageQueue::new("T", *broker, id)))
            .collect();
        let all = ask("m0", 1, &two_brokers, "AVG", Some(-1)).unwrap();
        assert_eq!(all, [MessageQueue::new("T", "a", -1), MessageQueue::new("T", "b", -1)]);
    }

    proptest::proptest! {
        #[test]
        fn every_queue_has_an_owner(queue_count in 1..20i32, member_count in 1..20usize, pop in proptest::option::of(-1..20i32)) {
            let queues = queues(queue_count);
            let mut owned = BTreeSet::new();
            for member in members(member_count) {
                owned.extend(ids(ask(&member, member_count, &queues, "AVG", pop)));
            }
            if pop.is_none() || !owned.contains(&-1) {
                proptest::prop_assert_eq!(owned, (0..queue_count).collect::<BTreeSet<_>>());
            }
        }
    }
}
