//! `haStatus`: who copies the log of a master, and how far a slave's copy is.

use std::{io::Write, time::Duration};

use eruca_message::Timestamp;
use eruca_protocol::body::HaRuntimeInfo;

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt, time_text::LocalTime};

pub(super) static COMMAND: Command = Command {
    name: "haStatus",
    about: "Fetch ha runtime status data.",
    options: &[
        Opt::value("c", "clusterName", "which cluster"),
        Opt::value("b", "brokerAddr", "which broker to fetch"),
        Opt::value("i", "interval", "the interval(second) of get info"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let interval: Option<u64> = call.arguments.parsed("i", "a number of seconds")?;
    loop {
        let addrs = match (call.arguments.value("b"), call.arguments.value("c")) {
            (Some(addr), _) => vec![addr.to_owned()],
            (None, Some(cluster)) => ops::master_addrs(call.admin, cluster).await?,
            (None, None) => Vec::new(),
        };
        for addr in addrs {
            let info = call.admin.broker_ha_status(&addr).await?;
            print(call.out, &addr, &info, &call.world.local_time)?;
        }
        call.out.flush()?;
        match interval {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => return Ok(()),
        }
    }
}

fn kilobytes(bytes: i64) -> f64 {
    bytes as f64 / 1024.0
}

fn print(
    out: &mut dyn Write,
    addr: &str,
    info: &HaRuntimeInfo,
    local_time: &LocalTime,
) -> Result<(), CommandError> {
    if !info.master {
        let copy = &info.ha_client_runtime_info;
        let time = |ms: i64| local_time.to_millis(Timestamp(ms));
        writeln!(out, "\n#MasterAddr\t{}", copy.master_addr.as_deref().unwrap_or("null"))?;
        writeln!(out, "#CommitLogMaxOffset\t{}", copy.max_offset)?;
        writeln!(out, "#TransferSpeed(KB/s)\t{:.2}", kilobytes(copy.transferred_byte_in_second))?;
        writeln!(out, "#LastReadTime\t{}", time(copy.last_read_timestamp))?;
        writeln!(out, "#LastWriteTime\t{}", time(copy.last_write_timestamp))?;
        writeln!(out, "#MasterFlushOffset\t{}", copy.master_flush_offset)?;
        return Ok(());
    }
    writeln!(out, "\n#MasterAddr\t{addr}")?;
    writeln!(out, "#MasterCommitLogMaxOffset\t{}", info.master_commit_log_max_offset)?;
    writeln!(out, "#SlaveNum\t{}", info.ha_connection_info.len())?;
    writeln!(out, "#InSyncSlaveNum\t{}", info.in_sync_slave_nums)?;
    writeln!(
        out,
        "{:<32}  {:<16} {:>16} {:>16} {:>16} {:>16}",
        "#SlaveAddr", "#SlaveAckOffset", "#Diff", "#TransferSpeed(KB/s)", "#Status", "#TransferFromWhere"
    )?;
    for slave in &info.ha_connection_info {
        writeln!(
            out,
            "{:<32}  {:<16} {:>16} {:>16.2} {:>16} {:>16}",
            slave.addr,
            slave.slave_ack_offset,
            slave.diff,
            kilobytes(slave.transferred_byte_in_second),
            if slave.in_sync { "OK" } else { "Fall Behind" },
            slave.transfer_from_where
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::{HaClientRuntimeInfo, HaConnectionRuntimeInfo};

    use super::*;

    fn printed(info: &HaRuntimeInfo) -> String {
        let mut out = Vec::new();
        print(&mut out, "127.0.0.1:10911", info, &LocalTime::utc()).expect("a vector takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_master_and_a_slave_are_shown_as_by_the_java_tool() {
        let slave = HaConnectionRuntimeInfo {
            addr: "/127.0.0.1:40000".to_owned(),
            slave_ack_offset: 900,
            diff: 100,
            in_sync: true,
            transferred_byte_in_second: 1536,
            transfer_from_where: 1000,
        };
        let master = HaRuntimeInfo {
            master: true,
            master_commit_log_max_offset: 1000,
            in_sync_slave_nums: 1,
            ha_connection_info: vec![slave],
            ..HaRuntimeInfo::default()
        };
        assert_eq!(
            printed(&master),
            "\n#MasterAddr\t127.0.0.1:10911\n#MasterCommitLogMaxOffset\t1000\n#SlaveNum\t1\n#InSyncSlaveNum\t1\n\
             #SlaveAddr                        #SlaveAckOffset             #Diff #TransferSpeed(KB/s)          #Status #TransferFromWhere\n\
             /127.0.0.1:40000                  900                           100             1.50               OK             1000\n"
        );
        let copy = HaClientRuntimeInfo {
            master_addr: Some("127.0.0.1:10912".to_owned()),
            max_offset: 900,
            last_read_timestamp: 1000,
            ..HaClientRuntimeInfo::default()
        };
        let slave = HaRuntimeInfo { ha_client_runtime_info: copy, ..HaRuntimeInfo::default() };
        assert_eq!(
            printed(&slave),
            "\n#MasterAddr\t127.0.0.1:10912\n#CommitLogMaxOffset\t900\n#TransferSpeed(KB/s)\t0.00\n\
             #LastReadTime\t1970-01-01 00:00:01,000\n#LastWriteTime\t1970-01-01 00:00:00,000\n#MasterFlushOffset\t0\n"
        );
    }
}
