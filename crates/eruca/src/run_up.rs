//! `eruca up`: a name server and a broker in this process, for who wants it simple.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use eruca_broker::{Broker, BrokerConfig};
use eruca_config::Properties;
use eruca_message::SystemClock;
use eruca_namesrv::{NamesrvConfig, NamesrvKeys, NamesrvServer};
use tempfile::TempDir;
use tracing::info;

use crate::{
    broker_role::{become_ready, flush_text},
    cli::{BrokerKeys, UpArgs},
    config_file,
    preflight::{
        MemoryBudget, OpenFiles, broker_ports, check_advertised, check_data_dir, check_ports, memory_budget,
        raise_open_files, server_limits,
    },
    ready::{Ready, print_line},
    run_broker::{STOPPED_EARLY, start_on_a_thread},
    signals::{EndSignals, or_end, stop_or_die},
};

/// Where both listen.
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// The name server's port where `--namesrv-port` says nothing.
const NAMESRV_PORT: u16 = 9876;
/// Of the broker, where `--set` says nothing. Its name is not the host's, which changes with every container while the data stays.
const DEFAULTS: [(&str, &str); 3] =
    [("brokerName", "broker-a"), ("flushDiskType", "SYNC_FLUSH"), ("enablePropertyFilter", "true")];
/// Keys that the name server and the data directory depend on, too.
const OPTIONS: [(&str, &str); 4] = [
    ("listenPort", "--port"),
    ("brokerIP1", "--advertise"),
    ("namesrvAddr", "--namesrv-port"),
    ("storePathRootDir", "--data"),
];
/// Answers of the name server that are under way may still go out for so long.
const NAMESRV_GRACE: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: UpArgs, started: Instant) -> anyhow::Result<()> {
    let mut signals = EndSignals::listen().context("cannot listen for signals")?;
    let Checked { keys, files, memory, namesrv_port, temporary, data } = check(&args)?;
    let namesrv = NamesrvServer::start(
        namesrv_config(namesrv_port, &data),
        server_limits(&files, &memory),
        Arc::new(SystemClock),
    )?;
    let namesrv_port = namesrv.local_addrs().first().map_or(namesrv_port, SocketAddr::port);
    let name_server = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), namesrv_port).to_string();
    let config = broker_config(&args, keys, &data, &name_server);
    let ready = Ready {
        namesrv: Some(name_server.clone()),
        told_by_connection: args.advertise.is_none(),
        data: Some(data),
        flush: Some(flush_text(&config)),
        ..Ready::new(&memory)
    };
    let mut starting = pin!(start_on_a_thread(config, None, files, memory));
    let (broker, is_ended) = match or_end(&mut signals, &mut starting).await {
        Some(broker) => (broker?, false),
        // A temporary directory can only be removed when nobody writes to it any more.
        None if args.ephemeral => (starting.await?, true),
        None => bail!(STOPPED_EARLY),
    };
    if args.advertise.is_none() {
        namesrv.namesrv().set_local_broker(broker.identity().broker_addr.clone());
    }

    let served = match is_ended {
        true => Ok(()),
        false => serve(&mut signals, &broker, &name_server, ready, started, args.ephemeral).await,
    };
    let stop = move || {
        broker.shutdown();
        namesrv.shutdown(NAMESRV_GRACE);
    };
    let temporary_path = temporary.as_ref().map(|dir| dir.path().to_owned());
    stop_or_die(&mut signals, stop, move || remove(temporary_path)).await;
    info!("stopped");
    if let Some(dir) = temporary {
        dir.close().context("the temporary data directory cannot be removed")?;
    }
    served
}

/// What was found before anything was started.
struct Checked {
    /// What the command line says of the broker.
    keys: BrokerConfig,
    files: OpenFiles,
    memory: MemoryBudget,
    namesrv_port: u16,
    /// Where data lies that is removed at the end.
    temporary: Option<TempDir>,
    data: PathBuf,
}

