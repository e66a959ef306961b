//! A producer group's members.

use eruca_protocol::body::ProducerConnection;

use super::cluster::addrs_to_ask;
use crate::{CommandError, session::Admin};

/// The members of producer `group`, from the first broker of `topic` that has any.
pub async fn producer_connection(
    admin: &Admin,
    group: &str,
    topic: &str,
) -> Result<ProducerConnection, CommandError> {
    let route = admin.examine_topic_route_info(topic).await?;
    let mut failure = CommandError::Refused(format!(
        "producer group '{group}' has no member connected to a broker of topic '{topic}'; a producer appears \
         after its first heartbeat, 30 s after its start at the latest"
    ));
    for addr in addrs_to_ask(&route) {
        match admin.examine_producer_connection_info(&addr, group).await {
            Ok(connection) if !connection.connection_set.is_empty() => return Ok(connection),
            Ok(_) => {}
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}
