//! Why a command failed, as the one line that a person reads.

use std::io;

use eruca_client::{CallError, ConfigError, SendError};
use eruca_protocol::ResponseCode;

use crate::ArgumentError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The arguments are not right.
    #[error(transparent)]
    Arguments(#[from] ArgumentError),
    /// A call to a name server or a broker failed.
    #[error("{}", call_text(.0))]
    Call(#[from] CallError),
    /// The addresses given are not right.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A message was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No broker knows the group.
    #[error(
        "{}: no broker knows consumer group '{group}'; {}",
        ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
        remedy(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST).unwrap_or_default()
    )]
    GroupUnknown {
        /// The group.
        group: String,
    },
    /// The group has neither members nor offsets.
    #[error(
        "{}: consumer group '{group}' has no member at present; start a consumer of it, or check its name",
        ResponseCode::CONSUMER_NOT_ONLINE
    )]
    GroupOffline {
        /// The group.
        group: String,
    },
    /// Every member keeps its own offsets.
    #[error(
        "{}: consumer group '{group}' is in broadcast mode, its offsets are kept by its members",
        ResponseCode::BROADCAST_CONSUMPTION
    )]
    GroupBroadcasts {
        /// The group.
        group: String,
    },
    /// What the servers hold does not allow it.
    #[error("{0}")]
    Refused(String),
    /// A file cannot be written.
    #[error("cannot write '{path}': {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

impl CommandError {
    /// Whether the reader of our output went away, as `| head` does: no failure of the command.
    pub fn is_reader_gone(&self) -> bool {
        matches!(self, CommandError::Print(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What went wrong, in whose words, and what to do: `TOPIC_NOT_EXIST (17) from 127.0.0.1:9876: …; …`.
fn call_text(error: &CallError) -> String {
    let (text, code) = match error {
        CallError::Refused { addr, code, remark, .. } => {
            let remark = remark.lines().next().unwrap_or_default().trim_end_matches('.');
            (format!("{code} from {addr}: {remark}"), Some(*code))
        }
        CallError::TopicUnknown { topic } => {
            let code = ResponseCode::TOPIC_NOT_EXIST;
            (format!("{code}: topic '{topic}' has no route: no broker has registered it"), Some(code))
        }
        other => (other.to_string(), None),
    };
    match code.and_then(remedy) {
        Some(remedy) => format!("{text}; {remedy}"),
        None => text,
    }
}

/// What a person can do about an answer with `code`.
fn remedy(code: ResponseCode) -> Option<&'static str> {
    Some(match code {
        ResponseCode::TOPIC_NOT_EXIST => {
            "'mqadmin topicList' lists the topics, 'mqadmin updateTopic -c CLUSTER -t TOPIC' creates one"
        }
        ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST => {
            "'mqadmin consumerProgress' lists the groups, 'mqadmin updateSubGroup -c CLUSTER -g GROUP' creates one"
        }
        ResponseCode::CONSUMER_NOT_ONLINE => "start a consumer of the group, or check the group's name",
        ResponseCode::NO_PERMISSION => {
            "check the permission of the topic ('mqadmin topicRoute') and your credentials"
        }
        ResponseCode::REQUEST_CODE_NOT_SUPPORTED => {
            "check that the address is that of the right role (name server or broker) and its version"
        }
        ResponseCode::SYSTEM_BUSY => "the server is overloaded: try again",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use eruca_protocol::RequestCode;

    #[test]
    fn a_refusal_is_one_line_with_code_remark_and_remedy() {
        let error = CommandError::from(CallError::Refused {
            addr: "127.0.0.1:9876".to_owned(),
            request: RequestCode::GET_ROUTEINFO_BY_TOPIC,
            code: ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
            remark: "subscription group not exist, g.\nSee the docs".to_owned(),
        });
        assert_eq!(
            error.to_string(),
            "SUBSCRIPTION_GROUP_NOT_EXIST (26) from 127.0.0.1:9876: subscription group not exist, g; \
             'mqadmin consumerProgress' lists the groups, 'mqadmin updateSubGroup -c CLUSTER -g GROUP' creates one"
        );
    }

    #[test]
    fn an_unknown_topic_has_javas_code() {
        let error = CommandError::from(CallError::TopicUnknown { topic: "T".to_owned() });
        assert!(error.to_string().starts_with("TOPIC_NOT_EXIST (17): topic 'T' has no route"));
    }
}
