//! Allocation by average: neighbouring queues to one member.

use eruca_message::MessageQueue;

/// The queues of member `client_id` (Java: `AllocateMessageQueueAveragely`): `queues` are cut in as many runs as there
/// are members, the first ones longer by one where it does not come out even. Every member computes this by itself;
/// they agree because they all sort both lists.
///
/// Empty where `client_id` is not among `client_ids`, or there are more members than queues.
///
/// ```
/// use eruca_client::{MessageQueue, allocate_averagely};
///
/// let queues: Vec<_> = (0..5).map(|id| MessageQueue::new("t", "b", id)).collect();
/// let members = ["m1".to_owned(), "m2".to_owned()];
/// assert_eq!(allocate_averagely("m1", &queues, &members), queues[..3]);
/// assert_eq!(allocate_averagely("m2", &queues, &members), queues[3..]);
/// ```
pub fn allocate_averagely(
    client_id: &str,
    queues: &[MessageQueue],
    client_ids: &[String],
) -> Vec<MessageQueue> {
    let mut queues = queues.to_vec();
    queues.sort();
    queues.dedup();
    let mut members: Vec<&str> = client_ids.iter().map(String::as_str).collect();
    members.sort_unstable();
    members.dedup();
    let Ok(index) = members.binary_search(&client_id) else { return Vec::new() };
    let (each, rest) = (queues.len() / members.len(), queues.len() % members.len());
    let start = index * each + index.min(rest);
    let count = each + usize::from(index < rest);
    queues.into_iter().skip(start).take(count).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn queues(count: usize) -> Vec<MessageQueue> {
        (0..count).map(|i| MessageQueue::new("t", format!("b{}", i % 3), (i / 3) as i32)).collect()
    }

    #[test]
    fn a_stranger_gets_nothing() {
        assert!(allocate_averagely("x", &queues(4), &["a".to_owned()]).is_empty());
        assert!(allocate_averagely("x", &queues(4), &[]).is_empty());
    }

    proptest! {
        #[test]
        fn every_queue_goes_to_exactly_one_member_and_shares_differ_by_one(
            count in 0usize..50,
            members in proptest::collection::hash_set("[a-z]{1,4}", 1..12),
        ) {
            let all = queues(count);
            let members: Vec<String> = members.into_iter().collect();
            let shares: Vec<Vec<MessageQueue>> =
                members.iter().map(|id| allocate_averagely(id, &all, &members)).collect();
            let mut given: Vec<MessageQueue> = shares.iter().flatten().cloned().collect();
            given.sort();
            let mut expected = all.clone();
            expected.sort();
            prop_assert_eq!(given, expected);
            let sizes = shares.iter().map(Vec::len);
            prop_assert!(sizes.clone().max().unwrap_or(0) - sizes.min().unwrap_or(0) <= 1);
        }

        #[test]
        fn the_order_of_the_lists_does_not_matter(count in 0usize..20, seed in any::<u64>()) {
            let mut all = queues(count);
            let mut members: Vec<String> = (0..5).map(|i| format!("m{i}")).collect();
            let expected = allocate_averagely("m2", &all, &members);
            all.rotate_left(seed as usize % count.max(1));
            members.reverse();
            prop_assert_eq!(allocate_averagely("m2", &all, &members), expected);
        }
    }
}
