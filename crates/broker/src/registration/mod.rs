//! Telling the name servers: who we are, which topics we have; and what became of it.

mod address;
mod membership;
mod register;
mod status;

pub use address::{AdvertiseError, Advertised, advertised, name_server_addresses};
pub(crate) use membership::Membership;
pub use register::{Identity, Registration};
pub use status::{NameServerStatus, NameServers};
