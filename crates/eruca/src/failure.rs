//! How a command ends that cannot do what it was asked: what, the value, the limit, the remedy.

use std::fmt;

/// A check that was not passed. Printed as `what: remedy`.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    remedy: String,
}

impl Failure {
    /// `what` names the thing, its value and the limit.
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Failure {
        Failure { what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.remedy)
    }
}

impl std::error::Error for Failure {}

/// Bytes for people: `512 MiB`, `3.9 GiB`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 10.0 && value.fract() >= 0.05);
    format!("{value:.digits$} {}", UNITS.get(unit).copied().unwrap_or_default())
}

/// The error with its causes on one line; a cause that the text before it quotes is not said twice.
pub(crate) fn text(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        before if before.contains(&cause) => said,
        before => format!("{before}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short() {
        for (bytes, text) in
            [(0, "0 bytes"), (1023, "1023 bytes"), (512 << 20, "512 MiB"), (4_187_593_113, "3.9 GiB")]
        {
            assert_eq!(bytes_text(bytes), text);
        }
    }

    #[test]
    fn a_cause_that_is_quoted_already_is_not_said_twice() {
        let refused = || anyhow::anyhow!("connection refused");
        assert_eq!(text(&refused().context("cannot send")), "cannot send: connection refused");
        let quoted = "cannot send: connection refused";
        assert_eq!(text(&refused().context(quoted)), quoted);
    }
}
