//! `getBrokerEpoch`: which master wrote which part of a broker's log, in a group that has a controller.

use std::{io::Write, time::Duration};

use eruca_protocol::body::EpochEntryCache;

use super::{Call, Command};
use crate::{CommandError, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "getBrokerEpoch",
    about: "Fetch broker epoch entries.",
    options: &[
        Opt::one_of("b", "brokerName", "which broker to fetch"),
        Opt::one_of("c", "clusterName", "which cluster"),
        Opt::value("i", "interval", "the interval(second) of get info"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let interval: Option<u64> = call.arguments.parsed("i", "a number of seconds")?;
    loop {
        let addrs = match call.arguments.value("b") {
            Some(name) => ops::addrs_of_group(call.admin, name).await?,
            None => ops::member_addrs(call.admin, call.arguments.required("c")).await?,
        };
        for addr in addrs {
            let cache = call.admin.broker_epoch_cache(&addr).await?;
            print(call.out, &addr, &cache)?;
        }
        call.out.flush()?;
        match interval {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => return Ok(()),
        }
    }
}

fn print(out: &mut dyn Write, addr: &str, cache: &EpochEntryCache) -> Result<(), CommandError> {
    writeln!(out, "\n#clusterName\t{}", cache.cluster_name)?;
    writeln!(out, "#brokerName\t{}", cache.broker_name)?;
    writeln!(out, "#brokerAddr\t{addr}")?;
    writeln!(out, "#brokerId\t{}", cache.broker_id)?;
    let last = cache.epoch_list.len().saturating_sub(1);
    for (index, entry) in cache.epoch_list.iter().enumerate() {
        // The last one ends where the log does.
        let end = if index == last { cache.max_offset } else { entry.end_offset };
        let (epoch, start) = (entry.epoch, entry.start_offset);
        writeln!(out, "#Epoch: EpochEntry{{epoch={epoch}, startOffset={start}, endOffset={end}}}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::EpochEntry;

    use super::*;

    #[test]
    fn epochs_are_shown_as_by_the_java_tool() {
        let entry = |epoch, start_offset, end_offset| EpochEntry { epoch, start_offset, end_offset };
        let cache = EpochEntryCache {
            cluster_name: "DefaultCluster".to_owned(),
            broker_name: "broker-a".to_owned(),
            broker_id: 2,
            epoch_list: vec![entry(1, 0, 239), entry(2, 239, i64::MAX)],
            max_offset: 875,
        };
        let mut out = Vec::new();
        print(&mut out, "127.0.0.1:23510", &cache).expect("a vector takes all");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "\n#clusterName\tDefaultCluster\n#brokerName\tbroker-a\n#brokerAddr\t127.0.0.1:23510\n#brokerId\t2\n\
             #Epoch: EpochEntry{epoch=1, startOffset=0, endOffset=239}\n\
             #Epoch: EpochEntry{epoch=2, startOffset=239, endOffset=875}\n"
        );
    }
}
