//! The Raft group that keeps the state: the library `openraft`, its log and snapshots on our disk, its calls over the
//! remoting protocol on the controller's own port.

mod log_file;
mod log_store;
mod machine;
mod network;
mod node;
mod peers;
mod record;
mod types;

pub use log_file::DiskError;
pub(crate) use network::RAFT_CODES;
pub use node::{NodeError, ProposeError, RaftNode, RaftTimes};
pub use peers::{Peer, Peers, PeersError};
