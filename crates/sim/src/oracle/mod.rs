//! What must hold, one invariant a file. An oracle looks and says what it expected and what it found; it changes nothing
//! but what the model may only learn from the store, and says so there.

mod append;
mod arrivals;
mod content;
mod flush;
mod keys;
mod read;
mod recovery;
mod retention;
mod times;
mod verdict;
mod watermarks;

pub use append::placed;
pub use arrivals::{Ears, arrivals};
pub use content::{all_visible, record_at};
pub use flush::{Waiters, gate};
pub use keys::{by_key, keys_of};
pub use read::{Question, read};
pub use recovery::{Crash, bounded, second_recovery, survivors};
pub use retention::{BeforeExpiry, retention};
pub use times::offset_by_time;
pub use verdict::{Verdict, Violation, expect, expect_eq};
pub use watermarks::Marks;
