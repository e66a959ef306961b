//! A broker of this process: started, ready, not ready, ready again.

use std::{
    path::PathBuf,
    sync::Arc,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use anyhow::Context;
use eruca_broker::{Broker, BrokerConfig, Environment, config::FlushDiskType};
use eruca_message::SystemClock;
use eruca_store::{RealDisk, RecoveryReport};
use tracing::{error, info, warn};

use crate::{
    preflight::{MemoryBudget, OpenFiles},
    self_test::{Passed, SelfTest, SelfTestError},
};

/// A failure that only a change from outside can mend is given up after this.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
/// Shorter waits for readiness are not worth a line.
const SAY_AFTER: Duration = Duration::from_millis(300);
/// Pauses between two looks: short at first, as registrations are quick.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Opens the store and starts everything of the broker. Blocks while a store is put in order. Changes that
/// administrators make are kept in `config_file`.
pub(crate) fn start(
    config: BrokerConfig,
    config_file: Option<PathBuf>,
    files: &OpenFiles,
    memory: &MemoryBudget,
) -> anyhow::Result<Broker> {
    let environment = Environment {
        clock: Arc::new(SystemClock),
        disk: Arc::new(RealDisk),
        shards: available_parallelism().map_or(1, usize::from),
        max_connections: files.connections,
        max_in_flight_bytes: memory.in_flight_bytes,
        memory_bytes: memory.limit_bytes,
        config_file,
    };
    let data = config.store_root();
    let broker = Broker::start(config, environment).context("the broker does not start")?;
    let (listen, vip) = (broker.listen_addr(), broker.vip_addr());
    log_recovery(broker.recovery());
    info!(%listen, %vip, data = %data.display(), "broker started");
    Ok(broker)
}

/// Tells what was put in order, if anything was.
fn log_recovery(report: &RecoveryReport) {
    if !report.was_closed {
        info!(
            records = report.records,
            queues = report.queues,
            entries_rebuilt = report.entries_rebuilt,
            entries_cut = report.entries_cut,
            log_end = %report.log_end,
            "the last run did not end in order: the store was checked and put in order"
        );
    }
    if let Some(tail) = &report.torn_tail {
        let (file, why) = (tail.path.display(), &tail.why);
        warn!(%file, from = %tail.from, why, "the end of the log was not written completely and is cut off");
    }
    for damage in &report.damages {
        let (file, why) = (damage.path.display(), &damage.why);
        error!(%file, from = %damage.from, to = %damage.to, why, "the log is damaged: consumers pass over this part");
    }
}

/// What an acknowledgement of this broker means.
pub(crate) fn flush_text(config: &BrokerConfig) -> &'static str {
    match config.flush_disk_type {
        FlushDiskType::Sync => "on disk before acknowledged",
        FlushDiskType::Async => "in the kernel before acknowledged",
    }
}

/// Returns when a message went through the broker by the route that clients are given.
///
/// # Errors
/// What keeps that from happening, where waiting does not help.
pub(crate) async fn become_ready(broker: &Broker, name_servers: &[String]) -> Result<Passed, SelfTestError> {
    let test = SelfTest {
        name_servers: name_servers.to_owned(),
        broker_name: broker.identity().broker_name.clone(),
        producer_group: broker.self_test_group().to_owned(),
        without_slaves: broker.waits_for_slaves(),
    };
    let began = Instant::now();
    let mut pause = PAUSE_MIN;
    let mut said = String::new();
    loop {
        let reason = if broker.name_servers().is_registered() {
            if !broker.role().state().is_master() {
                // It takes no message that could be looked for.
                return Ok(Passed { broker_addr: broker.identity().broker_addr.clone() });
            }
            match test.run().await {
                Ok(passed) => return Ok(passed),
                Err(error) if error.needs_remedy() && began.elapsed() >= GIVE_UP_AFTER => return Err(error),
                Err(error) => error.to_string(),
            }
        } else if let Some(reason) = broker.undecided() {
            reason
        } else {
            format!("no name server of {} knows this broker", name_servers.join(";"))
        };
        if reason != said && began.elapsed() >= SAY_AFTER {
            warn!("not ready, trying again: {reason}");
            said = reason;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Returns when no name server knows the broker any more, or none of those did at some time since it was ready. (The
/// broker itself logs it.)
pub(crate) async fn lose_name_servers(broker: &Broker) {
    let registrations = || -> Vec<_> {
        let states = broker.name_servers().status();
        states.into_iter().filter_map(|state| Some((state.address, state.registered_since?))).collect()
    };
    let mut known = registrations();
    loop {
        tokio::time::sleep(PAUSE_MAX).await;
        let now = registrations();
        // A loss may have been shorter than the pause: then no registration is the one that it was.
        if !now.iter().any(|registration| known.contains(registration)) {
            return;
        }
        known = now;
    }
}
