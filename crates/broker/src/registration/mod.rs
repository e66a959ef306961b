//! Telling the name servers: who we are, which topics we have; and what became of it. And asking
//! them.

mod address;
mod lazy_client;
mod membership;
mod register;
mod route;
mod status;

pub use address::{AdvertiseError, Advertised, advertised, name_server_addresses};
pub(crate) use lazy_client::LazyClient;
pub(crate) use membership::Membership;
pub use register::{Identity, Registration};
pub(crate) use route::{AskRouteError, ask_route};
pub use status::{NameServerStatus, NameServers};
