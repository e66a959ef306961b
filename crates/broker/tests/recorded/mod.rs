//! A broker as the one that was recorded.

use std::{path::Path, sync::Arc};

use eruca_broker::{Broker, BrokerConfig, Environment};
use eruca_message::SystemClock;
use eruca_store::RealDisk;

/// Starts it over `root`.
pub(crate) fn start(root: &Path) -> Broker {
    let config = BrokerConfig {
        broker_name: "broker-a".to_owned(),
        broker_ip1: Some("127.0.0.1".to_owned()),
        listen_port: 0,
        bind_address: "127.0.0.1".to_owned(),
        store_path_root_dir: Some(root.to_str().unwrap().to_owned()),
        mapped_file_size_commit_log: 1 << 20,
        mapped_file_size_consume_queue: 20_000,
        disk_max_used_space_ratio: 100,
        disk_space_clean_forcibly_ratio: 100,
        disk_space_warning_level_ratio: 100,
        ..BrokerConfig::default()
    };
    let environment = Environment {
        clock: Arc::new(SystemClock),
        disk: Arc::new(RealDisk),
        shards: 1,
        max_connections: 10,
        max_in_flight_bytes: 64 << 20,
        memory_bytes: 1 << 30,
        config_file: None,
    };
    Broker::start(config, environment).unwrap()
}
