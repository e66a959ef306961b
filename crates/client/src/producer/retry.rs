//! Whether a failed send is tried on another broker. Pure.

use std::time::Duration;

use eruca_protocol::ResponseCode;
use eruca_remoting::InvokeError;

use super::fault::Experience;
use crate::CallError;

/// What to do about a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// Another attempt, on another broker if there is one.
    TryAgain,
    /// The error is the user's.
    GiveUp,
}

/// Whether another broker may take what this error's broker did not.
///
/// A time-out or a closed connection leaves open whether the message was stored: a second attempt may store it twice,
/// as with every RocketMQ client.
pub(crate) fn is_worth_another_broker(error: &CallError) -> bool {
    match error {
        CallError::Invoke(InvokeError::TooBig { .. }) => false,
        CallError::Invoke(_) | CallError::BrokerUnknown { .. } => true,
        CallError::Refused { code, .. } => matches!(
            *code,
            ResponseCode::TOPIC_NOT_EXIST
                | ResponseCode::SERVICE_NOT_AVAILABLE
                | ResponseCode::SYSTEM_ERROR
                | ResponseCode::SYSTEM_BUSY
                | ResponseCode::NO_PERMISSION
                | ResponseCode::NO_BUYER_ID
                | ResponseCode::NOT_IN_CURRENT_UNIT
                | ResponseCode::GO_AWAY
        ),
        _ => false,
    }
}

/// Whether the route that led there is worth another look: the broker is gone, or does not take messages, perhaps as a slave of the
/// group's new master.
pub(crate) fn may_be_master_no_more(error: &CallError) -> bool {
    match error {
        CallError::BrokerUnknown { .. } => true,
        CallError::Invoke(error) => matches!(
            error,
            InvokeError::Connect { .. } | InvokeError::Closed { .. } | InvokeError::GoAway { .. }
        ),
        CallError::Refused { code, .. } => {
            matches!(*code, ResponseCode::SERVICE_NOT_AVAILABLE | ResponseCode::NO_PERMISSION)
        }
        _ => false,
    }
}

/// What to do after attempt number `attempts` (from 1) of `max_attempts` failed with `error`, with `left` of the
/// time-out.
pub(crate) fn after_failure(
    error: &CallError,
    attempts: usize,
    max_attempts: usize,
    left: Duration,
) -> AfterFailure {
    if attempts < max_attempts && !left.is_zero() && is_worth_another_broker(error) {
        AfterFailure::TryAgain
    } else {
        AfterFailure::GiveUp
    }
}

/// What a failed attempt says about its broker.
pub(crate) fn experience(error: &CallError, latency_ms: i64) -> Experience {
    match error {
        CallError::Invoke(InvokeError::TooBig { .. }) => Experience::Answered { latency_ms },
        error if is_worth_another_broker(error) => Experience::Failed,
        _ => Experience::Answered { latency_ms },
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::RequestCode;

    use super::*;

    const LEFT: Duration = Duration::from_millis(1);

    fn refused(code: ResponseCode) -> CallError {
        CallError::Refused {
            addr: "a:1".into(),
            request: RequestCode::SEND_MESSAGE_V2,
            code,
            remark: String::new(),
        }
    }

    #[test]
    fn only_what_another_broker_may_take_is_tried_again() {
        for code in
            [ResponseCode::SYSTEM_BUSY, ResponseCode::SERVICE_NOT_AVAILABLE, ResponseCode::TOPIC_NOT_EXIST]
        {
            assert_eq!(after_failure(&refused(code), 1, 3, LEFT), AfterFailure::TryAgain, "{code}");
        }
        for code in [ResponseCode::MESSAGE_ILLEGAL, ResponseCode::INVALID_PARAMETER] {
            assert_eq!(after_failure(&refused(code), 1, 3, LEFT), AfterFailure::GiveUp, "{code}");
            assert_eq!(experience(&refused(code), 7), Experience::Answered { latency_ms: 7 });
        }
        assert_eq!(experience(&refused(ResponseCode::SYSTEM_BUSY), 7), Experience::Failed);
    }

    #[test]
    fn a_broker_that_takes_no_messages_may_have_a_successor() {
        assert!(may_be_master_no_more(&refused(ResponseCode::SERVICE_NOT_AVAILABLE)));
        assert!(may_be_master_no_more(&CallError::Invoke(InvokeError::Closed { addr: "a:1".into() })));
        assert!(!may_be_master_no_more(&refused(ResponseCode::SYSTEM_BUSY)), "it is one");
        assert!(!may_be_master_no_more(&refused(ResponseCode::TOPIC_NOT_EXIST)));
    }

    #[test]
    fn attempts_and_time_are_limits() {
        let error = CallError::Invoke(InvokeError::Closed { addr: "a:1".into() });
        assert_eq!(after_failure(&error, 2, 3, LEFT), AfterFailure::TryAgain);
        assert_eq!(after_failure(&error, 3, 3, LEFT), AfterFailure::GiveUp);
        assert_eq!(after_failure(&error, 1, 3, Duration::ZERO), AfterFailure::GiveUp);
    }
}
