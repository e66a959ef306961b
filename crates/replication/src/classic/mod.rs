//! The HA protocol without a controller: a slave says where its log ends, and the master sends what follows (Java:
//! `DefaultHAService`).
//!
//! Pure: bytes and times come in, bytes and decisions come out. [`MasterSession`] and [`SlaveSession`] are the two ends of one
//! connection. A cluster is driven like this, whatever carries the bytes:
//!
//! 1. the slave opens a session with the end of its log, and sends [`SlaveSession::report`];
//! 2. what arrives at the master goes to [`MasterSession::receive`]; the acknowledgement that comes out of it, to
//!    [`crate::in_sync::InSync::acknowledged`];
//! 3. as long as the connection takes more, [`MasterSession::next`] says which part of the log goes out next
//!    ([`Outgoing::fill`] encodes it), or that a sign of life does;
//! 4. what arrives at the slave goes to [`SlaveSession::receive`], which gives whole batches to a [`CopiedLog`]; then the
//!    slave reports again.

mod frame;
mod master;
mod slave;

pub use frame::{
    BODY_MAX_BYTES, FrameError, HEADER_LEN_BYTES, Header, REPORT_LEN_BYTES, decode_report, encode_report,
};
pub use master::{MasterError, MasterSession, Next, Outgoing, Shipped, SourceLog};
pub use slave::{CopiedLog, SlaveError, SlaveSession};
