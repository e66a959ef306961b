//! The connections to the cluster that commands use.

use std::time::Duration;

pub use eruca_client::Admin;
use eruca_client::Producer;

use crate::{Call, CommandError, world::World};

/// An admin client that asks `name_servers`; it connects with the first call.
pub(crate) async fn open(name_servers: &str, world: &World) -> Result<Admin, CommandError> {
    Ok(Admin::builder().name_servers(name_servers).clock(world.clock.clone()).build().await?)
}

/// As [`open`], with calls that may take as long as `timeout`.
pub(crate) async fn open_with(
    name_servers: &str,
    world: &World,
    timeout: Duration,
) -> Result<Admin, CommandError> {
    let builder = Admin::builder().name_servers(name_servers).clock(world.clock.clone());
    Ok(builder.call_timeout(timeout).build().await?)
}

/// A producer for this call, which traces what it sends or does not. Its group is new, as its messages belong to nobody's.
pub(crate) async fn producer(call: &Call<'_>, trace: bool) -> Result<Producer, CommandError> {
    let group = format!("mqadmin-{}", call.world.now().0);
    let builder = Producer::builder().name_servers(call.name_servers).group(group);
    Ok(builder.clock(call.world.clock.clone()).trace(trace).build().await?)
}
