//! How often a message is tried again, and when it is given up: then it goes to its group's dead letter topic.

use eruca_message::{
    Properties,
    properties::{INNER_MULTI_DISPATCH, INNER_MULTI_QUEUE_OFFSET},
};
use eruca_protocol::body::GroupRetryPolicy;

/// Level of the first retry where the consumer leaves the choice to the broker: 10 s by default.
const FIRST_RETRY_LEVEL: i32 = 3;

/// What becomes of a message that a consumer sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextTry {
    /// It is delivered again after this delay level.
    After {
        /// Delay level, from 1.
        level: i32,
    },
    /// It is delivered again after this time, as its group's policy has it.
    AfterMs {
        /// Milliseconds, 0 and more.
        delay_ms: i64,
    },
    /// It is given up.
    DeadLetter,
}

/// Decides on a message that was sent back `reconsume_times` times before.
///
/// The consumer wishes `delay_level`: negative gives up, 0 leaves the choice to the broker: by the policy of the group
/// where it has one, else by levels, later with each try.
pub fn next_try(
    reconsume_times: i32,
    reconsume_times_max: i32,
    delay_level: i32,
    policy: Option<&GroupRetryPolicy>,
) -> NextTry {
    if reconsume_times >= reconsume_times_max || delay_level < 0 {
        return NextTry::DeadLetter;
    }
    if delay_level > 0 {
        return NextTry::After { level: delay_level };
    }
    match policy.and_then(|policy| policy.delay_ms(reconsume_times)) {
        Some(delay_ms) => NextTry::AfterMs { delay_ms },
        None => NextTry::After { level: FIRST_RETRY_LEVEL.saturating_add(reconsume_times) },
    }
}

/// Takes from a copy that is for one group the light queues of the original: the store would put it there, and those who gave it up, and the
/// other groups, would get it once more.
pub(crate) fn in_no_light_queue(properties: &mut Properties) {
    properties.remove(INNER_MULTI_DISPATCH);
    properties.remove(INNER_MULTI_QUEUE_OFFSET);
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::CustomizedRetryPolicy;

    use super::*;

    #[test]
    fn tries_come_later_and_later_and_end() {
        assert_eq!(next_try(0, 16, 0, None), NextTry::After { level: 3 });
        assert_eq!(next_try(15, 16, 0, None), NextTry::After { level: 18 });
        assert_eq!(next_try(16, 16, 0, None), NextTry::DeadLetter);
        assert_eq!(next_try(2, 16, 1, None), NextTry::After { level: 1 });
        assert_eq!(next_try(0, 16, -1, None), NextTry::DeadLetter);
        assert_eq!(next_try(0, 0, 5, None), NextTry::DeadLetter);
        assert_eq!(next_try(i32::MAX - 1, i32::MAX, 0, None), NextTry::After { level: i32::MAX });
    }

    #[test]
    fn a_policy_counts_where_the_consumer_leaves_the_choice() {
        let policy = GroupRetryPolicy {
            customized_retry_policy: Some(CustomizedRetryPolicy { next: vec![1, 2, 300, 400] }),
            ..GroupRetryPolicy::default()
        };
        let next = |times, level| next_try(times, 16, level, Some(&policy));
        assert_eq!(next(0, 0), NextTry::AfterMs { delay_ms: 300 });
        assert_eq!(next(9, 0), NextTry::AfterMs { delay_ms: 400 });
        assert_eq!(next(0, 5), NextTry::After { level: 5 });
        assert_eq!(next(16, 0), NextTry::DeadLetter);
        let none = GroupRetryPolicy::default();
        assert_eq!(next_try(0, 16, 0, Some(&none)), NextTry::After { level: 3 });
    }
}
