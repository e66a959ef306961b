//! A number that many threads add to at once.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Threads that add do so in different places, as long as there are not more of them.
const SLOTS: usize = 16;

/// One place, alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Slot(AtomicU64);

/// A number that only grows, cheap to add to from many threads.
#[derive(Debug, Default)]
pub struct Counter {
    slots: [Slot; SLOTS],
}

thread_local! {
    static SLOT: Cell<Option<usize>> = const { Cell::new(None) };
}

impl Counter {
    /// Adds.
    pub fn add(&self, amount: u64) {
        if let Some(slot) = self.slots.get(own_slot()) {
            slot.0.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// All that was added.
    pub fn total(&self) -> u64 {
        self.slots.iter().map(|slot| slot.0.load(Ordering::Relaxed)).sum()
    }
}

fn own_slot() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    SLOT.with(|slot| {
        slot.get().unwrap_or_else(|| {
            let own = NEXT.fetch_add(1, Ordering::Relaxed) % SLOTS;
            slot.set(Some(own));
            own
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_threads() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| (0..1000).for_each(|_| counter.add(2)));
            }
        });
        assert_eq!(counter.total(), 80_000);
    }
}
