//! Runs the simulation: one seed with its trace, or as many as one likes.

use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use eruca_sim::{Options, Outcome, play};

/// Failures after which no more seeds are played.
const FAILURES_MAX: usize = 10;

/// Deterministic simulation of the store: kills, power cuts and failing disks, from seeds.
#[derive(Debug, Parser)]
#[command(name = "eruca-sim")]
struct Arguments {
    /// Play this seed only
    #[arg(long, conflicts_with_all = ["seeds", "from", "seconds"])]
    seed: Option<u64>,
    /// Print every step of the seed, and what the store logs
    #[arg(long, requires = "seed")]
    trace: bool,
    /// How many seeds to play
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Begin no more seeds after this many seconds
    #[arg(long)]
    seconds: Option<u64>,
    /// How many seeds to play at once; by default as many as there are cores
    #[arg(long)]
    jobs: Option<usize>,
}

/// What all runs came to.
#[derive(Debug, Default)]
struct Total {
    seeds: u64,
    steps: u64,
    crashes: u64,
    simulated_ms: i64,
    failures: usize,
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.steps += outcome.steps;
        self.crashes += outcome.crashes;
        self.simulated_ms += outcome.simulated_ms;
        if let Some(failure) = &outcome.failure {
            self.failures += 1;
            println!("{failure}");
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let total = match arguments.seed {
        Some(seed) => play_one(seed, arguments.trace),
        None => play_many(&arguments),
    };
    if total.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn play_one(seed: u64, trace: bool) -> Total {
    if trace {
        tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false).init();
    }
    let outcome = play(seed, Options { print: trace, ..Options::default() });
    println!(
        "seed {seed}: {} steps, {} crashes, trace {:016x}",
        outcome.steps, outcome.crashes, outcome.trace_hash
    );
    let mut total = Total::default();
    total.add(&outcome);
    total
}

fn play_many(arguments: &Arguments) -> Total {
    let begin = Instant::now();
    let until = arguments.seconds.map(|seconds| begin + Duration::from_secs(seconds));
    let end = arguments.from.saturating_add(arguments.seeds);
    let next = AtomicU64::new(arguments.from);
    let total = Mutex::new(Total::default());
    let lock = || total.lock().unwrap_or_else(PoisonError::into_inner);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.unwrap_or(cores).max(1) {
            scope.spawn(|| {
                while until.is_none_or(|until| Instant::now() < until) && lock().failures < FAILURES_MAX {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let outcome = play(seed, Options::default());
                    lock().add(&outcome);
                }
            });
        }
    });
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{} seeds from {} on, {} steps, {} crashes, {} simulated hours, {:.0} seeds/s, {} failed",
        total.seeds,
        arguments.from,
        total.steps,
        total.crashes,
        total.simulated_ms / 3_600_000,
        total.seeds as f64 / seconds.max(0.001),
        total.failures,
    );
    total
}
