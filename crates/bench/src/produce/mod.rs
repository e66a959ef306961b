//! `eruca bench produce`.
//!
//! Read in this order: the load as a whole (`load`), one raw connection (`sender`), and the same through the client
//! library (`library`).

mod library;
mod load;
mod sender;

pub(crate) use library::message;
pub(crate) use load::run;
pub(crate) use sender::answered;
