//! Why connections end, and the one line in the log that it is worth.

use std::io;

use eruca_protocol::FrameError;
use tracing::{debug, warn};

use crate::{
    first_bytes::{self, FirstBytes},
    link::Link,
};

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    PeerClosed,
    Failed(io::Error),
    Asked,
    Drained,
    Idle,
    Stalled,
    OutputOverflow,
    BudgetExhausted,
    BadFrame(FrameError),
}

/// What a connection held when it ended.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) input_bytes: usize,
    pub(crate) output_bytes: usize,
    pub(crate) first: FirstBytes,
}

impl End {
    /// Gives the connection its line in the log: what costs a peer its connection is warned of.
    pub(crate) fn log(&self, link: &Link, held: &Held) {
        let limits = &link.shared.limits;
        let (server, peer) = (limits.name, link.peer_addr);
        match self {
            End::BadFrame(error) => match held.first {
                FirstBytes::WereAFrame => warn!(server, %peer, %error, "connection closed: bad frame"),
                FirstBytes::None => {}
                FirstBytes::Some { bytes, len } => {
                    let what = first_bytes::describe(bytes.get(..len).unwrap_or_default());
                    warn!(server, %peer, %error, "connection closed: it {what}");
                }
            },
            End::Idle if held.input_bytes > 0 => {
                let (bytes, seconds) = (held.input_bytes, limits.idle_timeout.as_secs());
                warn!(server, %peer, bytes, "connection closed: half a frame, then {seconds} s of silence");
            }
            End::PeerClosed if held.input_bytes > 0 => {
                let bytes = held.input_bytes;
                warn!(server, %peer, bytes, "peer closed the connection in the middle of a frame");
            }
            End::Stalled => {
                let (bytes, seconds) = (held.output_bytes, limits.stall_timeout.as_secs());
                warn!(server, %peer, bytes, "connection closed: the peer has not read its answers for {seconds} s");
            }
            End::OutputOverflow => {
                let (bytes, limit) = (held.output_bytes, limits.output_max_bytes);
                warn!(server, %peer, bytes, limit, "connection closed: too many answers that the peer does not read");
            }
            End::BudgetExhausted => {
                let limit = link.shared.budget.limit_bytes();
                warn!(server, %peer, limit, "connection closed: over twice the limit of bytes in flight");
            }
            End::Failed(error) => debug!(server, %peer, %error, "connection failed"),
            End::Idle | End::PeerClosed | End::Asked | End::Drained => {
                debug!(server, %peer, end = ?self, "connection ended");
            }
        }
    }
}
