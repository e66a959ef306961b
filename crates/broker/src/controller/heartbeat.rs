//! Signs of life to every controller.

use std::{sync::Arc, time::Duration};

use eruca_protocol::{RemotingCommand, ResponseCode, request::BrokerHeartbeatRequest};
use eruca_remoting::{Client, ClientConfig, InvokeError};

use super::manager::ReplicasManager;

/// Pause before another try to reach a controller.
const RETRY: Duration = Duration::from_millis(500);

/// To one controller, for ever.
pub(super) async fn beat(manager: Arc<ReplicasManager>, controller: String) {
    let client = Client::new(ClientConfig { name: "controller", ..ClientConfig::default() }, None);
    let mut is_told = false;
    loop {
        match beat_once_connected(&manager, &client, &controller, &mut is_told).await {
            Ok(()) => {
                // It takes the broker for dead where its connection ended, and may have another master elected.
                tracing::warn!(controller, "the connection to a controller ended");
                manager.lost_controller();
            }
            Err(why) if !is_told => {
                is_told = true;
                tracing::warn!(controller, %why, "a controller is not reached, it is tried again");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Returns when the connection ended; an error where there was none.
async fn beat_once_connected(
    manager: &ReplicasManager,
    client: &Client,
    controller: &str,
    is_told: &mut bool,
) -> Result<(), InvokeError> {
    let config = manager.settings().now();
    let period = Duration::from_millis(config.broker_heartbeat_interval);
    let timeout = Duration::from_millis(config.send_heartbeat_timeout_millis);
    let connection = client.connect(controller, timeout).await?;
    *is_told = false;
    tracing::info!(controller, "connected to a controller");
    loop {
        if let Some(beat) = heartbeat(manager) {
            match connection.invoke(beat, timeout).await {
                Ok(answer) if answer.response_code() == ResponseCode::SUCCESS => {}
                Ok(answer) => {
                    let why = answer.remark.unwrap_or_default();
                    tracing::debug!(controller, why, "a controller does not take a sign of life");
                }
                // One that is slow is not left: that would end what it knows of us.
                Err(InvokeError::Timeout { .. }) => {}
                Err(_) => return Ok(()),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = manager.beat_now() => {}
            () = connection.closed() => return Ok(()),
        }
    }
}

/// `None` before the broker has a number.
fn heartbeat(manager: &ReplicasManager) -> Option<RemotingCommand> {
    let group = manager.group();
    let config = manager.settings().now();
    let identity = manager.identity();
    let end = manager.log_end();
    Some(RemotingCommand::request(&BrokerHeartbeatRequest {
        cluster_name: identity.cluster_name.clone(),
        broker_addr: identity.broker_addr.clone(),
        broker_name: identity.broker_name.clone(),
        broker_id: Some(group.id()?),
        epoch: Some(group.last_epoch()),
        max_offset: Some(end.to_i64()),
        confirm_offset: Some(group.confirmed().to_i64()),
        heartbeat_timeout_mills: Some(config.controller_heart_beat_timeout_mills),
        election_priority: Some(config.broker_election_priority),
    }))
}
