//! `eruca namesrv`: one name server, with a controller beside it where `enableControllerInNamesrv` says so.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use eruca_config::Loaded;
use eruca_controller::ControllerServer;
use eruca_message::SystemClock;
use eruca_namesrv::{NamesrvConfig, NamesrvServer};
use tracing::info;

use crate::{
    cli::NamesrvArgs,
    config_file,
    preflight::{memory_budget, raise_open_files, server_limits},
    ready::{Ready, print_line},
    run_controller,
    signals::{EndSignals, stop_or_die},
};

/// Answers that are under way may still go out for so long.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// Where a name server keeps its files, as Java's does: in the home directory.
const FILES_DIR: &str = "namesrv";

pub(crate) async fn run(args: NamesrvArgs, started: Instant) -> anyhow::Result<()> {
    let mut signals = EndSignals::listen().context("cannot listen for signals")?;
    let properties = config_file::read(args.config.as_deref())?;
    let where_it_is = || config_file::where_it_is(args.config.as_deref());
    let Loaded { keys: mut config, mut notices } =
        NamesrvConfig::from_properties(&properties).with_context(where_it_is)?;
    let mut controller = None;
    if config.keys.enable_controller_in_namesrv {
        let loaded = run_controller::config(&properties).with_context(where_it_is)?;
        notices = run_controller::unused_by_both(notices, &loaded.notices);
        controller = Some(loaded.keys);
    }
    config_file::log_notices(&notices);
    if let Some(port) = args.port {
        config.keys.listen_port = port;
    }
    let config = config.with_files_in(&std::env::home_dir().unwrap_or_default().join(FILES_DIR));
    let (files, memory) = (raise_open_files()?, memory_budget()?);
    let limits = server_limits(&files, &memory);
    let controller = controller.map(|config| ControllerServer::start(config, limits.clone())).transpose()?;
    let server = NamesrvServer::start(config, limits, Arc::new(SystemClock))?;
    let ready = Ready {
        namesrv: server.local_addrs().first().map(ToString::to_string),
        controller: controller.as_ref().and_then(|server| Some(server.local_addrs().first()?.to_string())),
        took_ms: started.elapsed().as_millis(),
        ..Ready::new(&memory)
    };
    print_line(&ready.text())?;
    signals.first().await;
    let stop = move || {
        if let Some(controller) = controller {
            controller.shutdown(Duration::ZERO);
        }
        server.shutdown(SHUTDOWN_GRACE);
    };
    stop_or_die(&mut signals, stop, || {}).await;
    info!("stopped");
    Ok(())
}
