//! What is said of half messages and ends that are not taken.

use eruca_message::QueueOffset;
use eruca_protocol::ResponseCode;

use super::{
    service::{Ended, HALF_MESSAGES_MAX, Outcome},
    table::{Closed, Refusal},
};
use crate::HandlerError;

/// Half messages that nobody ends.
pub(super) fn too_many() -> HandlerError {
    HandlerError::new(
        ResponseCode::SYSTEM_BUSY,
        format!(
            "[TRANSACTION]broker busy: it has {HALF_MESSAGES_MAX} open half messages, which is its limit: let the producers end \
             their transactions; eruca transactions shows the groups that do not"
        ),
    )
}

/// Why a transaction is not ended so; [`Ended::Before`] where that is what it was.
pub(super) fn refused(
    refusal: Refusal,
    outcome: Outcome,
    offset: QueueOffset,
) -> Result<Ended, HandlerError> {
    let illegal = |what: &str| {
        let remark = format!("the half message at queue offset {offset} {what}");
        Err(HandlerError::new(ResponseCode::ILLEGAL_OPERATION, remark))
    };
    match (refusal, outcome) {
        (Refusal::Closed(Closed::Committed), Outcome::Commit)
        | (Refusal::Closed(Closed::RolledBack), Outcome::Rollback) => Ok(Ended::Before),
        (Refusal::Closed(Closed::Committed), _) => {
            illegal("was committed already: it cannot be rolled back any more")
        }
        (Refusal::Closed(Closed::RolledBack), _) => {
            illegal("was rolled back already: send the message again in a new transaction")
        }
        (Refusal::Closed(Closed::GivenUp), _) => illegal(
            "was given up after too many checks and lies in TRANS_CHECK_MAX_TIME_TOPIC: bring it back with \
             RESUME_CHECK_HALF_MESSAGE, or send the message again",
        ),
        (Refusal::Closed(Closed::Moved), _) => illegal(
            "is with another group's master while this one has none: the producer group will be asked for the outcome there",
        ),
        (Refusal::NotOpen, _) => illegal(
            "is not open any more: it was ended before, or its producer group will be asked for the outcome under another offset",
        ),
        (Refusal::Busy, _) => Err(HandlerError::new(
            ResponseCode::SYSTEM_BUSY,
            format!(
                "the half message at queue offset {offset} is being ended by another request: send it again"
            ),
        )),
    }
}
