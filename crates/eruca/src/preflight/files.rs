//! The limit of open files: every connection and every file of the store takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::failure::Failure;

/// Kept for the store, its queue files and everything that is no connection.
const RESERVED: u64 = 1024 + 256;
/// With fewer there is no room for any client.
const NEEDED: u64 = RESERVED + 64;
/// Below this an operator should hear about it.
const ENOUGH: u64 = 16 * 1024;
/// More connections are not taken, however many files may be open.
const CONNECTIONS_MAX: u64 = 100_000;

/// What the limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    /// The limit, after it was raised.
    pub(crate) limit: u64,
    /// Connections that it allows.
    pub(crate) connections: usize,
}

/// Raises the limit of open files as far as this process may.
pub(crate) fn raise_open_files() -> Result<OpenFiles, Failure> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Where this fails, the limit is what it was.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let limit = if raised { maximum } else { current }.unwrap_or(u64::MAX);
    let files = allowed(limit)?;
    if limit < ENOUGH {
        warn!(
            limit,
            connections = files.connections,
            "few files may be open, so few connections are taken; raise it with `ulimit -n` or LimitNOFILE="
        );
    }
    Ok(files)
}

fn allowed(limit: u64) -> Result<OpenFiles, Failure> {
    if limit < NEEDED {
        return Err(Failure::new(
            format!("the limit of open files is {limit}, at least {NEEDED} are needed"),
            "raise it with `ulimit -n 65536`, in systemd with LimitNOFILE=65536",
        ));
    }
    let connections = (limit - RESERVED).min(CONNECTIONS_MAX);
    Ok(OpenFiles { limit, connections: usize::try_from(connections).unwrap_or(usize::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_what_the_store_leaves() {
        assert_eq!(allowed(u64::MAX).unwrap().connections, 100_000);
        assert_eq!(allowed(4096).unwrap().connections, 2816);
        let text = allowed(1024).unwrap_err().to_string();
        assert!(
            text.starts_with("the limit of open files is 1024, at least 1344 are needed: raise it"),
            "{text}"
        );
    }
}
