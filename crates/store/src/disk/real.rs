//! Files of the operating system.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, IoSliceMut},
    num::NonZeroU64,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use rustix::{
    buffer::spare_capacity,
    fs::{FallocateFlags, FlockOperation},
    io::{Errno, ReadWriteFlags},
};

use super::{Advice, DirEntry, Disk, DiskFile, DiskLock, DiskSpace};

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile(File);

/// Holds the locks by holding the file open.
#[derive(Debug)]
struct RealLock(#[expect(dead_code, reason = "held for its drop, which gives the locks back")] File);

impl DiskLock for RealLock {}

impl Disk for RealDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        if let Err(error) = file.set_len(len) {
            // Else the next try would find a file of a wrong length.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Ok(Arc::new(RealFile(file)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_dir = entry.file_type()?.is_dir();
            let len_bytes = if is_dir { 0 } else { std::fs::metadata(entry.path())?.len() };
            names.push(DirEntry { name, is_dir, len_bytes });
        }
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        rustix::fs::syncfs(File::open(path)?)?;
        Ok(())
    }

    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(DiskSpace {
            used_bytes: stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize),
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // Two locks: flock keeps out a second store of our own, even in this process; the POSIX lock is
        // the one that a Java broker takes and sees.
        for taken in [
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive),
            rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive),
        ] {
            taken.map_err(|errno| match errno {
                rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN => ErrorKind::WouldBlock.into(),
                other => io::Error::from(other),
            })?;
        }
        file.write_all_at(b"lock", 0)?;
        Ok(Box::new(RealLock(file)))
    }
}

impl DiskFile for RealFile {
    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(into, at)
    }

    fn read_append(&self, into: &mut Vec<u8>, len: usize, at: u64) -> io::Result<()> {
        let start = into.len();
        into.reserve_exact(len);
        if into.capacity() == start + len {
            // The kernel fills the memory: no need to clear it first.
            while into.len() < start + len {
                let at = at + (into.len() - start) as u64;
                match rustix::io::pread(&self.0, spare_capacity(into), at) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            return Ok(());
        }
        into.resize(start + len, 0);
        self.0.read_exact_at(into.get_mut(start..).unwrap_or_default(), at)
    }

    fn read_cached(&self, into: &mut Vec<u8>, len: usize, at: u64) -> io::Result<bool> {
        let start = into.len();
        into.resize(start + len, 0);
        let mut filled = start;
        while filled < start + len {
            let place = into.get_mut(filled..).unwrap_or_default();
            let from = at + (filled - start) as u64;
            let read =
                rustix::io::preadv2(&self.0, &mut [IoSliceMut::new(place)], from, ReadWriteFlags::NOWAIT);
            match read {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    into.truncate(start);
                    return Ok(false);
                }
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    // A file system that cannot tell.
                    into.truncate(start);
                    return self.read_append(into, len, at).map(|()| true);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(true)
    }

    fn advise(&self, advice: Advice, at: u64, len: u64) {
        // To the system a length of 0 is all that follows.
        let Some(len) = NonZeroU64::new(len) else { return };
        let advice = match advice {
            Advice::WillNeed => rustix::fs::Advice::WillNeed,
            Advice::DontNeed => rustix::fs::Advice::DontNeed,
        };
        // It may be refused, and makes things slower then, not wrong.
        let _ = rustix::fs::fadvise(&self.0, at, Some(len), advice);
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn zero_from(&self, at: u64) -> io::Result<()> {
        let len = self.0.metadata()?.len();
        if at >= len {
            return Ok(());
        }
        // A hole needs no room, which matters on a full disk, and never leaves a file of a wrong length.
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.0, flags, at, len - at) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => write_zeros(&self.0, at, len),
            Err(errno) => Err(errno.into()),
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// For file systems without holes: writes zeros over what is not zero.
fn write_zeros(file: &File, at: u64, end: u64) -> io::Result<()> {
    let mut block = vec![0; 64 << 10];
    let zeros = vec![0; 64 << 10];
    let mut at = at;
    while at < end {
        let len = usize::try_from(end - at).unwrap_or(usize::MAX).min(block.len());
        let part = block.get_mut(..len).unwrap_or_default();
        file.read_exact_at(part, at)?;
        if part.iter().any(|byte| *byte != 0) {
            file.write_all_at(zeros.get(..len).unwrap_or_default(), at)?;
        }
        at += len as u64;
    }
    Ok(())
}
