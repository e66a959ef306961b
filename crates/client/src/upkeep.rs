//! What a client does from time to time: heartbeats and route refresh.

use std::{sync::Arc, time::Duration};

use eruca_protocol::body::HeartbeatData;
use eruca_remoting::TaskGroup;

use crate::client::Session;

/// Brokers forget a client after 120 s.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);
const ROUTE_INTERVAL: Duration = Duration::from_secs(30);
/// Shortest time from one refresh to the next, however often routes prove wrong.
const ROUTE_PAUSE: Duration = Duration::from_secs(1);

/// Starts both: heartbeats with what `heartbeat` says at the time, to masters only or to all brokers; `on_change` is
/// called whenever a route changed.
pub(crate) fn start(
    tasks: &TaskGroup,
    session: &Arc<Session>,
    masters_only: bool,
    heartbeat: impl Fn() -> HeartbeatData + Send + Sync + 'static,
    on_change: impl Fn() + Send + Sync + 'static,
) {
    let beating = session.clone();
    tasks.spawn("heartbeats", async move {
        loop {
            wait(HEARTBEAT_INTERVAL, beating.heartbeat_due.notified()).await;
            let data = heartbeat();
            beating.heartbeat(&data, masters_only).await;
        }
    });
    let refreshing = session.clone();
    tasks.spawn("route refresh", async move {
        loop {
            wait(ROUTE_INTERVAL, refreshing.routes_stale.notified()).await;
            if refreshing.refresh_routes().await {
                on_change();
            }
            tokio::time::sleep(ROUTE_PAUSE).await;
        }
    });
}

/// Waits for `signal`, but no longer than `limit`.
pub(crate) async fn wait(limit: Duration, signal: impl Future<Output = ()>) {
    // Which of the two came first makes no difference.
    let _ = tokio::time::timeout(limit, signal).await;
}
