//! The only door to files. The store's own logic never touches `std::fs`, so that a test can tear a
//! write, fail a sync, fill the disk or cut the power.

#[cfg(test)]
mod conformance;
mod read_only;
mod real;
#[cfg(any(test, feature = "sim"))]
mod sim;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use read_only::ReadOnlyDisk;
pub use real::RealDisk;
#[cfg(any(test, feature = "sim"))]
pub use sim::{Fault, FaultKind, FaultRates, SimDisk, SimOp};

/// A file system.
///
/// Errors keep their [`io::ErrorKind`]; callers match on the kind, never on the text.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// Opens an existing file to read and write.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates a file of `len` zero bytes (sparse); an existing one is an error.
    /// Its name survives a power cut only after [`Disk::sync_dir`].
    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn DiskFile>>;
    /// What a directory holds, sorted by name; empty where there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Whether there is a file or directory of this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Creates a directory and those above it that are missing.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes the names in a directory survive a power cut.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes everything in the file system of `path` survive a power cut: cheaper than thousands of
    /// single syncs.
    fn sync_file_system(&self, path: &Path) -> io::Result<()>;
    /// Room in the file system of `path`.
    fn space(&self, path: &Path) -> io::Result<DiskSpace>;
    /// Takes the exclusive lock on a file, which is created where it is missing, and holds it until the
    /// returned value is dropped. [`io::ErrorKind::WouldBlock`] where another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
}

/// What becomes of a range of a file (`posix_fadvise`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// It is read soon.
    WillNeed,
    /// It is not read again soon.
    DontNeed,
}

/// An open file. Positions are in bytes from its start.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Fills `into` from `at`; [`io::ErrorKind::UnexpectedEof`] where the file ends before.
    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()>;
    /// Appends `len` bytes from `at` to `into`; as [`DiskFile::read_exact_at`], without clearing the
    /// memory first where that can be avoided.
    fn read_append(&self, into: &mut Vec<u8>, len: usize, at: u64) -> io::Result<()> {
        let start = into.len();
        into.resize(start + len, 0);
        let place = into.get_mut(start..).unwrap_or_default();
        self.read_exact_at(place, at)
    }
    /// As [`DiskFile::read_append`], but without waiting for the disk: `false`, and nothing appended, where not all of it is
    /// in memory. Where that cannot be told it waits.
    fn read_cached(&self, into: &mut Vec<u8>, len: usize, at: u64) -> io::Result<bool> {
        self.read_append(into, len, at).map(|()| true)
    }
    /// Tells the system what will become of a range; it may do something about it.
    fn advise(&self, _advice: Advice, _at: u64, _len: u64) {}
    /// Writes all of `bytes` at `at`. After an error any part of them may be in the file.
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Writes all slices one after the other from `at`. After an error any part may be in the file.
    fn write_all_vectored_at(&self, slices: &[&[u8]], at: u64) -> io::Result<()> {
        let mut at = at;
        for slice in slices {
            self.write_all_at(slice, at)?;
            at += slice.len() as u64;
        }
        Ok(())
    }
    /// Makes what was written survive a power cut.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes everything from `at` to the end zero; the length stays.
    fn zero_from(&self, at: u64) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }
}

/// A lock that is held until it is dropped.
pub trait DiskLock: Send + Sync + fmt::Debug {}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name. Names that are not UTF-8 are none of ours and left out.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Length in bytes, 0 for a directory.
    pub len_bytes: u64,
}

/// Room in a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that files take.
    pub used_bytes: u64,
    /// Bytes that this process may still write.
    pub free_bytes: u64,
}

impl DiskSpace {
    /// Share in use, 0 to 1, as `df` counts: what is kept for root is not there.
    pub fn used_ratio(&self) -> f64 {
        let whole = self.used_bytes.saturating_add(self.free_bytes);
        if whole == 0 { 1.0 } else { self.used_bytes as f64 / whole as f64 }
    }
}

/// An I/O error, with what was tried on which file.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} {}: {source}", path.display())]
pub struct DiskError {
    /// What was tried: `open`, `write` …
    pub operation: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system answered.
    pub source: Arc<io::Error>,
}

impl DiskError {
    /// Whether room is lacking (full, or quota used up), and nothing else is wrong.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// Whether this process or the machine may open no more files, and nothing else is wrong.
    pub fn is_too_many_files(&self) -> bool {
        let (process, machine) = (rustix::io::Errno::MFILE, rustix::io::Errno::NFILE);
        self.source
            .raw_os_error()
            .is_some_and(|errno| [process, machine].map(|e| e.raw_os_error()).contains(&errno))
    }

    /// Whether the disk would have had to be waited for, and nothing is wrong.
    pub(crate) fn would_block(&self) -> bool {
        self.source.kind() == io::ErrorKind::WouldBlock
    }

    /// What [`DiskError::would_block`] is true for.
    pub(crate) fn would_have_to_wait(path: &Path) -> DiskError {
        DiskError::at("read", path)(io::ErrorKind::WouldBlock.into())
    }

    /// For `map_err`.
    pub(crate) fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
        move |source| DiskError { operation, path: path.to_owned(), source: Arc::new(source) }
    }
}
