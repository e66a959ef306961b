//! Lite topics: to which a client subscribes (`subscription`), and what administrators ask (`info`). They are popped in
//! `handler/pop/lite.rs`.

mod info;
#[cfg(test)]
mod lite_test;
mod shard;
mod subscription;

pub use info::LiteInfoHandler;
pub(crate) use shard::LiteShard;
pub use subscription::LiteSubscriptionHandler;
