//! What handlers return, and how errors become response codes.

use eruca_config::{RemoteChangeError, UpdateError};
use eruca_protocol::{HeaderError, RemotingCommand, ResponseCode, body::BodyError};

use crate::{core::GroupError, raft::ProposeError};

/// An answer, or why there is none.
pub(super) type Answered = Result<RemotingCommand, Refusal>;

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: ResponseCode,
    pub(super) remark: String,
}

impl Refusal {
    pub(super) fn new(code: ResponseCode, remark: impl Into<String>) -> Refusal {
        Refusal { code, remark: remark.into() }
    }
}

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Refusal {
        Refusal::new(ResponseCode::SYSTEM_ERROR, error.to_string())
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Refusal {
        Refusal::new(ResponseCode::SYSTEM_ERROR, error.to_string())
    }
}

impl From<UpdateError> for Refusal {
    fn from(error: UpdateError) -> Refusal {
        Refusal::new(ResponseCode::INVALID_PARAMETER, error.to_string())
    }
}

impl From<RemoteChangeError> for Refusal {
    fn from(error: RemoteChangeError) -> Refusal {
        let code = match error {
            RemoteChangeError::Unreadable(_) | RemoteChangeError::NotKept { .. } => {
                ResponseCode::SYSTEM_ERROR
            }
            RemoteChangeError::Protected => ResponseCode::NO_PERMISSION,
        };
        Refusal::new(code, error.to_string())
    }
}

impl From<GroupError> for Refusal {
    fn from(error: GroupError) -> Refusal {
        let code = match error {
            GroupError::Propose(ProposeError::NotLeader) => ResponseCode::CONTROLLER_NOT_LEADER,
            GroupError::Propose(ProposeError::Failed(_)) | GroupError::Timeout => ResponseCode::SYSTEM_ERROR,
        };
        Refusal::new(code, error.to_string())
    }
}
