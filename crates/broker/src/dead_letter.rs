//! How often a message is tried again, and when it is given up: then it goes to its group's dead letter topic.

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
    /// It is given up.
    DeadLetter,
}

/// Decides on a message that was sent back `reconsume_times` times before.
///
/// The consumer wishes `delay_level`: negative gives up, 0 leaves the choice to the broker (later with each try).
pub fn next_try(reconsume_times: i32, reconsume_times_max: i32, delay_level: i32) -> NextTry {
    if reconsume_times >= reconsume_times_max || delay_level < 0 {
        NextTry::DeadLetter
    } else if delay_level == 0 {
        NextTry::After { level: FIRST_RETRY_LEVEL.saturating_add(reconsume_times) }
    } else {
        NextTry::After { level: delay_level }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_later_and_later_and_end() {
        assert_eq!(next_try(0, 16, 0), NextTry::After { level: 3 });
        assert_eq!(next_try(15, 16, 0), NextTry::After { level: 18 });
        assert_eq!(next_try(16, 16, 0), NextTry::DeadLetter);
        assert_eq!(next_try(2, 16, 1), NextTry::After { level: 1 });
        assert_eq!(next_try(0, 16, -1), NextTry::DeadLetter);
        assert_eq!(next_try(0, 0, 5), NextTry::DeadLetter);
        assert_eq!(next_try(i32::MAX - 1, i32::MAX, 0), NextTry::After { level: i32::MAX });
    }
}
