//! The data directory: there, writable, with room.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::failure::{Failure, bytes_text};

/// Less room than this is not enough to begin with: a segment of the log, queues and tables.
const FREE_MIN_BYTES: u64 = 64 << 20;

/// Makes the directory `dir`, checks that it can be written to and that its disk has room, and returns its full path.
///
/// Whether another broker uses it is checked by the store, which locks it. A full disk is refused only where there are
/// no messages yet: those that there are can still be read.
pub(crate) fn check_data_dir(dir: &Path, used_percent_max: u32) -> Result<PathBuf, Failure> {
    let shown = dir.display();
    fs::create_dir_all(dir).map_err(|error| {
        Failure::new(
            format!("the data directory {shown} cannot be made ({error})"),
            "choose another one (--data or storePathRootDir) or mend its permissions",
        )
    })?;
    let has_messages = dir.join("commitlog").exists();
    let probe = dir.join(format!(".eruca-probe-{}", std::process::id()));
    let written = fs::write(&probe, b"probe");
    let removed = fs::remove_file(&probe);
    match written.and(removed) {
        Err(error) if !(has_messages && is_full(&error)) => {
            return Err(Failure::new(
                format!("the data directory {shown} cannot be written to ({error})"),
                "mend its permissions or free some space, or choose another one (--data or storePathRootDir)",
            ));
        }
        _ => {}
    }
    let full_path = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    if !has_messages {
        check_space(&full_path, used_percent_max)?;
    }
    Ok(full_path)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn check_space(dir: &Path, used_percent_max: u32) -> Result<(), Failure> {
    // A file system that cannot say how full it is does not keep the broker from trying.
    let Ok(space) = rustix::fs::statvfs(dir) else { return Ok(()) };
    let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
    let used_blocks = space.f_blocks.saturating_sub(space.f_bfree);
    // As `df` counts: what only root may use is neither used nor free.
    let used_percent = used_blocks * 100 / (used_blocks + space.f_bavail).max(1);
    let remedy = "free some space or choose another directory (--data or storePathRootDir)";
    if used_percent >= u64::from(used_percent_max) {
        let what = format!(
            "the disk of {} is {used_percent} % full, nothing is accepted from {used_percent_max} % \
             (diskSpaceWarningLevelRatio)",
            dir.display()
        );
        return Err(Failure::new(what, remedy));
    }
    if free_bytes < FREE_MIN_BYTES {
        let (free, needed) = (bytes_text(free_bytes), bytes_text(FREE_MIN_BYTES));
        return Err(Failure::new(
            format!("the disk of {} has {free} free, {needed} are needed", dir.display()),
            remedy,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_and_left_as_it_was() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("a/b");
        let full_path = check_data_dir(&dir, 100).unwrap();
        assert!(full_path.is_absolute());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_directory_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        let text = check_data_dir(&file.join("data"), 100).unwrap_err().to_string();
        assert!(text.contains("file/data") && text.contains("--data"), "{text}");
    }

    #[test]
    fn a_full_disk_is_refused_where_there_is_nothing_to_read() {
        let temp = tempfile::tempdir().unwrap();
        let text = check_data_dir(temp.path(), 0).unwrap_err().to_string();
        assert!(text.contains("% full, nothing is accepted from 0 %"), "{text}");
        fs::create_dir(temp.path().join("commitlog")).unwrap();
        check_data_dir(temp.path(), 0).unwrap();
    }
}
