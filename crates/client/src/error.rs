//! Errors that every part of the client shares.

use eruca_message::names::NameError;
use eruca_protocol::{HeaderError, RequestCode, ResponseCode, body::BodyError};
use eruca_remoting::InvokeError;

/// Why a call to a name server or a broker failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The request did not get there, or no answer came back in time.
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    /// The peer answered with a code other than the expected ones.
    #[error("{addr} answered {request} with {code}: {remark}")]
    Refused {
        /// Address of the peer.
        addr: String,
        /// What was asked.
        request: RequestCode,
        /// The code of the answer.
        code: ResponseCode,
        /// The peer's explanation; empty where it gave none.
        remark: String,
    },
    /// The answer's header cannot be read.
    #[error("{addr} answered {request} with a header that cannot be read: {source}")]
    BadHeader {
        /// Address of the peer.
        addr: String,
        /// What was asked.
        request: RequestCode,
        /// What is wrong with it.
        source: HeaderError,
    },
    /// The answer's body cannot be read.
    #[error("{addr} answered {request} with a body that cannot be read: {source}")]
    BadBody {
        /// Address of the peer.
        addr: String,
        /// What was asked.
        request: RequestCode,
        /// What is wrong with it.
        source: BodyError,
    },
    /// The answer holds messages that cannot be read.
    #[error("{addr} answered {request} with messages that cannot be read: {detail}")]
    BadMessages {
        /// Address of the peer.
        addr: String,
        /// What was asked.
        request: RequestCode,
        /// What is wrong with them.
        detail: String,
    },
    /// None of the name servers answered.
    #[error(
        "no name server of '{name_servers}' answered {request}: {last}; check the addresses and that one of them runs"
    )]
    NoNameServer {
        /// The list that was tried.
        name_servers: String,
        /// What was asked.
        request: RequestCode,
        /// Why the last one failed.
        last: Box<CallError>,
    },
    /// The name server knows no route of the topic.
    #[error("topic '{topic}' has no route: no broker has registered it; create it, or check its name")]
    TopicUnknown {
        /// The topic.
        topic: String,
    },
    /// No address of the broker group is known.
    #[error("broker '{broker_name}' has no address: it is not registered with the name server at present")]
    BrokerUnknown {
        /// Name of the broker group.
        broker_name: String,
    },
    /// The client was shut down.
    #[error("the client is shut down")]
    ShutDown,
}

impl CallError {
    /// The code of the peer's answer, where it answered.
    pub fn response_code(&self) -> Option<ResponseCode> {
        match self {
            CallError::Refused { code, .. } => Some(*code),
            CallError::NoNameServer { last, .. } => last.response_code(),
            _ => None,
        }
    }

    /// Whether the peer did not answer at all, or there is no address to ask at.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, CallError::Invoke(_) | CallError::BrokerUnknown { .. })
    }
}

/// Why a client cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The group's name breaks the rules.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The list of name servers is empty or has an entry that is no address.
    #[error("name servers '{list}': {why}; write host:port, several separated by ';'")]
    NameServers {
        /// The list as given.
        list: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A setting is out of its range.
    #[error("{setting} is {value}, allowed is {allowed}")]
    OutOfRange {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Something that must be set was not.
    #[error("{setting} is not set: {remedy}")]
    Unset {
        /// Name of the setting.
        setting: &'static str,
        /// How to set it.
        remedy: &'static str,
    },
}

/// Why a client did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its settings are not right.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A call that it needs to start failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The file with local offsets cannot be read.
    #[error("offsets file: {0}")]
    Offsets(#[from] crate::offset_store::OffsetFileError),
}
