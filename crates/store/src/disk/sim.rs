//! A file system in memory that tears writes, loses what was not synced, fills up and fails on command.
//!
//! What it keeps apart: what the kernel has (survives a killed process) and what the disk has (survives a power
//! cut). A sector of 512 bytes is written whole or not at all; without a sync any subset of the changed sectors,
//! new names and removals may be lost, whatever the order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{DirEntry, Disk, DiskFile, DiskLock, DiskSpace};

const SECTOR: u64 = 512;
const SECTOR_LEN: usize = SECTOR as usize;
/// Free space where no capacity is set.
const UNLIMITED: u64 = 1 << 50;

/// Which operation a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimOp {
    /// Any that changes something or makes it durable.
    Change,
    /// Writing into a file.
    Write,
    /// Syncing a file.
    Sync,
    /// Creating a file.
    Create,
    /// Removing a file.
    Remove,
    /// Reading from a file.
    Read,
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The operation fails and does nothing.
    Fail(ErrorKind),
    /// The same, with an error number of the operating system.
    FailWith(i32),
    /// Of a write the first bytes arrive, then it fails.
    Torn(usize, ErrorKind),
    /// As [`FaultKind::Torn`], and from then on every operation fails: the process is dead.
    Crash(usize),
}

/// A fault that waits for its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which operation.
    pub op: SimOp,
    /// How many of these pass before.
    pub after: u64,
    /// What happens.
    pub kind: FaultKind,
}

/// The simulated disk. Clones are the same disk. The same seed and calls give the same losses.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<World>>);

#[derive(Debug, Default)]
struct World {
    names: BTreeMap<PathBuf, u64>,
    dirs: BTreeSet<PathBuf>,
    files: HashMap<u64, FileData>,
    /// Changes of names that no directory sync has made durable.
    name_changes: Vec<NameChange>,
    locked: BTreeSet<PathBuf>,
    next_file: u64,
    changes: u64,
    fault: Option<Fault>,
    dead: bool,
    capacity_bytes: Option<u64>,
    random: u64,
}

#[derive(Debug, Default)]
struct FileData {
    len: u64,
    sectors: BTreeMap<u64, [u8; SECTOR_LEN]>,
    durable_len: u64,
    durable: BTreeMap<u64, [u8; SECTOR_LEN]>,
    changed: BTreeSet<u64>,
}

#[derive(Debug)]
enum NameChange {
    Created(PathBuf),
    CreatedDir(PathBuf),
    Removed(PathBuf, u64),
}

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

impl SimDisk {
    /// A disk with an empty root directory.
    pub fn new(seed: u64) -> SimDisk {
        let dirs = BTreeSet::from([PathBuf::from("/")]);
        SimDisk(Arc::new(Mutex::new(World { random: seed | 1, dirs, ..World::default() })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Arms a fault; an earlier one that has not struck is forgotten.
    pub fn inject(&self, fault: Fault) {
        self.world().fault = Some(fault);
    }

    /// How many operations have changed something or made it durable.
    pub fn changes(&self) -> u64 {
        self.world().changes
    }

    /// Sets how many bytes the disk holds; `None`: as many as one likes.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world().capacity_bytes = bytes;
    }

    /// Bytes in use.
    pub fn used_bytes(&self) -> u64 {
        self.world().used_bytes()
    }

    /// The process is gone, the machine goes on: nothing is lost that the kernel has. Faults are forgotten.
    pub fn kill(&self) {
        let mut world = self.world();
        world.fault = None;
        world.dead = false;
        world.locked.clear();
    }

    /// The power is gone and back: of what was not synced an arbitrary part is lost. Faults are forgotten.
    pub fn power_cut(&self) {
        self.kill();
        let mut world = self.world();
        let world = &mut *world;
        for change in std::mem::take(&mut world.name_changes).into_iter().rev() {
            if world.coin() {
                continue;
            }
            match change {
                NameChange::Created(path) => {
                    world.names.remove(&path);
                }
                NameChange::CreatedDir(dir) => {
                    world.names.retain(|path, _| !path.starts_with(&dir));
                    world.dirs.retain(|path| !path.starts_with(&dir));
                }
                NameChange::Removed(path, id) => {
                    if path.parent().is_some_and(|dir| world.dirs.contains(dir)) {
                        world.names.entry(path).or_insert(id);
                    }
                }
            }
        }
        let mut ids: Vec<u64> = world.files.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let mut keep = Vec::new();
            if let Some(file) = world.files.get(&id) {
                let changed: Vec<u64> = file.changed.iter().copied().collect();
                keep = changed.into_iter().map(|sector| (sector, world.coin())).collect();
            }
            let keep_len = world.coin();
            if let Some(file) = world.files.get_mut(&id) {
                for (sector, _) in keep.into_iter().filter(|(_, kept)| *kept) {
                    file.make_durable(sector);
                }
                if keep_len {
                    file.durable_len = file.len;
                }
                file.len = file.durable_len;
                file.sectors = file.durable.clone();
                file.changed.clear();
            }
        }
    }

    /// Makes everything durable.
    pub fn sync_all(&self) {
        let mut world = self.world();
        world.name_changes.clear();
        world.files.values_mut().for_each(FileData::sync);
    }

    /// Changes one byte of a file, on the disk itself: bit rot.
    pub fn rot(&self, path: &Path, at: u64) {
        let mut world = self.world();
        let Some(id) = world.names.get(path).copied() else { return };
        if let Some(file) = world.files.get_mut(&id) {
            let mut byte = [0];
            file.read(&mut byte, at);
            file.write(&[byte[0] ^ 0x40], at);
            file.sync();
        }
    }
}

impl World {
    /// A coin (xorshift): which losses a power cut brings.
    fn coin(&mut self) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random & 0x100 == 0
    }

