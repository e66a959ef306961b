//! One connection's place in a group.

use std::sync::Arc;

use eruca_message::Timestamp;
use eruca_protocol::{Language, RemotingCommand, body::Connection};
use eruca_remoting::Caller;

/// What a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// Its id: `ip@instance`, unique among the clients of a group.
    pub client_id: Arc<str>,
    /// In which language it is written.
    pub language: Language,
    /// Its version, an ordinal in Java's list.
    pub version: i32,
}

impl ClientInfo {
    /// The client that sent `request` and calls itself `client_id`.
    pub fn of(client_id: &str, request: &RemotingCommand) -> Self {
        ClientInfo { client_id: client_id.into(), language: request.language, version: request.version }
    }
}

/// A client in a group (Java: `ClientChannelInfo`).
#[derive(Debug, Clone)]
pub struct Member {
    /// Its connection.
    pub caller: Caller,
    /// What it says of itself.
    pub client: ClientInfo,
    /// When its last heartbeat came.
    pub last_update: Timestamp,
}

impl Member {
    /// As the admin tools see it.
    pub fn connection(&self) -> Connection {
        Connection {
            client_id: self.client.client_id.to_string(),
            client_addr: self.caller.peer_addr().to_string(),
            language: self.client.language,
            version: self.client.version,
        }
    }

    /// Whether its last heartbeat is longer ago than it may be.
    pub(super) fn is_expired(&self, now: Timestamp, timeout_ms: i64) -> bool {
        now.ms_since(self.last_update) > timeout_ms
    }
}
