//! Requests: what is answered at once (`now`), and what the Raft group has to agree on (`group`).

mod config;
mod group;
mod hand_over;
mod refusal;
mod service;

pub(crate) use service::Controller;
