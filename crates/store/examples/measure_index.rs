//! What the index of keys costs: `cargo run --release -p eruca-store --example measure_index -- DIR`.
//!
//! Prints nanoseconds of CPU time per message for steps of different sizes, for a query, and for the repair after a
//! kill. DIR is filled and left.

use std::{path::PathBuf, sync::Arc, time::Instant};

use eruca_message::{SystemClock, Timestamp};
use eruca_store::{AppendMessage, KeyKind, MessageQuery, MessageStore, RealDisk, StoreConfig};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const WARM_UP: u64 = 200_000;

/// CPU time of this thread in ns.
fn cpu_ns() -> Outcome<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().unwrap_or_default().parse()?)
}

fn unique_key(i: u64) -> String {
    // As a Java client makes them: address, process and class loader first, then time and counter.
    format!("FD00000000000000000000000000000213AC30946E09{:08X}{:04X}", i / 4096, i % 65_536)
}

fn append(store: &MessageStore, i: u64, body: &[u8], with_key_and_tag: bool) -> Outcome<()> {
    let mut properties = format!(
        "MSG_REGION\x01DefaultRegion\x02UNIQ_KEY\x01{}\x02CLUSTER\x01DefaultCluster\x02WAIT\x01true\x02TRACE_ON\x01true\x02",
        unique_key(i)
    );
    if with_key_and_tag {
        properties.push_str(&format!("KEYS\x01order-{i}\x02TAGS\x01tag{}\x02", i % 8));
    }
    store.append(&AppendMessage {
        topic: "orders",
        queue_id: (i % 8) as i32,
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp(1),
        born_host: "10.0.0.1:40000".parse()?,
        store_host: "10.0.0.2:10911".parse()?,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: properties.as_bytes(),
    })?;
    if i % 64 == 63 {
        store.settle()?;
    }
    Ok(())
}

fn measure(dir: PathBuf, len: usize, per_step: u64, count: u64, with_key_and_tag: bool) -> Outcome<()> {
    let (store, _) = MessageStore::open(StoreConfig::new(&dir), Arc::new(RealDisk), Arc::new(SystemClock))?;
    let body = vec![7; len];
    // The first touch of each page of slots costs more than all later ones.
    for i in 0..WARM_UP {
        append(&store, i, b"", with_key_and_tag)?;
    }
    store.settle()?;
    store.index_step(u64::MAX);
    let (mut cpu, mut wall) = (0, 0);
    for step in 0..count / per_step {
        for i in 0..per_step {
            append(&store, WARM_UP + step * per_step + i, &body, with_key_and_tag)?;
        }
        store.settle()?;
        let (before, start) = (cpu_ns()?, Instant::now());
        store.index_step(u64::MAX);
        cpu += cpu_ns()? - before;
        wall += start.elapsed().as_nanos();
    }
    let keys = if with_key_and_tag { 3 } else { 1 };
    println!(
        "{len:6} B, {keys} keys, {per_step:6} messages a step: {:5} ns CPU, {:5} ns wall per message",
        cpu / count,
        wall / u128::from(count)
    );
    let key = unique_key(count / 2);
    let query = MessageQuery {
        topic: "orders",
        key: &key,
        kind: KeyKind::Key,
        begin: Timestamp(0),
        end: Timestamp(i64::MAX),
        max_messages: 32,
        max_bytes: 1 << 20,
    };
    let start = Instant::now();
    let found = store.query_by_key(&query);
    println!("{:54} query: {:?}, {} found", "", start.elapsed(), found.message_count);
    drop(store);
    let (store, _) = MessageStore::open(StoreConfig::new(&dir), Arc::new(RealDisk), Arc::new(SystemClock))?;
    let start = Instant::now();
    store.index_step(0);
    println!("{:54} repair after a kill: {:?}", "", start.elapsed());
    Ok(())
}

fn main() -> Outcome<()> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("name a directory that may be filled")?);
    let runs = [
        (128, 50_000, 2_000_000, false),
        (1024, 50_000, 1_000_000, false),
        (1024, 50_000, 1_000_000, true),
        (1024, 5_000, 200_000, false),
        (1024, 500, 20_000, false),
        (4096, 50_000, 200_000, false),
        (65_536, 5_000, 20_000, false),
    ];
    for (number, (len, per_step, count, with_key_and_tag)) in runs.into_iter().enumerate() {
        measure(dir.join(number.to_string()), len, per_step, count, with_key_and_tag)?;
    }
    Ok(())
}
