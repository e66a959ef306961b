//! `flushed ≤ written ≤ appended`, `dispatched ≤ written`, and none of them goes back while the store is open but
//! `appended`, when a write failed.

use eruca_store::{MessageStore, Watermarks};

use super::{Verdict, expect};

/// The watermarks as they were last seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks(Option<Watermarks>);

impl Marks {
    /// Looks at them.
    pub fn look(&mut self, store: &MessageStore) -> Verdict {
        let now = store.watermarks();
        let ordered =
            now.flushed <= now.written && now.written <= now.appended && now.dispatched <= now.written;
        expect(
            "flushed ≤ written ≤ appended, dispatched ≤ written",
            ordered,
            || "watermarks in this order".to_owned(),
            || format!("{now:?}"),
        )?;
        let before = self.0.replace(now).unwrap_or(now);
        let onward = before.flushed <= now.flushed
            && before.written <= now.written
            && before.dispatched <= now.dispatched;
        expect("watermarks do not go back", onward, || format!("at least {before:?}"), || format!("{now:?}"))
    }
}
