//! `eruca controller`: one controller.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use eruca_config::{KeyNotice, Properties};
use eruca_controller::{ControllerConfig, ControllerServer};
use eruca_remoting::ServerConfig;
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
    let (config, notices) = load(&properties, args.config.as_deref())?;
    config_file::log_notices(&notices);
    let data = config.dir.clone();
    let (files, memory) = (raise_open_files()?, memory_budget()?);
    let server = start(config, server_limits(&files, &memory)).await?;
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

/// The configuration of a controller, alone or in a name server.
pub(crate) fn load(
    properties: &Properties,
    file: Option<&Path>,
) -> anyhow::Result<(ControllerConfig, Vec<KeyNotice>)> {
    let home = std::env::home_dir().unwrap_or_default();
    let loaded = ControllerConfig::from_properties(properties, &home)
        .with_context(|| config_file::where_it_is(file))?;
    Ok((loaded.keys, loaded.notices))
}

/// Starts it on a thread: its log is read meanwhile.
pub(crate) async fn start(config: ControllerConfig, server: ServerConfig) -> anyhow::Result<ControllerServer> {
    let started = tokio::task::spawn_blocking(|| ControllerServer::start(config, server));
    Ok(started.await.context("the thread that starts the controller failed")??)
}
