//! The configuration file that `-c` names.

use std::path::Path;

use anyhow::Context;
use eruca_config::{KeyNotice, Properties};
use tracing::{info, warn};

/// The keys of a configuration file; none without a file.
pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<Properties> {
    let Some(path) = path else { return Ok(Properties::default()) };
    let bytes = std::fs::read(path)
        .with_context(|| format!("-c {}: the configuration file cannot be read", path.display()))?;
    let text = String::from_utf8(bytes)
        .with_context(|| format!("-c {}: the configuration file is not UTF-8 text", path.display()))?;
    Properties::parse(&text).with_context(|| where_it_is(Some(path)))
}

/// Where a wrong value stands.
pub(crate) fn where_it_is(path: Option<&Path>) -> String {
    match path {
        Some(path) => format!("-c {}", path.display()),
        None => "the default configuration".into(),
    }
}

/// Tells of keys that have no effect.
pub(crate) fn log_notices(notices: &[KeyNotice]) {
    for notice in notices {
        match notice.is_warning() {
            true => warn!("{notice}"),
            false => info!("{notice}"),
        }
    }
}
