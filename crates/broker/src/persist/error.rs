//! Why a table cannot be read or written.

use std::{io, path::PathBuf};

/// Why a table cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}; check that the disk has space and the directory may be written", path.display())]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier sync failed.
    #[error(
        "a sync of {} failed before, and what the disk has of it is not known: it goes on when the table is written anew, \
         within seconds; check the disk",
        path.display()
    )]
    Doubtful {
        /// The file.
        path: PathBuf,
    },
    /// Neither the file nor its `.bak` can be understood.
    #[error(
        "{} is damaged ({reason}) and so is, or lacks, its copy .bak: restore one of them, or move both away to start with an empty table",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl PersistError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| PersistError::Io { action, path, source }
    }
}
