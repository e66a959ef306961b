//! The binary as a user starts it.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod bench;
mod controller;
mod dlq;
mod group;
mod refusals;
mod restart;
mod roles;
mod store;
mod support;
mod transactions;
mod up;
