//! What an append costs, beside the same bytes copied and written by a bare loop:
//! `cargo run --release -p eruca-store --example append -- DIR [store|bare [SIZE SETTLED-BY COUNT]]`.
//!
//! Prints `SIZE_by_SETTLED_what TAB value`: appends a second, and nanoseconds on a processor per message,
//! for bodies of SIZE bytes of which SETTLED-BY are handed to the kernel together. The bare loop copies records of the
//! same size into a buffer and hands that to the kernel as often. Nothing is forced to the disk. `bench/run append`
//! makes a table of it, `bench/instructions` counts. DIR must not exist; it is removed.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use eruca_message::{SystemClock, Timestamp};
use eruca_store::{AppendMessage, MessageStore, RealDisk, StoreConfig};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Body sizes, and how many messages of each are appended.
const SIZES: [(usize, u64); 4] = [(128, 1 << 19), (1024, 1 << 17), (4096, 1 << 15), (65_536, 1 << 11)];
/// Queue entries are written behind after so many messages, as the broker's thread does about once a second.
const QUEUE_STEP_MESSAGES: u64 = 1 << 17;
const QUEUES: u64 = 8;
const PROPERTIES: &[u8] = b"UNIQ_KEY\x017F00000100002A9F0000000000000009\x02WAIT\x01true\x02TAGS\x01tagA\x02";

/// Of `count` messages.
struct Cost {
    wall: Duration,
    cpu: Duration,
}

/// Of this thread, which is the only one; by the scheduler's account, to the nanosecond.
fn cpu_time() -> Outcome<Duration> {
    let account = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = account.split_whitespace().next().ok_or("/proc/thread-self/schedstat is empty")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

fn measured(work: impl FnOnce() -> Outcome<()>) -> Outcome<Cost> {
    let (cpu, start) = (cpu_time()?, Instant::now());
    work()?;
    Ok(Cost { wall: start.elapsed(), cpu: cpu_time()? - cpu })
}

fn open(dir: &Path) -> Outcome<MessageStore> {
    let (store, _) = MessageStore::open(StoreConfig::new(dir), Arc::new(RealDisk), Arc::new(SystemClock))?;
    Ok(store)
}

fn message(body: &[u8]) -> Outcome<AppendMessage<'_>> {
    let host = "10.0.0.1:40000".parse()?;
    Ok(AppendMessage {
        topic: "bench",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp(1),
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: PROPERTIES,
    })
}

fn store(dir: &Path, size: usize, settled_by: u64, count: u64) -> Outcome<Cost> {
    let store = open(dir)?;
    let body = vec![7; size];
    let message = message(&body)?;
    let mut cost = Cost { wall: Duration::ZERO, cpu: Duration::ZERO };
    let mut done = 0;
    while done < count {
        let end = count.min(done + QUEUE_STEP_MESSAGES);
        let some = measured(|| {
            for number in done..end {
                store.append(&AppendMessage { queue_id: (number % QUEUES) as i32, ..message })?;
                if number % settled_by == settled_by - 1 {
                    store.settle()?;
                }
            }
            Ok(store.settle()?)
        })?;
        cost = Cost { wall: cost.wall + some.wall, cpu: cost.cpu + some.cpu };
        done = end;
        // Not part of an append: the disk would be measured.
        store.queue_flush_step()?;
    }
    store.close()?;
    Ok(cost)
}

/// The bytes of one record of the store.
fn record_len(dir: &Path, size: usize) -> Outcome<usize> {
    let store = open(dir)?;
    let appended = store.append(&message(&vec![7; size])?)?;
    store.close()?;
    Ok((appended.log_offset_end.0 - appended.log_offset.0) as usize)
}

fn bare(dir: &Path, size: usize, settled_by: u64, count: u64) -> Outcome<Cost> {
    let record = vec![7; record_len(&dir.join("one"), size)?];
    let file = File::create(dir.join("bytes"))?;
    // Its length is there from the beginning, as that of the store's segments.
    file.set_len(record.len() as u64 * count)?;
    let mut buffer = Vec::with_capacity(record.len() * settled_by as usize);
    let mut written = 0;
    measured(|| {
        for number in 1..=count {
            buffer.extend_from_slice(std::hint::black_box(&record));
            if number % settled_by == 0 || number == count {
                file.write_all_at(&buffer, written)?;
                written += buffer.len() as u64;
                buffer.clear();
            }
        }
        Ok(())
    })
}

fn run(dir: &Path, what: &str, size: usize, settled_by: u64, count: u64) -> Outcome<()> {
    fs::create_dir_all(dir)?;
    let cost = match what {
        "store" => store(dir, size, settled_by, count),
        "bare" => bare(dir, size, settled_by, count),
        _ => Err(format!("store or bare, not {what}").into()),
    };
    fs::remove_dir_all(dir)?;
    let Cost { wall, cpu } = cost?;
    let name = format!("{size}_by_{settled_by}");
    println!("{name}_per_second\t{:.0}", count as f64 / wall.as_secs_f64());
    println!("{name}_cpu_ns\t{:.1}", cpu.as_nanos() as f64 / count as f64);
    Ok(())
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [dir, what, size, settled_by, count] => {
            run(Path::new(dir), what, size.parse()?, settled_by.parse::<u64>()?.max(1), count.parse()?)
        }
        [dir, ref rest @ ..] if rest.len() < 2 => {
            for (size, count) in SIZES {
                for settled_by in [1, 16] {
                    run(Path::new(dir), rest.first().copied().unwrap_or("store"), size, settled_by, count)?;
                }
            }
            Ok(())
        }
        _ => Err("name a new directory, then: store|bare, size, settled by, count".into()),
    }
}
