//! Names of the files of a log: the offset of their first byte, in 20 decimal digits.

use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskError};

const NAME_LEN: usize = 20;

/// The name of the file that starts at `start` (bytes from the beginning of its log).
pub(crate) fn file_name(start: u64) -> String {
    format!("{start:020}")
}

/// The path of the file that starts at `start`.
pub(crate) fn file_path(dir: &Path, start: u64) -> PathBuf {
    dir.join(file_name(start))
}

/// The start that a name says; `None` where it is no such name.
pub(crate) fn parse_file_name(name: &str) -> Option<u64> {
    (name.len() == NAME_LEN && name.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| name.parse().ok())
        .flatten()
        .filter(|start| i64::try_from(*start).is_ok())
}

/// A file of a log, as its directory shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundFile {
    /// Offset of its first byte.
    pub(crate) start: u64,
    /// Length in bytes.
    pub(crate) len_bytes: u64,
}

/// The files of a log in the order of their offsets. Other names are left alone.
pub(crate) fn list_files(disk: &dyn Disk, dir: &Path) -> Result<Vec<FoundFile>, DiskError> {
    let mut files: Vec<FoundFile> = disk
        .list(dir)
        .map_err(DiskError::at("list", dir))?
        .iter()
        .filter(|entry| !entry.is_dir)
        .filter_map(|entry| {
            let start = parse_file_name(&entry.name);
            if start.is_none() {
                tracing::warn!(dir = %dir.display(), name = entry.name, "not a file of the store: left alone");
            }
            Some(FoundFile { start: start?, len_bytes: entry.len_bytes })
        })
        .collect();
    files.sort_by_key(|file| file.start);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_twenty_digits() {
        assert_eq!(file_name(1_073_741_824), "00000000001073741824");
        assert_eq!(parse_file_name("00000000001073741824"), Some(1_073_741_824));
        for name in ["1073741824", "0000000000107374182x", "99999999999999999999", "", "0000000000000000000é"]
        {
            assert_eq!(parse_file_name(name), None, "{name}");
        }
    }
}
