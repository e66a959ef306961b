//! `eruca bench consume`.
//!
//! Read in this order: the load as a whole (`load`), one raw connection (`puller`) with its requests and answers
//! (`pull_frames`), and the same through the client library (`library`).

mod library;
mod load;
mod pull_frames;
mod puller;

pub(crate) use load::run;
