//! The directory as a whole: its lock, and the mark of a run that did not end in order.

use std::io::ErrorKind;

use crate::{
    config::StoreConfig,
    disk::{Disk, DiskError, DiskLock},
    error::OpenError,
};

/// Where Java keeps queues in RocksDB.
const ROCKSDB_QUEUE_DIRS: [&str; 2] = ["consumequeue_rocksdb", "consumequeue_r"];

/// Creates what is missing, and takes the lock. Nothing else was written when it fails.
pub(crate) fn take_directory(config: &StoreConfig, disk: &dyn Disk) -> Result<Box<dyn DiskLock>, OpenError> {
    let root = &config.root;
    disk.create_dir_all(root).map_err(DiskError::at("create directory", root))?;
    let path = config.lock_path();
    let lock = disk.lock(&path).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => OpenError::InUse { root: root.clone() },
        _ => DiskError::at("lock", &path)(error).into(),
    })?;
    for name in ROCKSDB_QUEUE_DIRS {
        let path = root.join(name);
        if !disk.list(&path).map_err(DiskError::at("list", &path))?.is_empty() {
            return Err(OpenError::UnsupportedQueues { path });
        }
    }
    for dir in [&config.commit_log_dir, &config.consume_queue_dir()] {
        disk.create_dir_all(dir).map_err(DiskError::at("create directory", dir))?;
        if let Some(above) = dir.parent() {
            disk.sync_dir(above).map_err(DiskError::at("sync", above))?;
        }
    }
    Ok(lock)
}

/// Leaves the mark that says "running" (Java: `abort`). Whether the last run took its own away.
pub(crate) fn mark_open(config: &StoreConfig, disk: &dyn Disk) -> Result<bool, OpenError> {
    let path = config.abort_path();
    if disk.exists(&path).map_err(DiskError::at("look for", &path))? {
        return Ok(false);
    }
    // Java writes the number of its process, for people to look at.
    let pid = std::process::id().to_string();
    let file = disk.create(&path, 0).map_err(DiskError::at("create", &path))?;
    file.write_all_at(pid.as_bytes(), 0).map_err(DiskError::at("write", &path))?;
    file.sync_data().map_err(DiskError::at("sync", &path))?;
    disk.sync_dir(&config.root).map_err(DiskError::at("sync", &config.root))?;
    Ok(true)
}
