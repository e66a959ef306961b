//! The connection to the cluster that commands use.

use std::time::Duration;

pub use eruca_client::Admin;
use eruca_client::Producer;
use eruca_message::{Clock, SystemClock};

use crate::CommandError;

/// An admin client that asks `name_servers`; it connects with the first call.
pub(crate) async fn open(name_servers: &str) -> Result<Admin, CommandError> {
    Ok(Admin::builder().name_servers(name_servers).build().await?)
}

/// As [`open`], with calls that may take as long as `timeout`.
pub(crate) async fn open_with(name_servers: &str, timeout: Duration) -> Result<Admin, CommandError> {
    Ok(Admin::builder().name_servers(name_servers).call_timeout(timeout).build().await?)
}

/// A producer that asks `name_servers`. Its group is new, as its messages belong to nobody's.
pub(crate) async fn producer(name_servers: &str) -> Result<Producer, CommandError> {
    let group = format!("mqadmin-{}", SystemClock.now().0);
    Ok(Producer::builder().name_servers(name_servers).group(group).build().await?)
}
