//! Logs go to standard error; standard output is for what was asked for.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// Starts the log. `filter` is `--log` or `RUST_LOG`; else `default` counts.
pub(crate) fn start(filter: Option<&str>, default: &str) -> Result<(), Failure> {
    let filter = filter.filter(|filter| !filter.trim().is_empty()).unwrap_or(default);
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::new(
            format!("--log '{filter}' is no filter ({error})"),
            "write a level such as info, or target=level",
        )
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
    Ok(())
}
