//! One file: what the kernel has of it, and what the disk has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Length of a sector.
pub(super) const SECTOR: u64 = 512;
const SECTOR_LEN: usize = SECTOR as usize;
const ZEROS: [u8; SECTOR_LEN] = [0; SECTOR_LEN];

/// Shared by kernel, disk and copies of the disk until one of them changes it.
type Sectors = BTreeMap<u64, Arc<[u8; SECTOR_LEN]>>;

/// A file. Sectors that are not there are holes: zeros that take no room.
#[derive(Debug, Default, Clone)]
pub(super) struct FileData {
    pub(super) len: u64,
    sectors: Sectors,
    durable_len: u64,
    durable: Sectors,
    /// Sectors of which kernel and disk may differ, and the kernel knows it.
    changed: BTreeSet<u64>,
    /// The same, but a sync failed and the kernel no longer knows it.
    forgotten: BTreeSet<u64>,
}

/// What becomes of a changed sector when the power goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    Kept,
    Lost,
    /// New up to this byte, old behind it.
    Torn(usize),
}

impl FileData {
    /// A file of `len` zeros, of which the disk knows nothing yet.
    pub(super) fn zeros(len: u64) -> FileData {
        FileData { len, ..FileData::default() }
    }

    pub(super) fn sector_count(&self) -> u64 {
        self.sectors.len() as u64
    }

    pub(super) fn has_sector(&self, sector: u64) -> bool {
        self.sectors.contains_key(&sector)
    }

    pub(super) fn read(&self, into: &mut [u8], at: u64) {
        let mut at = at;
        let mut rest = into;
        while !rest.is_empty() {
            let from = (at % SECTOR) as usize;
            let (now, later) = rest.split_at_mut(rest.len().min(SECTOR_LEN - from));
            match self.sectors.get(&(at / SECTOR)) {
                Some(sector) => now.copy_from_slice(&sector[from..from + now.len()]),
                None => now.fill(0),
            }
            at += now.len() as u64;
            rest = later;
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8], at: u64) {
        self.len = self.len.max(at + bytes.len() as u64);
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let (sector, from) = (at / SECTOR, (at % SECTOR) as usize);
            let (now, later) = rest.split_at(rest.len().min(SECTOR_LEN - from));
            let place = self.sectors.entry(sector).or_insert_with(|| Arc::new(ZEROS));
            Arc::make_mut(place)[from..from + now.len()].copy_from_slice(now);
            self.note_change(sector);
            at += now.len() as u64;
            rest = later;
        }
    }

    pub(super) fn zero_from(&mut self, at: u64) {
        if let Some(sector) = self.sectors.get_mut(&(at / SECTOR)) {
            Arc::make_mut(sector)[(at % SECTOR) as usize..].fill(0);
            self.note_change(at / SECTOR);
        }
        for (sector, _) in self.sectors.split_off(&at.div_ceil(SECTOR)) {
            self.note_change(sector);
        }
    }

    fn note_change(&mut self, sector: u64) {
        self.forgotten.remove(&sector);
        self.changed.insert(sector);
    }

    fn make_durable(&mut self, sector: u64) {
        match self.sectors.get(&sector) {
            Some(bytes) => self.durable.insert(sector, Arc::clone(bytes)),
            None => self.durable.remove(&sector),
        };
    }

    pub(super) fn sync(&mut self) {
        for sector in std::mem::take(&mut self.changed) {
            self.make_durable(sector);
        }
        self.durable_len = self.len;
    }

    /// Sectors of which the disk may have something else than the kernel.
    pub(super) fn unsynced(&self) -> Vec<u64> {
        self.changed.union(&self.forgotten).copied().collect()
    }

    /// The kernel writes one sector back.
    pub(super) fn write_back(&mut self, sector: u64) {
        if self.changed.remove(&sector) {
            self.make_durable(sector);
        }
    }

    /// A sync failed, and the kernel takes what it did not write for written.
    pub(super) fn forget_changes(&mut self) {
        self.forgotten.append(&mut self.changed);
    }

    /// The power goes: the sectors meet their fates, and the kernel knows what the disk knows.
    pub(super) fn lose(&mut self, fates: impl Iterator<Item = (u64, Fate)>, keep_len: bool) {
        for (sector, fate) in fates {
            match fate {
                Fate::Kept => self.make_durable(sector),
                Fate::Lost => {}
                Fate::Torn(at) => {
                    let new = self.sectors.get(&sector).map_or(ZEROS, |bytes| **bytes);
                    let old = self.durable.entry(sector).or_insert_with(|| Arc::new(ZEROS));
                    Arc::make_mut(old)[..at].copy_from_slice(&new[..at]);
                }
            }
            match self.durable.get(&sector) {
                Some(bytes) => self.sectors.insert(sector, Arc::clone(bytes)),
                None => self.sectors.remove(&sector),
            };
        }
        self.changed.clear();
        self.forgotten.clear();
        if keep_len {
            self.durable_len = self.len;
        }
        self.len = self.durable_len;
    }

    /// Changes the bits of `mask` in one byte, in the kernel as on the disk, and nothing else.
    pub(super) fn flip(&mut self, at: u64, mask: u8) {
        for sectors in [&mut self.sectors, &mut self.durable] {
            if let Some(sector) = sectors.get_mut(&(at / SECTOR)) {
                Arc::make_mut(sector)[(at % SECTOR) as usize] ^= mask;
            }
        }
    }

    /// Where a reader first finds something else than in the other; `None` where nowhere.
    pub(super) fn difference(&self, other: &FileData) -> Option<u64> {
        if self.len != other.len {
            return Some(self.len.min(other.len));
        }
        let bytes = |file: &FileData, sector| file.sectors.get(&sector).map_or(ZEROS, |bytes| **bytes);
        let sectors: BTreeSet<u64> = self.sectors.keys().chain(other.sectors.keys()).copied().collect();
        sectors.into_iter().find_map(|sector| {
            let (ours, theirs) = (bytes(self, sector), bytes(other, sector));
            let at = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs)?;
            Some(sector * SECTOR + at as u64)
        })
    }
}
