//! `GET_BROKER_HA_STATUS`, and the rows of the replication in `GET_BROKER_RUNTIME_INFO`.

use std::sync::Arc;

use eruca_message::{Clock, Timestamp};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, HaClientRuntimeInfo, HaConnectionRuntimeInfo, HaRuntimeInfo},
};
use eruca_remoting::Reply;
use eruca_replication::driver::{Replicas, Status};

use crate::{HandlerError, role::RoleState};

/// Says who copies this log, or whose log is copied.
#[derive(Debug)]
pub(crate) struct HaStatusHandler {
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) role: Arc<RoleState>,
}

impl HaStatusHandler {
    /// `GET_BROKER_HA_STATUS`.
    pub(crate) fn handle(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let info = runtime_info(&self.replicas.status(), self.role.is_master());
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&info))))
    }
}

fn runtime_info(status: &Status, is_master: bool) -> HaRuntimeInfo {
    let mut info = HaRuntimeInfo { master: is_master, ..HaRuntimeInfo::default() };
    if is_master {
        info.master_commit_log_max_offset = status.log_end.to_i64();
        info.in_sync_slave_nums =
            i32::try_from(status.slaves.iter().filter(|(_, is_near)| *is_near).count()).unwrap_or(i32::MAX);
        for (slave, is_near) in &status.slaves {
            info.ha_connection_info.push(HaConnectionRuntimeInfo {
                // As Java writes the address of a socket.
                addr: format!("/{}", slave.address),
                slave_ack_offset: slave.acknowledged.map_or(-1, |has| has.to_i64()),
                diff: i64::try_from(slave.behind_bytes(status.log_end)).unwrap_or(i64::MAX),
                in_sync: *is_near,
                transferred_byte_in_second: i64::try_from(slave.bytes_per_second).unwrap_or(i64::MAX),
                transfer_from_where: slave.position.to_i64(),
            });
        }
    } else if let Some(copy) = &status.copy {
        info.ha_client_runtime_info = HaClientRuntimeInfo {
            master_addr: Some(copy.master.clone()),
            transferred_byte_in_second: i64::try_from(copy.bytes_per_second).unwrap_or(i64::MAX),
            max_offset: status.log_end.to_i64(),
            last_read_timestamp: copy.heard.0,
            last_write_timestamp: copy.reported.0,
            master_flush_offset: 0,
            activated: copy.connected_since.is_some(),
        };
    }
    info
}

/// What an administrator sees of it beside everything else.
pub(crate) fn rows(replicas: &Replicas, clock: &dyn Clock) -> Vec<(String, String)> {
    rows_of(&replicas.status(), clock.now())
}

fn rows_of(status: &Status, now: Timestamp) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut put = |name: &str, value: String| rows.push((name.to_owned(), value));
    if !status.slaves.is_empty() {
        let (mut lag_bytes, mut lag_ms, mut in_sync) = (0, 0, 0);
        for (slave, is_near) in &status.slaves {
            let behind_bytes = slave.behind_bytes(status.log_end);
            let behind_ms = slave.behind_ms(status.log_end, now);
            (lag_bytes, lag_ms) = (behind_bytes.max(lag_bytes), behind_ms.max(lag_ms));
            in_sync += usize::from(*is_near);
            put(
                &format!("haSlave_{}", slave.address),
                format!(
                    "ackOffset={},behindBytes={behind_bytes},behindMs={behind_ms},inSync={is_near},bytesPerSecond={}",
                    slave.acknowledged.map_or(-1, |has| has.to_i64()),
                    slave.bytes_per_second
                ),
            );
        }
        put("haSlaves", status.slaves.len().to_string());
        put("haSlavesInSync", in_sync.to_string());
        put("haLagBytesMax", lag_bytes.to_string());
        put("haLagMsMax", lag_ms.to_string());
    }
    if let Some(copy) = &status.copy {
        put("haCopyMaster", copy.master.clone());
        put("haCopyConnectedSince", copy.connected_since.unwrap_or_default().to_string());
        put("haCopyLastHeard", copy.heard.to_string());
        put("haCopyBytesPerSecond", copy.bytes_per_second.to_string());
        if let Some(why) = &copy.failure {
            put("haCopyLastFailure", why.clone());
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use eruca_message::LogOffset;
    use eruca_replication::{driver::CopyState, in_sync::InSync};

    use super::*;

    fn status() -> Status {
        let mut state = InSync::default();
        for (session, has) in [(0, 900), (1, 1000)] {
            state.joined(session, format!("10.0.0.{session}:4000"), Timestamp(10));
            let _ = state.acknowledged(session, LogOffset(has), LogOffset(1000), Timestamp(20));
        }
        let slaves = state.slaves().cloned().zip([false, true]).collect();
        Status { log_end: LogOffset(1000), slaves, copy: None }
    }

    #[test]
    fn a_master_tells_of_its_slaves_and_a_slave_of_its_master() {
        let info = runtime_info(&status(), true);
        assert_eq!((info.in_sync_slave_nums, info.master_commit_log_max_offset), (1, 1000));
        let first = &info.ha_connection_info[0];
        assert_eq!((first.addr.as_str(), first.diff, first.in_sync), ("/10.0.0.0:4000", 100, false));
        let copy = CopyState {
            master: "10.0.0.9:10912".to_owned(),
            connected_since: Some(Timestamp(5)),
            heard: Timestamp(6),
            reported: Timestamp(7),
            bytes_per_second: 8,
            failure: None,
        };
        let info = runtime_info(&Status { copy: Some(copy), ..status() }, false);
        assert!(!info.master && info.ha_connection_info.is_empty() && info.ha_client_runtime_info.activated);
        assert_eq!(info.ha_client_runtime_info.max_offset, 1000);
    }

    #[test]
    fn lag_is_told_in_bytes_and_time() {
        let rows = rows_of(&status(), Timestamp(1_010));
        let value = |name: &str| rows.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!((value("haLagBytesMax"), value("haLagMsMax")), (Some("100"), Some("1000")));
        assert_eq!((value("haSlaves"), value("haSlavesInSync")), (Some("2"), Some("1")));
        assert!(
            value("haSlave_10.0.0.0:4000").unwrap().contains("behindBytes=100,behindMs=1000,inSync=false")
        );
    }
}
