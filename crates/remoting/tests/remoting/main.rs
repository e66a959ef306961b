//! Servers and clients on real sockets. One binary, because linking is what costs.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod client;
mod limits;
mod serving;
mod shutdown;
mod support;
