//! Calls between members: remoting requests on the controller's own port, bodies in JSON.
//!
//! | code | request | answer |
//! |---|---|---|
//! | 91001 | entries of the leader | how far they match |
//! | 91002 | a candidate wants a vote | the vote |
//! | 91003 | a piece of a snapshot | the vote |
//!
//! The codes are ours, outside Java's range: members of one group are all Eruca's or all Java's. The extra field `group`
//! must be the name of the group, `to` the name of the member that is asked.

use std::sync::Arc;

use eruca_protocol::{RemotingCommand, RequestCode, ResponseCode};
use eruca_remoting::{Client, InvokeError};
use openraft::{
    AnyError,
    error::{InstallSnapshotError, NetworkError, RPCError, RaftError, Timeout, Unreachable},
    network::{RPCOption, RPCTypes, RaftNetwork, RaftNetworkFactory},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
        VoteRequest, VoteResponse,
    },
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Peer, Peers,
    types::{Raft, TypeConfig},
};

const APPEND_ENTRIES: RequestCode = RequestCode(91_001);
const VOTE: RequestCode = RequestCode(91_002);
const INSTALL_SNAPSHOT: RequestCode = RequestCode(91_003);
/// All codes of the group's own.
pub(crate) const RAFT_CODES: [RequestCode; 3] = [APPEND_ENTRIES, VOTE, INSTALL_SNAPSHOT];

const GROUP: &str = "group";
const TO: &str = "to";

/// Makes connections to other members.
#[derive(Clone)]
pub(super) struct Network {
    pub(super) client: Client,
    pub(super) peers: Arc<Peers>,
}

/// One other member.
pub(super) struct Connection {
    client: Client,
    group: String,
    target: u64,
    /// As the file names it now: an address in the log may be older.
    peer: Peer,
    me: u64,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &Peer) -> Connection {
        Connection {
            client: self.client.clone(),
            group: self.peers.group.clone(),
            target,
            peer: self.peers.get(target).unwrap_or(node).clone(),
            me: self.peers.my_number(),
        }
    }
}

impl Connection {
    async fn call<Q: Serialize, A: DeserializeOwned, E: std::error::Error>(
        &self,
        (code, kind): (RequestCode, RPCTypes),
        question: Q,
        option: RPCOption,
    ) -> Result<A, RPCError<u64, Peer, E>> {
        let body = serde_json::to_vec(&question).map_err(|error| NetworkError::new(&error))?;
        let mut request = RemotingCommand::request_without_header(code).with_body(body);
        request.ext_fields.push(GROUP, &self.group);
        request.ext_fields.push(TO, &self.peer.name);
        let timeout = option.hard_ttl();
        let reply =
            self.client.invoke(&self.peer.addr, request, timeout).await.map_err(|error| match error {
                InvokeError::Timeout { .. } => {
                    RPCError::Timeout(Timeout { action: kind, id: self.me, target: self.target, timeout })
                }
                error => RPCError::Unreachable(Unreachable::new(&error)),
            })?;
        if reply.response_code() != ResponseCode::SUCCESS {
            let remark = reply.remark.unwrap_or_else(|| format!("code {}", reply.code));
            let error = AnyError::error(format!("{}: {remark}", self.peer));
            return Err(RPCError::Unreachable(Unreachable::from(error)));
        }
        serde_json::from_slice(&reply.body).map_err(|error| NetworkError::new(&error).into())
    }
}

type Failed<E = openraft::error::Infallible> = RPCError<u64, Peer, RaftError<u64, E>>;

impl RaftNetwork<TypeConfig> for Connection {
    async fn append_entries(
        &mut self,
        question: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failed> {
        self.call((APPEND_ENTRIES, RPCTypes::AppendEntries), question, option).await
    }

    async fn install_snapshot(
        &mut self,
        question: InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failed<InstallSnapshotError>> {
        self.call((INSTALL_SNAPSHOT, RPCTypes::InstallSnapshot), question, option).await
    }

    async fn vote(
        &mut self,
        question: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, Failed> {
        self.call((VOTE, RPCTypes::Vote), question, option).await
    }
}

/// Answers a call of another member.
pub(super) async fn serve(raft: &Raft, peers: &Peers, request: &RemotingCommand) -> RemotingCommand {
    let (group, to) = (request.ext_fields.get(GROUP), request.ext_fields.get(TO));
    if group != Some(peers.group.as_str()) || to != Some(peers.me().name.as_str()) {
        let remark = format!(
            "this controller is {} of the group {}, the call is for {} of {}: compare controllerDLegerGroup and \
             controllerDLegerPeers of both",
            peers.me().name,
            peers.group,
            to.unwrap_or("nobody"),
            group.unwrap_or("none")
        );
        return request.reply_error(ResponseCode::CONTROLLER_INVALID_REQUEST, remark);
    }
    let answered = match request.request_code() {
        APPEND_ENTRIES => answer(request, async |question| raft.append_entries(question).await).await,
        VOTE => answer(request, async |question| raft.vote(question).await).await,
        _ => answer(request, async |question| raft.install_snapshot(question).await).await,
    };
    match answered {
        Ok(body) => request.reply(ResponseCode::SUCCESS).with_body(body),
        Err(remark) => request.reply_error(ResponseCode::SYSTEM_ERROR, remark),
    }
}

async fn answer<Q: DeserializeOwned, A: Serialize, E: std::fmt::Display>(
    request: &RemotingCommand,
    ask: impl AsyncFnOnce(Q) -> Result<A, E>,
) -> Result<Vec<u8>, String> {
    let question = serde_json::from_slice(&request.body).map_err(|error| {
        format!("the body of {} bytes is no call of a member: {error}", request.body.len())
    })?;
    let answer = ask(question).await.map_err(|error| error.to_string())?;
    serde_json::to_vec(&answer).map_err(|error| error.to_string())
}
