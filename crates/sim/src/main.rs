//! Runs the simulation: one seed with its trace, or as many as one likes.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use eruca_sim::{
    Options,
    cluster::{ClusterOptions, play_classic, play_cluster},
    play,
};

/// Failures after which no more seeds are played.
const FAILURES_MAX: usize = 10;

/// Deterministic simulation, from seeds: kills, power cuts, failing disks and networks.
#[derive(Debug, Parser)]
#[command(name = "eruca-sim")]
struct Arguments {
    /// What is simulated
    #[arg(long, value_enum, default_value_t = World::Store)]
    world: World,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum World {
    /// A store against a model
    Store,
    /// A group of brokers with a controller
    Groups,
    /// A master and a slave without a controller
    Pairs,
}

/// A seed's run, whatever its world.
#[derive(Debug)]
struct Run {
    counts: Vec<(&'static str, u64)>,
    failure: Option<String>,
    trace_hash: u64,
}

impl World {
    fn play(self, seed: u64, print: bool) -> Run {
        match self {
            World::Store => {
                let outcome = play(seed, Options { print, ..Options::default() });
                let simulated_ms = u64::try_from(outcome.simulated_ms).unwrap_or(0);
                Run {
                    counts: vec![
                        ("steps", outcome.steps),
                        ("crashes", outcome.crashes),
                        ("simulated minutes", simulated_ms / 60_000),
                    ],
                    failure: outcome.failure.map(|failure| failure.to_string()),
                    trace_hash: outcome.trace_hash,
                }
            }
            World::Groups => {
                let outcome = play_cluster(seed, ClusterOptions { print, ..ClusterOptions::default() });
                Run {
                    counts: vec![
                        ("acknowledged", outcome.acknowledged),
                        ("changes of the master", outcome.changes),
                        ("logs cut", outcome.cuts),
                        ("crashes", outcome.crashes),
                    ],
                    failure: outcome.failure.map(|what| self.with_replay(seed, &what)),
                    trace_hash: outcome.trace_hash,
                }
            }
            World::Pairs => {
                let outcome = play_classic(seed, false, print);
                Run {
                    counts: vec![
                        ("acknowledged", outcome.acknowledged),
                        ("takeovers", outcome.takeovers),
                        ("crashes", outcome.crashes),
                    ],
                    failure: outcome.failure.map(|what| self.with_replay(seed, &what)),
                    trace_hash: outcome.trace_hash,
                }
            }
        }
    }

    fn with_replay(self, seed: u64, what: &str) -> String {
        let world = self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        format!(
            "{what}\n  replay   cargo run -p eruca-sim --release -- --world {world} --seed {seed} --trace"
        )
    }
}

/// What all runs came to.
#[derive(Debug, Default)]
struct Total {
    seeds: u64,
    counts: BTreeMap<&'static str, u64>,
    failures: usize,
}

impl Total {
    fn add(&mut self, run: &Run) {
        self.seeds += 1;
        for (name, count) in &run.counts {
            *self.counts.entry(name).or_default() += count;
        }
        if let Some(failure) = &run.failure {
            self.failures += 1;
            println!("{failure}");
        }
    }

    fn counts(&self) -> String {
        self.counts.iter().map(|(name, count)| format!("{count} {name}, ")).collect()
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let total = match arguments.seed {
        Some(seed) => play_one(arguments.world, seed, arguments.trace),
        None => play_many(&arguments),
    };
    if total.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn play_one(world: World, seed: u64, trace: bool) -> Total {
    if trace {
        tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false).init();
    }
    let run = world.play(seed, trace);
    let mut total = Total::default();
    total.add(&run);
    println!("seed {seed}: {}trace {:016x}", total.counts(), run.trace_hash);
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
                    let run = arguments.world.play(seed, false);
                    lock().add(&run);
                }
            });
        }
    });
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{} seeds from {} on, {}{:.0} seeds/s, {} failed",
        total.seeds,
        arguments.from,
        total.counts(),
        total.seeds as f64 / seconds.max(0.001),
        total.failures,
    );
    total
}
