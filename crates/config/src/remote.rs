//! Changes that an administrator asks for over the network.

use std::{io, path::Path};

use crate::{ParseError, Properties, java::JavaKeys, store_changes};

/// Why nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteChangeError {
    /// What was sent is no properties file.
    #[error(transparent)]
    Unreadable(#[from] ParseError),
    /// A key is protected, or on the black list. Java's words.
    #[error("Can not update config in black list.")]
    Protected,
    /// The file of changed keys cannot be written.
    #[error("configStorePath: {path} cannot be written: {source}; nothing was changed")]
    NotKept {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

/// The keys that `body`, a properties file, asks to change. Knobs of the JVM, of which `known` tells, change nothing here, but
/// scripts that set them must not fail: they are left out.
///
/// `protected` keys nobody changes remotely, whatever `black_list` (`configBlackList`, separated by `;`) says.
///
/// # Errors
/// [`RemoteChangeError`].
pub fn remote_changes(
    body: &[u8],
    protected: &[&str],
    black_list: &str,
    known: &JavaKeys,
) -> Result<Properties, RemoteChangeError> {
    let asked = Properties::parse_bytes(body)?;
    let is_listed = |key: &str| black_list.split(';').any(|listed| listed.trim() == key);
    if asked.iter().any(|(key, _)| protected.contains(&key) || is_listed(key)) {
        return Err(RemoteChangeError::Protected);
    }
    Ok(asked.iter().filter(|(key, _)| !known.is_tuning(key)).collect())
}

/// Writes changes into the file that `config_store_path` names, if it names one.
///
/// # Errors
/// [`RemoteChangeError::NotKept`]; the file is as it was.
pub fn keep_remote_changes(
    config_store_path: Option<&str>,
    changes: &Properties,
) -> Result<(), RemoteChangeError> {
    let Some(path) = config_store_path else { return Ok(()) };
    store_changes(Path::new(path), changes)
        .map_err(|source| RemoteChangeError::NotKept { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::java;

    fn changes(body: &str) -> Result<Properties, RemoteChangeError> {
        remote_changes(body.as_bytes(), &["rocketmqHome"], "a; listenPort", &java::NAMESRV)
    }

    #[test]
    fn protected_and_listed_keys_are_refused_and_knobs_left_out() {
        for body in ["rocketmqHome=/", "b=1\na=2", "listenPort=1"] {
            assert!(matches!(changes(body), Err(RemoteChangeError::Protected)), "{body}");
        }
        let tuning = java::NAMESRV.iter().find(|key| java::NAMESRV.is_tuning(key)).unwrap();
        let left = changes(&format!("b=1\n{tuning}=5")).unwrap();
        assert_eq!(left.iter().collect::<Vec<_>>(), [("b", "1")]);
        assert!(matches!(changes(r"a=\u00zz"), Err(RemoteChangeError::Unreadable(_))));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let changed = changes("b=1").unwrap();
        keep_remote_changes(None, &changed).unwrap();
        let good = directory.path().join("kept.conf");
        keep_remote_changes(good.to_str(), &changed).unwrap();
        assert_eq!(std::fs::read_to_string(&good).unwrap(), "b=1\n");
        let below_a_file = good.join("x");
        let error = keep_remote_changes(below_a_file.to_str(), &changed).unwrap_err().to_string();
        assert!(
            error.contains("kept.conf/x cannot be written") && error.ends_with("nothing was changed"),
            "{error}"
        );
    }
}
