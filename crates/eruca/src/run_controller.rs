//! `eruca controller`: one controller.

use std::time::{Duration, Instant};

use anyhow::Context;
use eruca_config::{KeyNotice, Loaded, Properties};
use eruca_controller::{ConfigError, ControllerConfig, ControllerServer};
use tracing::info;

use crate::{
    cli::ControllerArgs,
    config_file,
    preflight::{memory_budget, raise_open_files, server_limits},
    ready::{Ready, print_line},
    signals::{EndSignals, stop_or_die},
};

/// Answers that are under way may still go out for so long.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

pub(crate) async fn run(args: ControllerArgs, started: Instant) -> anyhow::Result<()> {
    let mut signals = EndSignals::listen().context("cannot listen for signals")?;
    let properties = config_file::read(args.config.as_deref())?;
    let Loaded { keys: config, notices } =
        config(&properties).with_context(|| config_file::where_it_is(args.config.as_deref()))?;
    config_file::log_notices(&notices);
    let data = config.dir.clone();
    let (files, memory) = (raise_open_files()?, memory_budget()?);
    let server = ControllerServer::start(config, server_limits(&files, &memory))?;
    let ready = Ready {
        controller: server.local_addrs().first().map(ToString::to_string),
        data: Some(data),
        took_ms: started.elapsed().as_millis(),
        ..Ready::new(&memory)
    };
    print_line(&ready.text())?;
    signals.first().await;
    stop_or_die(&mut signals, move || server.shutdown(SHUTDOWN_GRACE), || {}).await;
    info!("stopped");
    Ok(())
}

/// The configuration of a controller, alone or in a name server; its files lie in the home directory, as Java's.
pub(crate) fn config(properties: &Properties) -> Result<Loaded<ControllerConfig>, ConfigError> {
    ControllerConfig::from_properties(properties, &std::env::home_dir().unwrap_or_default())
}

/// What has no effect in a file that two components read: what neither of them takes.
pub(crate) fn unused_by_both(mut notices: Vec<KeyNotice>, others: &[KeyNotice]) -> Vec<KeyNotice> {
    notices.retain(|notice| others.iter().any(|other| other.key() == notice.key()));
    notices
}
