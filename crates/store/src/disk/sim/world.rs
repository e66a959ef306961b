//! All that the disk and the kernel know, and what a power cut leaves of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    path::PathBuf,
    sync::Arc,
};

use eruca_message::ManualClock;

use super::{
    Fault, FaultRates,
    file::{Fate, FileData, SECTOR},
};

#[derive(Debug, Default, Clone)]
pub(super) struct World {
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) files: BTreeMap<u64, FileData>,
    /// Changes of names that no directory sync has made durable, in their order.
    pub(super) name_changes: Vec<NameChange>,
    pub(super) locked: BTreeSet<PathBuf>,
    pub(super) next_file: u64,
    /// Operations that changed something or made it durable.
    pub(super) changes: u64,
    /// Operations of any kind.
    pub(super) operations: u64,
    /// Faults that struck.
    pub(super) struck: u64,
    pub(super) fault: Option<Fault>,
    pub(super) rates: FaultRates,
    pub(super) clock: Option<Arc<ManualClock>>,
    pub(super) dead: bool,
    pub(super) capacity_bytes: Option<u64>,
    pub(super) tear_sectors: bool,
    /// Whether nothing is in the page cache.
    pub(super) cold: bool,
    pub(super) forget_after_failed_sync: bool,
    pub(super) random: u64,
}

#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Created(PathBuf),
    CreatedDir(PathBuf),
    Removed(PathBuf, u64),
}

impl NameChange {
    pub(super) fn path(&self) -> &PathBuf {
        let (NameChange::Created(path) | NameChange::CreatedDir(path) | NameChange::Removed(path, _)) = self;
        path
    }
}

impl World {
    /// Draws (xorshift): which losses a power cut brings.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 8
    }

    pub(super) fn coin(&mut self) -> bool {
        self.draw() & 1 == 0
    }

    /// A number below `end`, which is above 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let files = self.names.values().filter_map(|id| self.files.get(id));
        files.map(FileData::sector_count).sum::<u64>() * SECTOR
    }

    pub(super) fn file(&mut self, id: u64) -> io::Result<&mut FileData> {
        self.files.get_mut(&id).ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// The process and all that it held is gone.
    pub(super) fn end_process(&mut self) {
        self.fault = None;
        self.dead = false;
        self.locked.clear();
        // Nobody can reach a file that has no name, and of which no removal may be undone.
        let mut reachable: BTreeSet<u64> = self.names.values().copied().collect();
        reachable.extend(self.name_changes.iter().filter_map(|change| match change {
            NameChange::Removed(_, id) => Some(*id),
            _ => None,
        }));
        self.files.retain(|id, _| reachable.contains(id));
    }

    /// Of what was not synced an arbitrary part is lost.
    pub(super) fn lose_power(&mut self) {
        for change in self.draw_name_changes().into_iter().rev() {
            match change {
                NameChange::Created(path) => {
                    self.names.remove(&path);
                }
                NameChange::CreatedDir(dir) => {
                    self.names.retain(|path, _| !path.starts_with(&dir));
                    self.dirs.retain(|path| !path.starts_with(&dir));
                }
                NameChange::Removed(path, id) => {
                    if path.parent().is_some_and(|dir| self.dirs.contains(dir)) {
                        self.names.entry(path).or_insert(id);
                    }
                }
            }
        }
        for (id, mut file) in std::mem::take(&mut self.files) {
            let fates: Vec<(u64, Fate)> =
                file.unsynced().into_iter().map(|sector| (sector, self.fate())).collect();
            let keep_len = self.coin();
            file.lose(fates.into_iter(), keep_len);
            self.files.insert(id, file);
        }
    }

    fn fate(&mut self) -> Fate {
        if self.tear_sectors && self.below(4) == 0 {
            Fate::Torn(self.below(SECTOR) as usize)
        } else if self.coin() {
            Fate::Kept
        } else {
            Fate::Lost
        }
    }

    /// The kernel writes a part of what is not durable back, as it does at any time.
    pub(super) fn write_back(&mut self) {
        for (id, mut file) in std::mem::take(&mut self.files) {
            for sector in file.unsynced() {
                if self.coin() {
                    file.write_back(sector);
                }
            }
            self.files.insert(id, file);
        }
        self.name_changes = self.draw_name_changes();
    }

    /// Takes the changes of names, and lets a part of them become durable: those that do not, in their order. The
    /// last durable one of a name is what the disk has, whatever came before.
    fn draw_name_changes(&mut self) -> Vec<NameChange> {
        let mut durable = BTreeSet::new();
        let mut left = Vec::new();
        for change in std::mem::take(&mut self.name_changes).into_iter().rev() {
            if durable.contains(change.path()) {
                continue;
            }
            if self.coin() {
                durable.insert(change.path().clone());
            } else {
                left.push(change);
            }
        }
        left.reverse();
        left
    }

    /// A sync failed: any part of the changes is on the disk.
    pub(super) fn fail_sync(&mut self, id: u64) {
        let Some(mut file) = self.files.remove(&id) else { return };
        for sector in file.unsynced() {
            if self.coin() {
                file.write_back(sector);
            }
        }
        if self.forget_after_failed_sync {
            file.forget_changes();
        }
        self.files.insert(id, file);
    }
}