fn check(args: &UpArgs) -> anyhow::Result<Checked> {
    let keys = broker_keys(&args.keys)?;
    let namesrv_port = args.namesrv_port.unwrap_or(if args.port == 0 { 0 } else { NAMESRV_PORT });
    let (files, memory) = (raise_open_files()?, memory_budget()?);
    if let Some(host) = &args.advertise {
        check_advertised("--advertise", host)?;
    }
    let mut ports = broker_ports(ANY, args.port, args.port.saturating_add(1));
    ports.push(("namesrv", SocketAddr::new(ANY, namesrv_port)));
    check_ports(&ports)?;
    let temporary = if args.ephemeral { Some(temporary_dir()?) } else { None };
    let data = temporary.as_ref().map_or(args.data.as_path(), TempDir::path);
    let data = check_data_dir(data, keys.disk_space_warning_level_ratio)?;
    Ok(Checked { keys, files, memory, namesrv_port, temporary, data })
}

/// Runs until a signal comes, and says when everything is ready.
async fn serve(
    signals: &mut EndSignals,
    broker: &Broker,
    name_server: &str,
    ready: Ready,
    started: Instant,
    is_ephemeral: bool,
) -> anyhow::Result<()> {
    let Some(proved) = or_end(signals, prove(broker, name_server, ready, started, is_ephemeral)).await else {
        return Ok(());
    };
    proved?;
    if is_ephemeral {
        signals.watch_standard_input();
    }
    signals.first().await;
    Ok(())
}

/// Sends a message through, then says that everything is ready.
async fn prove(
    broker: &Broker,
    name_server: &str,
    ready: Ready,
    started: Instant,
    for_programs: bool,
) -> anyhow::Result<()> {
    let passed = become_ready(broker, &[name_server.to_owned()]).await?;
    let vip = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), broker.vip_addr().port());
    let ready = Ready {
        broker: Some(passed.broker_addr),
        vip: Some(vip.to_string()),
        took_ms: started.elapsed().as_millis(),
        ..ready
    };
    print_line(&if for_programs { ready.json() } else { ready.text() })?;
    Ok(())
}

fn temporary_dir() -> anyhow::Result<TempDir> {
    let parent = std::env::temp_dir();
    tempfile::Builder::new().prefix("eruca-").tempdir().with_context(|| {
        format!(
            "no temporary directory can be made in {}; set TMPDIR to a directory that can be written to",
            parent.display()
        )
    })
}

/// For a process that ends at once: what is left is not worth a message.
fn remove(dir: Option<PathBuf>) {
    if let Some(dir) = dir {
        let _ = std::fs::remove_dir_all(dir);
    }
}

fn namesrv_config(port: u16, data: &Path) -> NamesrvConfig {
    let keys = NamesrvKeys { listen_port: port, ..NamesrvKeys::default() };
    NamesrvConfig { keys, local_broker: None }.with_files_in(&data.join("namesrv"))
}

/// What the broker has where nothing else is said, and what `--set` says.
fn broker_keys(given: &BrokerKeys) -> anyhow::Result<BrokerConfig> {
    for (key, option) in OPTIONS {
        if given.set.iter().any(|(given, _)| given == key) {
            bail!("--set {key}: here this key has an option of its own, {option}");
        }
    }
    let mut properties = Properties::new();
    for (key, value) in DEFAULTS {
        properties.set(key, value);
    }
    config_file::set_all(&mut properties, given);
    let loaded = BrokerConfig::from_properties(&properties).context("--set")?;
    config_file::log_notices(&loaded.notices);
    loaded.keys.validate().context("--set")?;
    Ok(loaded.keys)
}

fn broker_config(args: &UpArgs, keys: BrokerConfig, data: &Path, name_server: &str) -> BrokerConfig {
    BrokerConfig {
        listen_port: args.port,
        broker_ip1: args.advertise.clone(),
        namesrv_addr: Some(name_server.into()),
        store_path_root_dir: Some(data.to_string_lossy().into_owned()),
        ..keys
    }
}
