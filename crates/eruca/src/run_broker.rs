//! `eruca broker`: one broker, with the Java system's configuration file.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, bail};
use eruca_broker::{Broker, BrokerConfig};
use tracing::info;

use crate::{
    broker_role::{become_ready, flush_text, lose_name_servers, start},
    cli::{BrokerArgs, DEFAULT_NAME_SERVER},
    config_file,
    preflight::{
        MemoryBudget, OpenFiles, broker_ports, check_advertised, check_data_dir, check_ports, memory_budget,
        raise_open_files,
    },
    ready::{Ready, print_line},
    signals::{EndSignals, or_end, stop_or_die},
};

/// A signal came while the store was put in order.
pub(crate) const STOPPED_EARLY: &str = "stopped by a signal before the broker had started";

pub(crate) async fn run(args: BrokerArgs, started: Instant) -> anyhow::Result<()> {
    let mut signals = EndSignals::listen().context("cannot listen for signals")?;
    let config = config(&args)?;
    let name_servers = config.name_servers()?;
    let (files, memory) = (raise_open_files()?, memory_budget()?);
    if let Some(host) = &config.broker_ip1 {
        check_advertised("brokerIP1 (--advertise)", host)?;
    }
    check_ports(&broker_ports(config.bind_ip()?, config.listen_port, config.ha_port(config.listen_port)))?;
    let data = check_data_dir(&config.store_root(), config.disk_space_warning_level_ratio)?;
    let ready = Ready { data: Some(data), flush: Some(flush_text(&config)), ..Ready::new(&memory) };
    let starting = start_on_a_thread(config, args.config.clone(), files, memory);
    let Some(broker) = or_end(&mut signals, starting).await.transpose()? else { bail!(STOPPED_EARLY) };
    let served = or_end(&mut signals, serve(&broker, &name_servers, ready, started)).await;
    stop_or_die(&mut signals, move || broker.shutdown(), || {}).await;
    info!("stopped");
    served.unwrap_or(Ok(()))
}

/// Keys of the file, those of the command line, and the options that stand above both.
fn config(args: &BrokerArgs) -> anyhow::Result<BrokerConfig> {
    let file = args.config.as_deref();
    let where_it_is = || config_file::where_it_may_be(file, &args.keys);
    let mut properties = config_file::read(file)?;
    config_file::set_all(&mut properties, &args.keys);
    let loaded = BrokerConfig::from_properties(&properties).with_context(where_it_is)?;
    config_file::log_notices(&loaded.notices);
    let mut config = loaded.keys;
    if let Some(addrs) = &args.namesrv {
        config.namesrv_addr = Some(addrs.clone());
    }
    config.namesrv_addr.get_or_insert_with(|| DEFAULT_NAME_SERVER.into());
    if let Some(host) = &args.advertise {
        config.broker_ip1 = Some(host.clone());
    }
    config.validate().with_context(where_it_is)?;
    Ok(config)
}

/// Starts the broker beside the runtime, so that a signal counts while a large store is put in order.
pub(crate) async fn start_on_a_thread(
    config: BrokerConfig,
    config_file: Option<PathBuf>,
    files: OpenFiles,
    memory: MemoryBudget,
) -> anyhow::Result<Broker> {
    let starting = tokio::task::spawn_blocking(move || start(config, config_file, &files, &memory));
    starting.await.context("the broker's start panicked")?
}

/// Says when the broker is ready, again after it lost all name servers. Returns only with an error.
async fn serve(
    broker: &Broker,
    name_servers: &[String],
    ready: Ready,
    started: Instant,
) -> anyhow::Result<()> {
    let mut since = started;
    loop {
        let passed = become_ready(broker, name_servers).await?;
        let ready = Ready {
            broker: Some(passed.broker_addr),
            vip: Some(broker.vip_addr().to_string()),
            took_ms: since.elapsed().as_millis(),
            ..ready.clone()
        };
        print_line(&ready.text())?;
        lose_name_servers(broker).await;
        since = Instant::now();
    }
}
