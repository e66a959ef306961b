//! The directory as a whole: its lock, and the mark of a run that did not end in order.

use std::{io::ErrorKind, path::Path};

use super::{Foreign, foreign};
use crate::{
    config::StoreConfig,
    disk::{Disk, DiskError, DiskLock},
    error::OpenError,
};

/// Creates what is missing, and takes the lock. Nothing else was written when it fails, and nothing at all in a
/// directory that this version does not read.
pub(crate) fn take_directory(config: &StoreConfig, disk: &dyn Disk) -> Result<Box<dyn DiskLock>, OpenError> {
    let root = &config.root;
    for Foreign { path, what, remedy, refused } in foreign(disk, root)? {
        match refused {
            true => return Err(OpenError::Unsupported { path, what, remedy }),
            false => tracing::warn!(path = %path.display(), what, "not read by this version: {remedy}"),
        }
    }
    create_dir(disk, root)?;
    let path = config.lock_path();
    let lock = disk.lock(&path).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => OpenError::InUse { root: root.clone() },
        _ => DiskError::at("lock", &path)(error).into(),
    })?;
    create_dir(disk, &config.commit_log_dir)?;
    create_dir(disk, &config.consume_queue_dir())?;
    Ok(lock)
}

/// Creates a directory so that it survives a power cut, with those above it that are missing.
fn create_dir(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    let mut created = Vec::new();
    for dir in dir.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
        if disk.exists(dir).map_err(DiskError::at("look for", dir))? {
            break;
        }
        created.push(dir);
    }
    if created.is_empty() {
        return Ok(());
    }
    disk.create_dir_all(dir).map_err(DiskError::at("create directory", dir))?;
    created.iter().filter_map(|dir| dir.parent()).try_for_each(|above| sync_names(disk, above))
}

fn sync_names(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    // The parent of a relative name is the working directory.
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    disk.sync_dir(dir).map_err(DiskError::at("sync", dir))
}

/// Leaves the mark that says "running" (Java: `abort`). Whether the last run took its own away.
pub(crate) fn mark_open(config: &StoreConfig, disk: &dyn Disk) -> Result<bool, OpenError> {
    let path = config.abort_path();
    // The process that created what is here may have died before it synced the names: without the mark, say, the next
    // power cut would pass for an orderly stop.
    for dir in [&config.root, &config.commit_log_dir].into_iter().filter_map(|dir| dir.parent()) {
        let synced = sync_names(disk, dir);
        // Nobody creates a directory in one that he may not read.
        if !matches!(&synced, Err(error) if error.source.kind() == ErrorKind::PermissionDenied) {
            synced?;
        }
    }
    if disk.exists(&path).map_err(DiskError::at("look for", &path))? {
        sync_names(disk, &config.root)?;
        return Ok(false);
    }
    // Java writes the number of its process, for people to look at.
    let pid = std::process::id().to_string();
    let file = disk.create(&path, 0).map_err(DiskError::at("create", &path))?;
    match file.write_all_at(pid.as_bytes(), 0).map_err(DiskError::at("write", &path)) {
        // Its name is what counts: a full disk is no reason not to serve what is there.
        Err(error) if !error.is_full() => return Err(error.into()),
        _ => {}
    }
    file.sync_data().map_err(DiskError::at("sync", &path))?;
    sync_names(disk, &config.root)?;
    Ok(true)
}
