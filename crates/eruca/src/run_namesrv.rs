//! `eruca namesrv`: one name server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use eruca_message::SystemClock;
use eruca_namesrv::{NamesrvConfig, NamesrvServer};
use tracing::info;

use crate::{
    cli::NamesrvArgs,
    config_file,
    preflight::{memory_budget, raise_open_files, server_limits},
    ready::{Ready, print_line},
    signals::{EndSignals, stop_or_die},
};

/// Answers that are under way may still go out for so long.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// Where a name server keeps its files, as Java's does: in the home directory.
const FILES_DIR: &str = "namesrv";

pub(crate) async fn run(args: NamesrvArgs, started: Instant) -> anyhow::Result<()> {
    let mut signals = EndSignals::listen().context("cannot listen for signals")?;
    let properties = config_file::read(args.config.as_deref())?;
    let loaded = NamesrvConfig::from_properties(&properties)
        .with_context(|| config_file::where_it_is(args.config.as_deref()))?;
    config_file::log_notices(&loaded.notices);
    let mut config = loaded.keys;
    if let Some(port) = args.port {
        config.keys.listen_port = port;
    }
    let config = config.with_files_in(&std::env::home_dir().unwrap_or_default().join(FILES_DIR));
    let (files, memory) = (raise_open_files()?, memory_budget()?);
    let server = NamesrvServer::start(config, server_limits(&files, &memory), Arc::new(SystemClock))?;
    let ready = Ready {
        namesrv: server.local_addrs().first().map(ToString::to_string),
        took_ms: started.elapsed().as_millis(),
        ..Ready::new(&memory)
    };
    print_line(&ready.text())?;
    signals.first().await;
    stop_or_die(&mut signals, move || server.shutdown(SHUTDOWN_GRACE), || {}).await;
    info!("stopped");
    Ok(())
}
