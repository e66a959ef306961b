//! Who waits for a flush is told once, and `Ok` only of what is on the disk. After a failed sync nothing is
//! acknowledged any more.

use std::sync::{Arc, Mutex, PoisonError};

use eruca_message::LogOffset;
use eruca_store::{MessageStore, WriteState, WriteStopped};

use super::{Verdict, Violation, expect};

const INVARIANT: &str = "who waits for a flush is told once and the truth";

#[derive(Debug)]
struct Told {
    end: u64,
    ok: bool,
}

/// Those who wait.
#[derive(Debug, Default)]
pub struct Waiters {
    told: Arc<Mutex<Vec<(usize, Told)>>>,
    /// For each that was registered, how often it was told.
    times: Vec<u32>,
}

impl Waiters {
    /// Registers one more.
    pub fn wait(&mut self, store: &MessageStore, end: u64) {
        let (number, told) = (self.times.len(), Arc::clone(&self.told));
        self.times.push(0);
        store.on_flushed(
            LogOffset(end),
            Box::new(move |result: Result<(), WriteStopped>| {
                let told_now = Told { end, ok: result.is_ok() };
                told.lock().unwrap_or_else(PoisonError::into_inner).push((number, told_now));
            }),
        );
    }

    /// Looks at what they were told since the last time: the highest end that was acknowledged.
    pub fn look(&mut self, store: &MessageStore) -> Result<Option<u64>, Violation> {
        let told = std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        let (state, flushed) = (store.write_state(), store.watermarks().flushed.0);
        let mut acknowledged = None;
        for (number, Told { end, ok }) in told {
            self.times[number] += 1;
            let times = self.times[number];
            expect(INVARIANT, times == 1, || "called once".to_owned(), || format!("{times} times"))?;
            let stopped = !matches!(state, WriteState::Open);
            let true_word = if ok { end <= flushed } else { stopped };
            expect(
                INVARIANT,
                true_word,
                || {
                    format!(
                        "{end}: Ok only up to {flushed}, an error only where writing is stopped ({state:?})"
                    )
                },
                || format!("ok: {ok}"),
            )?;
            if ok {
                acknowledged = acknowledged.max(Some(end));
            }
        }
        // Whoever is flushed has been told.
        Ok(acknowledged)
    }
}

/// What a stopped store says, against what it was seen to say before: a failed write or sync ends it until a restart.
pub fn gate(before: &WriteState, now: &WriteState) -> Verdict {
    let failed = matches!(before, WriteState::Stopped(WriteStopped::Io { .. }));
    expect(
        "after a failed write or sync nothing is taken until a restart",
        !failed || before == now,
        || format!("{before:?}"),
        || format!("{now:?}"),
    )
}
