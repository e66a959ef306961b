//! The configuration file that `-c` names.

use std::path::Path;

use anyhow::Context;
use eruca_config::{KeyNotice, Properties};
use tracing::{info, warn};

use crate::cli::BrokerKeys;

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

/// The same where the command line may have it.
pub(crate) fn where_it_may_be(path: Option<&Path>, keys: &BrokerKeys) -> String {
    match (keys.set.is_empty(), path) {
        (true, path) => where_it_is(path),
        (false, None) => "--set".to_owned(),
        (false, path) => format!("--set, or {}", where_it_is(path)),
    }
}

/// Puts keys of the command line over those of a file.
pub(crate) fn set_all(properties: &mut Properties, keys: &BrokerKeys) {
    for (key, value) in &keys.set {
        properties.set(key, value);
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
