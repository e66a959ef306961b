//! The disk as a test holds it: faults, crashes, looks from outside.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use eruca_message::ManualClock;

use super::{Fault, FaultRates, file::FileData, world::World};

/// The simulated disk. Clones are the same disk; [`SimDisk::fork`] makes another one.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<World>>);

impl SimDisk {
    /// A disk with an empty root directory.
    pub fn new(seed: u64) -> SimDisk {
        let dirs = BTreeSet::from([PathBuf::from("/")]);
        SimDisk(Arc::new(Mutex::new(World { random: seed | 1, dirs, ..World::default() })))
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another disk that holds the same, and has the same ahead of it.
    pub fn fork(&self) -> SimDisk {
        SimDisk(Arc::new(Mutex::new(self.world().clone())))
    }

    /// Arms a fault; an earlier one that has not struck is forgotten.
    pub fn inject(&self, fault: Fault) {
        self.world().fault = Some(fault);
    }

    /// Forgets an armed fault that has not struck.
    pub fn disarm(&self) {
        self.world().fault = None;
    }

    /// Sets what happens by chance from now on.
    pub fn set_rates(&self, rates: FaultRates) {
        self.world().rates = rates;
    }

    /// Sets the clock that slow operations let go on.
    pub fn set_clock(&self, clock: Arc<ManualClock>) {
        self.world().clock = Some(clock);
    }

    /// Sets whether nothing is in the page cache: every read waits for the disk.
    pub fn set_cold(&self, cold: bool) {
        self.world().cold = cold;
    }

    /// Sets whether a power cut leaves sectors that are new up to some byte and old behind it.
    pub fn tear_sectors(&self, tear: bool) {
        self.world().tear_sectors = tear;
    }

    /// Sets whether the kernel takes changes for written when their sync failed.
    pub fn forget_after_failed_sync(&self, forget: bool) {
        self.world().forget_after_failed_sync = forget;
    }

    /// How many operations have changed something or made it durable.
    pub fn changes(&self) -> u64 {
        self.world().changes
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.world().operations
    }

    /// How many faults have struck.
    pub fn struck(&self) -> u64 {
        self.world().struck
    }

    /// Whether a fault has ended the process.
    pub fn is_dead(&self) -> bool {
        self.world().dead
    }

    /// Sets how many bytes the disk holds; `None`: as many as one likes.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world().capacity_bytes = bytes;
    }

    /// How many bytes the disk holds.
    pub fn capacity(&self) -> Option<u64> {
        self.world().capacity_bytes
    }

    /// Bytes in use.
    pub fn used_bytes(&self) -> u64 {
        self.world().used_bytes()
    }

    /// The process is gone, the machine goes on: nothing is lost that the kernel has. An armed fault is forgotten.
    pub fn kill(&self) {
        self.world().end_process();
    }

    /// The power is gone and back: of what was not synced an arbitrary part is lost. An armed fault is forgotten.
    pub fn power_cut(&self) {
        let mut world = self.world();
        world.end_process();
        world.lose_power();
    }

    /// Makes everything durable.
    pub fn sync_all(&self) {
        let mut world = self.world();
        world.name_changes.clear();
        world.files.values_mut().for_each(FileData::sync);
    }

    /// Changes one byte of a file, on the disk itself: bit rot.
    pub fn rot(&self, path: &Path, at: u64) {
        self.flip(path, at, 0x40);
    }

    /// Flips the bits of `mask` in one byte of a file, on the disk itself; nothing where a hole is.
    pub fn flip(&self, path: &Path, at: u64, mask: u8) {
        let mut world = self.world();
        let Some(id) = world.names.get(path).copied() else { return };
        if let Some(file) = world.files.get_mut(&id) {
            file.flip(at, mask);
        }
    }

    /// The first file or directory of which a reader finds something else on `other`, and from which byte on, or that
    /// is on one of them only.
    pub fn difference(&self, other: &SimDisk) -> Option<String> {
        // One lock at a time: the two may be the same disk.
        let theirs = other.world().clone();
        let ours = self.world();
        if let Some(dir) = ours.dirs.symmetric_difference(&theirs.dirs).next() {
            return Some(format!("{} is on one only", dir.display()));
        }
        let names: BTreeSet<&PathBuf> = ours.names.keys().chain(theirs.names.keys()).collect();
        names.into_iter().find_map(|path| {
            let file = |world: &World| world.names.get(path).and_then(|id| world.files.get(id).cloned());
            let Some((ours, theirs)) = file(&ours).zip(file(&theirs)) else {
                return Some(format!("{} is on one only", path.display()));
            };
            ours.difference(&theirs).map(|at| format!("{} from byte {at}", path.display()))
        })
    }

    /// Every file with its bytes, as a reader finds them.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let world = self.world();
        let file = |(path, id): (&PathBuf, &u64)| {
            let file = world.files.get(id)?;
            let mut bytes = vec![0; usize::try_from(file.len).ok()?];
            file.read(&mut bytes, 0);
            Some((path.clone(), bytes))
        };
        world.names.iter().filter_map(file).collect()
    }
}
