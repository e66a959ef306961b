//! Playing a seed: a thread of its own, so that nothing of another run is there.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use eruca_store::{Plant, disk::SimDisk};

use super::{Failure, Outcome, steps::Run};
use crate::oracle::Violation;

/// How a seed is played.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// A bug to plant.
    pub plant: Option<Plant>,
    /// Prints the trace.
    pub print: bool,
}

thread_local! {
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Plays one seed. The same seed and options give the same outcome.
pub fn play(seed: u64, options: Options) -> Outcome {
    keep_panics_of_runs();
    let thread = std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
        Plant::on_this_thread(options.plant);
        let disk = SimDisk::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        // The run holds `Rc`s and dies with this thread; what it counted comes out by value.
        let mut run = Run::new(seed, disk.clone(), options.print);
        let result = panic::catch_unwind(AssertUnwindSafe(|| run.play_all()));
        let violation = match result {
            Ok(Ok(())) => None,
            Ok(Err(violation)) => Some(violation),
            Err(_) => Some(Violation {
                invariant: "no panic",
                expected: "an error as a value".to_owned(),
                found: PANICKED.take().unwrap_or_default(),
            }),
        };
        let failure =
            violation.map(|violation| Failure { seed, step: run.step, what: run.what.clone(), violation });
        let (steps, crashes, simulated_ms, trace_hash) = run.counts();
        Outcome { steps, crashes, simulated_ms, trace_hash, disk, failure }
    });
    // A thread that cannot be started is no matter of the seed.
    let outcome = thread.expect("the system has room for a thread").join();
    outcome.expect("panics are caught within")
}

const THREAD: &str = "simulation";

/// Keeps the message of a run's panic, which is an outcome, instead of printing it.
fn keep_panics_of_runs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() == Some(THREAD) {
                PANICKED.set(Some(info.to_string()));
            } else {
                usual(info);
            }
        }));
    });
}
