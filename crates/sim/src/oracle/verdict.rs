//! How an oracle says that something is wrong.

use std::fmt;

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

/// `Ok` where the invariant holds.
pub type Verdict = Result<(), Violation>;

/// Holds where the two are the same; `what` says what they are.
pub fn expect_eq<T: PartialEq + fmt::Debug>(
    invariant: &'static str,
    what: impl fmt::Display,
    expected: &T,
    found: &T,
) -> Verdict {
    if expected == found {
        return Ok(());
    }
    Err(Violation { invariant, expected: format!("{what}: {expected:?}"), found: format!("{found:?}") })
}

/// Holds where `holds`; the rest is made only where it does not.
pub fn expect(
    invariant: &'static str,
    holds: bool,
    expected: impl FnOnce() -> String,
    found: impl FnOnce() -> String,
) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { invariant, expected: expected(), found: found() }) }
}
