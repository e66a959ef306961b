//! Prints clusters and brokers: `cargo run -p eruca-client --example clusters -- [name servers]`.

use std::env;

use eruca_client::Admin;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name_servers = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    let admin = Admin::builder().name_servers(name_servers).build().await?;
    let info = admin.examine_broker_cluster_info().await?;
    for (cluster, brokers) in &info.cluster_addr_table {
        for name in brokers {
            for (id, addr) in info.broker_addr_table.get(name).iter().flat_map(|broker| &broker.broker_addrs)
            {
                let stats = admin.fetch_broker_runtime_stats(addr).await?;
                let version = stats.table.get("brokerVersionDesc").map_or("?", String::as_str);
                println!("{cluster} {name} {id} {addr} {version}");
            }
        }
    }
    admin.shutdown();
    Ok(())
}