    fn used_bytes(&self) -> u64 {
        let sectors: usize =
            self.names.values().filter_map(|id| self.files.get(id)).map(|file| file.sectors.len()).sum();
        sectors as u64 * SECTOR
    }

    /// Lets an operation pass, or says what strikes it; for a write: how many bytes arrive all the same.
    fn strike(&mut self, op: SimOp) -> Result<(), (usize, io::Error)> {
        if self.dead {
            return Err((0, io::Error::other("the process is dead")));
        }
        if op != SimOp::Read {
            self.changes += 1;
        }
        let Some(fault) = &mut self.fault else { return Ok(()) };
        if fault.op != op && !(fault.op == SimOp::Change && op != SimOp::Read) {
            return Ok(());
        }
        if fault.after > 0 {
            fault.after -= 1;
            return Ok(());
        }
        let kind = fault.kind;
        self.fault = None;
        Err(match kind {
            FaultKind::Fail(kind) => (0, kind.into()),
            FaultKind::FailWith(errno) => (0, io::Error::from_raw_os_error(errno)),
            FaultKind::Torn(keep, kind) => (keep, kind.into()),
            FaultKind::Crash(keep) => {
                self.dead = true;
                (keep, io::Error::other("the process is dead"))
            }
        })
    }

    fn pass(&mut self, op: SimOp) -> io::Result<()> {
        self.strike(op).map_err(|(_, error)| error)
    }

    fn file(&mut self, id: u64) -> io::Result<&mut FileData> {
        self.files.get_mut(&id).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl FileData {
    fn read(&self, into: &mut [u8], at: u64) {
        for (place, at) in into.iter_mut().zip(at..) {
            let byte = self.sectors.get(&(at / SECTOR)).and_then(|s| s.get((at % SECTOR) as usize));
            *place = byte.copied().unwrap_or(0);
        }
    }

    fn write(&mut self, bytes: &[u8], at: u64) {
        for (byte, at) in bytes.iter().zip(at..) {
            let sector = self.sectors.entry(at / SECTOR).or_insert([0; SECTOR_LEN]);
            if let Some(place) = sector.get_mut((at % SECTOR) as usize) {
                *place = *byte;
            }
            self.changed.insert(at / SECTOR);
        }
        self.len = self.len.max(at + bytes.len() as u64);
    }

    fn make_durable(&mut self, sector: u64) {
        match self.sectors.get(&sector) {
            Some(bytes) => {
                self.durable.insert(sector, *bytes);
            }
            None => {
                self.durable.remove(&sector);
            }
        }
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.changed) {
            self.make_durable(sector);
        }
        self.durable_len = self.len;
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.pass(SimOp::Read)?;
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
        world.files.insert(id, FileData { len, ..FileData::default() });
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
        world.pass(SimOp::Change)?;
        world.name_changes.retain(|change| {
            let (NameChange::Created(path) | NameChange::CreatedDir(path) | NameChange::Removed(path, _)) =
                change;
            path.parent() != Some(dir)
        });
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

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        if let Err((keep, error)) = world.strike(SimOp::Write) {
            let kept = bytes.get(..keep.min(bytes.len())).unwrap_or_default();
            world.file(self.id)?.write(kept, at);
            return Err(error);
        }
        let room =
            world.capacity_bytes.map_or(UNLIMITED, |all| all.saturating_sub(world.used_bytes())) / SECTOR;
        let file = world.file(self.id)?;
        let end = at + bytes.len() as u64;
        let new = (at / SECTOR..end.div_ceil(SECTOR)).filter(|s| !file.sectors.contains_key(s));
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
        world.pass(SimOp::Sync)?;
        world.file(self.id)?.sync();
        Ok(())
    }

    fn zero_from(&self, at: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.pass(SimOp::Change)?;
        let file = world.file(self.id)?;
        if let Some(sector) = file.sectors.get_mut(&(at / SECTOR)) {
            sector.iter_mut().skip((at % SECTOR) as usize).for_each(|byte| *byte = 0);
            file.changed.insert(at / SECTOR);
        }
        for (sector, _) in file.sectors.split_off(&at.div_ceil(SECTOR)) {
            file.changed.insert(sector);
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut world = self.disk.world();
        world.pass(SimOp::Read)?;
        Ok(world.file(self.id)?.len)
    }
}
