//! What the store costs by itself: `cargo run --release -p eruca-store --example measure -- DIR`.
//!
//! Prints nanoseconds per message for append and settle, read, and recovery after a kill. DIR is filled and left.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use eruca_message::{QueueOffset, SystemClock, Timestamp};
use eruca_store::{AppendMessage, EveryMessage, MessageStore, ReadLimits, RealDisk, StoreConfig};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn open(dir: &Path) -> Outcome<(MessageStore, Duration, u64)> {
    let start = Instant::now();
    let (store, report) =
        MessageStore::open(StoreConfig::new(dir), Arc::new(RealDisk), Arc::new(SystemClock))?;
    Ok((store, start.elapsed(), report.records))
}

fn message<'a>(topic: &'a str, queue_id: i32, body: &'a [u8]) -> Outcome<AppendMessage<'a>> {
    Ok(AppendMessage {
        topic,
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp(1),
        born_host: "10.0.0.1:40000".parse()?,
        store_host: "10.0.0.2:10911".parse()?,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: b"UNIQ_KEY\x017F00000100002A9F0000000000000009\x02WAIT\x01true\x02TAGS\x01tagA\x02",
    })
}

/// Appends and reads in a new directory; leaves it without closing.
fn measure(dir: &Path, len: usize, count: u64) -> Outcome<()> {
    let (store, _, _) = open(dir)?;
    let body = vec![7; len];
    let message = message("bench", 0, &body)?;
    for batch in [1, 64] {
        let start = Instant::now();
        let mut in_append = Duration::ZERO;
        for _ in 0..count / batch {
            let appending = Instant::now();
            for queue_id in 0..batch as i32 {
                store.append(&AppendMessage { queue_id: queue_id % 8, ..message })?;
            }
            in_append += appending.elapsed();
            store.settle()?;
        }
        let all = start.elapsed();
        let each = |time: Duration| time.as_nanos() / u128::from(count);
        println!(
            "{len:6} B, settled by {batch:2}: {:6} ns append, {:6} ns in all",
            each(in_append),
            each(all)
        );
    }
    let start = Instant::now();
    store.queue_flush_step()?;
    println!("{len:6} B, flush of all: {:?}", start.elapsed());
    let (start, mut next, mut read) = (Instant::now(), QueueOffset(0), 0);
    loop {
        let found = store.read("bench", 0, next, &ReadLimits::default(), &EveryMessage);
        if found.message_count == 0 {
            break;
        }
        read += found.message_count;
        next = found.next_offset;
    }
    println!("{len:6} B, read by 32: {:6} ns", start.elapsed().as_nanos() / read.max(1) as u128);
    Ok(())
}

fn main() -> Outcome<()> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("name a directory that may be filled")?);
    for (len, count) in [(128, 1 << 20), (1024, 1 << 20), (4096, 1 << 17), (65_536, 1 << 13)] {
        measure(&dir.join(len.to_string()), len, count)?;
    }
    let dir = dir.join("1024");
    let (store, took, records) = open(&dir)?;
    println!("opened after a kill: {took:?}, {records} records read");
    let body = vec![7; 1024];
    for i in 0..300_000 {
        store.append(&message("bench", i % 8, &body)?)?;
        if i % 64 == 0 {
            store.settle()?;
        }
    }
    store.settle()?;
    drop(store);
    let (store, took, records) = open(&dir)?;
    println!("opened with 300,000 messages since the checkpoint: {took:?}, {records} records read");
    let end = store.log_range().1;
    store.close()?;
    drop(store);
    let (_store, took, records) = open(&dir)?;
    println!("opened after close, {} MB of log: {took:?}, {records} records read", end.0 >> 20);
    Ok(())
}
