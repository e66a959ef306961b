//! The one place where errors become response codes and remarks.

use eruca_message::{BatchError, PropertiesError, names::NameError};
use eruca_protocol::{HeaderError, RemotingCommand, ResponseCode, body::BodyError};
use eruca_store::{AppendError, WriteStopped};

use crate::persist::PersistError;

/// Why a request is not served: the protocol's code, and a text for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {remark}")]
pub struct HandlerError {
    /// What the answer's code says.
    pub code: ResponseCode,
    /// What the answer's remark says: the thing, the value, the limit, the remedy.
    pub remark: String,
}

impl HandlerError {
    /// An error with this code and remark.
    pub fn new(code: ResponseCode, remark: impl Into<String>) -> Self {
        HandlerError { code, remark: remark.into() }
    }

    /// `SYSTEM_ERROR` with a remark.
    pub fn system_error(remark: impl Into<String>) -> Self {
        Self::new(ResponseCode::SYSTEM_ERROR, remark)
    }

    /// `TOPIC_NOT_EXIST` for `topic`.
    pub fn topic_not_exist(topic: &str) -> Self {
        Self::new(
            ResponseCode::TOPIC_NOT_EXIST,
            format!("topic[{topic}] not exist, apply first please! (eruca admin updateTopic -t {topic})"),
        )
    }

    /// `SUBSCRIPTION_GROUP_NOT_EXIST` for `group`.
    pub fn group_not_exist(group: &str) -> Self {
        Self::new(
            ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
            format!(
                "subscription group [{group}] does not exist: autoCreateSubscriptionGroup is off or the name is not allowed; \
                 create it with eruca admin updateSubGroup -g {group}"
            ),
        )
    }

    /// `NO_PERMISSION` with a remark.
    pub fn no_permission(remark: impl Into<String>) -> Self {
        Self::new(ResponseCode::NO_PERMISSION, remark)
    }

    /// `INVALID_PARAMETER` with a remark.
    pub fn invalid_parameter(remark: impl Into<String>) -> Self {
        Self::new(ResponseCode::INVALID_PARAMETER, remark)
    }

    /// The answer to `request` that says this.
    pub fn into_reply(self, request: &RemotingCommand) -> RemotingCommand {
        request.reply_error(self.code, self.remark)
    }
}

/// As Java, where a header that cannot be decoded ends as an exception.
impl From<HeaderError> for HandlerError {
    fn from(error: HeaderError) -> Self {
        HandlerError::system_error(error.to_string())
    }
}

impl From<BodyError> for HandlerError {
    fn from(error: BodyError) -> Self {
        HandlerError::system_error(error.to_string())
    }
}

impl From<PersistError> for HandlerError {
    fn from(error: PersistError) -> Self {
        HandlerError::system_error(error.to_string())
    }
}

impl From<NameError> for HandlerError {
    fn from(error: NameError) -> Self {
        HandlerError::invalid_parameter(error.to_string())
    }
}

impl From<PropertiesError> for HandlerError {
    fn from(error: PropertiesError) -> Self {
        HandlerError::new(ResponseCode::MESSAGE_ILLEGAL, error.to_string())
    }
}

impl From<BatchError> for HandlerError {
    fn from(error: BatchError) -> Self {
        HandlerError::new(ResponseCode::MESSAGE_ILLEGAL, error.to_string())
    }
}

impl HandlerError {
    /// `MESSAGE_ILLEGAL` in Java's words, which hold for any cause, and then the cause.
    pub fn message_illegal(max_message_size_bytes: usize, cause: impl std::fmt::Display) -> Self {
        Self::new(
            ResponseCode::MESSAGE_ILLEGAL,
            format!(
                "the message is illegal, maybe msg body or properties length not matched. msg body length limit \
                 {max_message_size_bytes}B, msg properties length limit 32KB. {cause}"
            ),
        )
    }

    /// What a message is answered that the store did not take.
    pub fn from_append(error: AppendError, max_message_size_bytes: usize) -> Self {
        match error {
            AppendError::Stopped(why) => why.into(),
            AppendError::BodyTooLarge { .. }
            | AppendError::RecordTooLarge { .. }
            | AppendError::Illegal(_)
            | AppendError::IllegalTopic { .. }
            | AppendError::IllegalQueueId { .. }
            | AppendError::NoBatchQueue { .. }
            | AppendError::NoInnerCount { .. }
            | AppendError::MixedBatch => Self::message_illegal(max_message_size_bytes, error),
        }
    }
}

/// The remark names the cause, the path, what is free, what is needed and what helps.
impl From<WriteStopped> for HandlerError {
    fn from(why: WriteStopped) -> Self {
        HandlerError::new(ResponseCode::SERVICE_NOT_AVAILABLE, format!("service not available now. {why}"))
    }
}

#[cfg(test)]
mod tests {
    use eruca_store::WriteStopped;

    use super::*;

    #[test]
    fn a_full_disk_is_told_with_path_space_threshold_and_remedy() {
        let why =
            WriteStopped::DiskFull { path: "/data/commitlog".into(), free_bytes: 7, threshold_bytes: 4096 };
        let error = HandlerError::from_append(AppendError::Stopped(why), 4 << 20);
        assert_eq!(error.code, ResponseCode::SERVICE_NOT_AVAILABLE);
        for part in ["full", "/data/commitlog", "7 bytes free", "4096", "free some space"] {
            assert!(error.remark.contains(part), "{part}: {}", error.remark);
        }
    }

    #[test]
    fn an_oversized_body_keeps_javas_words_and_adds_the_numbers() {
        let too_large = AppendError::BodyTooLarge { len_bytes: 9, limit_bytes: 8 };
        let error = HandlerError::from_append(too_large, 8);
        assert_eq!(error.code, ResponseCode::MESSAGE_ILLEGAL);
        assert!(error.remark.starts_with("the message is illegal, maybe msg body"), "{}", error.remark);
        assert!(error.remark.contains("9 bytes"), "{}", error.remark);
    }
}
