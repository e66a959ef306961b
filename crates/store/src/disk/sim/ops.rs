//! The operations of the store on the simulated disk.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    SimDisk, SimOp,
    file::{FileData, SECTOR},
    world::NameChange,
};
use crate::disk::{DirEntry, Disk, DiskFile, DiskLock, DiskSpace};

/// Free space where no capacity is set.
const UNLIMITED: u64 = 1 << 50;

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: u64,
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.world().locked.remove(&self.path);
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.pass(SimOp::Open)?;
        let id = *world.names.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: self.clone(), id }))
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.pass(SimOp::Create)?;
        if world.names.contains_key(path) || world.dirs.contains(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|dir| world.dirs.contains(dir)) {
            return Err(ErrorKind::NotFound.into());
        }
        let id = world.next_file;
        world.next_file += 1;
        world.files.insert(id, FileData::zeros(len));
        world.names.insert(path.to_owned(), id);
        world.name_changes.push(NameChange::Created(path.to_owned()));
        Ok(Arc::new(SimFile { disk: self.clone(), id }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut world = self.world();
        world.pass(SimOp::Read)?;
        let name = |path: &Path| {
            let name = path.strip_prefix(dir).ok()?.to_str()?;
            (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
        };
        let mut entries: Vec<DirEntry> = world
            .dirs
            .iter()
            .filter_map(|path| Some(DirEntry { name: name(path)?, is_dir: true, len_bytes: 0 }))
            .collect();
        entries.extend(world.names.iter().filter_map(|(path, id)| {
            let len_bytes = world.files.get(id).map_or(0, |file| file.len);
            Some(DirEntry { name: name(path)?, is_dir: false, len_bytes })
        }));
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let mut world = self.world();
        world.pass(SimOp::Read)?;
        Ok(world.names.contains_key(path) || world.dirs.contains(path))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.pass(SimOp::Create)?;
        let missing: Vec<&Path> = dir.ancestors().filter(|dir| !world.dirs.contains(*dir)).collect();
        for dir in missing.into_iter().rev() {
            world.dirs.insert(dir.to_owned());
            world.name_changes.push(NameChange::CreatedDir(dir.to_owned()));
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.pass(SimOp::Remove)?;
        let id = world.names.remove(path).ok_or(ErrorKind::NotFound)?;
        world.name_changes.push(NameChange::Removed(path.to_owned(), id));
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.pass(SimOp::Remove)?;
        let is_below = |path: &PathBuf| path.parent() == Some(dir);
        if world.names.keys().any(is_below) || world.dirs.iter().any(is_below) {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        if world.dirs.remove(dir) { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.pass(SimOp::SyncDir)?;
        world.name_changes.retain(|change| change.path().parent() != Some(dir));
        Ok(())
    }

    fn sync_file_system(&self, _path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.pass(SimOp::Sync)?;
        world.name_changes.clear();
        world.files.values_mut().for_each(FileData::sync);
        Ok(())
    }

    fn space(&self, _path: &Path) -> io::Result<DiskSpace> {
        let world = self.world();
        let used_bytes = world.used_bytes();
        let capacity = world.capacity_bytes.unwrap_or(UNLIMITED);
        Ok(DiskSpace { used_bytes, free_bytes: capacity.saturating_sub(used_bytes) })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let mut world = self.world();
        world.pass(SimOp::Read)?;
        if !world.locked.insert(path.to_owned()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned() }))
    }
}

impl DiskFile for SimFile {
    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.pass(SimOp::Read)?;
        let file = world.file(self.id)?;
        if at + into.len() as u64 > file.len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        file.read(into, at);
        Ok(())
    }

    fn read_cached(&self, into: &mut Vec<u8>, len: usize, at: u64) -> io::Result<bool> {
        if self.disk.world().cold {
            return Ok(false);
        }
        self.read_append(into, len, at).map(|()| true)
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        if let Err((keep, error)) = world.strike(SimOp::Write, bytes.len()) {
            let kept = bytes.get(..keep.min(bytes.len())).unwrap_or_default();
            world.file(self.id)?.write(kept, at);
            return Err(error);
        }
        let room =
            world.capacity_bytes.map_or(UNLIMITED, |all| all.saturating_sub(world.used_bytes())) / SECTOR;
        let file = world.file(self.id)?;
        let end = at + bytes.len() as u64;
        let new = (at / SECTOR..end.div_ceil(SECTOR)).filter(|s| !file.has_sector(*s));
        // The sectors that still find room are written, as a real file system does.
        match new.into_iter().nth(room as usize) {
            None => file.write(bytes, at),
            Some(full) => {
                let fits = (full * SECTOR).saturating_sub(at) as usize;
                file.write(bytes.get(..fits).unwrap_or_default(), at);
                return Err(ErrorKind::StorageFull.into());
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.disk.world();
        if let Err(error) = world.pass(SimOp::Sync) {
            // A dead process made no call.
            if !world.dead {
                world.fail_sync(self.id);
            }
            return Err(error);
        }
        world.file(self.id)?.sync();
        Ok(())
    }

    fn zero_from(&self, at: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.pass(SimOp::Change)?;
        world.file(self.id)?.zero_from(at);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut world = self.disk.world();
        world.pass(SimOp::Read)?;
        Ok(world.file(self.id)?.len)
    }
}
