//! Files of the operating system, to look at and never to change.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use rustix::process::{Flock, FlockType};

use super::{DirEntry, Disk, DiskFile, DiskLock, DiskSpace, RealDisk};

/// The operating system's file system, of which nothing is changed: opening needs no more than the permission to read,
/// and everything that would write is refused with [`ErrorKind::ReadOnlyFilesystem`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOnlyDisk;

#[derive(Debug)]
struct ReadOnlyFile(File);

fn refused<T>() -> io::Result<T> {
    Err(ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for ReadOnlyDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(ReadOnlyFile(OpenOptions::new().read(true).open(path)?)))
    }

    fn create(&self, _: &Path, _: u64) -> io::Result<Arc<dyn DiskFile>> {
        refused()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        RealDisk.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        RealDisk.exists(path)
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_file(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn sync_file_system(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        RealDisk.space(path)
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn DiskLock>> {
        refused()
    }
}

impl ReadOnlyDisk {
    /// Whether another process holds the lock on a file, Eruca's broker or Java's. Nothing is locked to tell.
    pub fn is_locked(&self, path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let holder = rustix::process::fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))?;
        Ok(holder.is_some())
    }
}

impl DiskFile for ReadOnlyFile {
    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(into, at)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        refused()
    }

    fn sync_data(&self) -> io::Result<()> {
        refused()
    }

    fn zero_from(&self, _: u64) -> io::Result<()> {
        refused()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
