//! One JSON file, replaced atomically and durably; the version before stays as `.bak`, as Java keeps it.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::PersistError;

/// `path` with `suffix` added to its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

/// Replaces `path` by `bytes`. At every moment either the old or the new content is there, whole; when this returns,
/// the new one survives a power loss.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), PersistError> {
    let tmp = with_suffix(path, ".tmp");
    let mut file = File::create(&tmp).map_err(PersistError::io("create", &tmp))?;
    file.write_all(bytes).map_err(PersistError::io("write", &tmp))?;
    file.sync_all().map_err(PersistError::io("sync", &tmp))?;
    keep_backup(path)?;
    fs::rename(&tmp, path).map_err(PersistError::io("replace", path))?;
    sync_directory_of(path)
}

/// A second link, so that there is no moment without a file of the right name.
fn keep_backup(path: &Path) -> Result<(), PersistError> {
    let backup = with_suffix(path, ".bak");
    let ignore_missing = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    ignore_missing(fs::remove_file(&backup)).map_err(PersistError::io("remove", &backup))?;
    match ignore_missing(fs::hard_link(path, &backup)) {
        Ok(()) => Ok(()),
        // A file system without hard links: a copy is as good.
        Err(_) => fs::copy(path, &backup).map(drop).map_err(PersistError::io("copy to", &backup)),
    }
}

pub(super) fn sync_directory_of(path: &Path) -> Result<(), PersistError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory).and_then(|dir| dir.sync_all()).map_err(PersistError::io("sync", directory))
}

/// Reads `path` by `parse`; where the file is missing, empty or not understood, its `.bak`. `None` where there is
/// neither. The bytes that were understood come along.
pub(crate) fn read_with_backup<T>(
    path: &Path,
    parse: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<Option<(T, Vec<u8>)>, PersistError> {
    let mut reason = None;
    for candidate in [path.to_owned(), with_suffix(path, ".bak")] {
        let bytes = match fs::read(&candidate) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(PersistError::io("read", candidate)(error)),
        };
        let understood =
            if bytes.trim_ascii().is_empty() { Err("it is empty".to_owned()) } else { parse(&bytes) };
        match understood {
            Ok(value) => {
                if let Some(reason) = reason {
                    tracing::warn!(file = %path.display(), %reason, "table damaged, its .bak is used");
                }
                return Ok(Some((value, bytes)));
            }
            Err(error) => reason = reason.or(Some(error)),
        }
    }
    match reason {
        Some(reason) => Err(PersistError::Damaged { path: path.to_owned(), reason }),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Result<String, String> {
        let text = String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())?;
        if text.starts_with('{') { Ok(text) } else { Err("no object".to_owned()) }
    }

    #[test]
    fn the_version_before_stays_as_bak() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("topics.json");
        assert_eq!(read_with_backup(&path, text).unwrap(), None);
        replace(&path, b"{1}").unwrap();
        replace(&path, b"{2}").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{2}");
        assert_eq!(fs::read(with_suffix(&path, ".bak")).unwrap(), b"{1}");
    }

    #[test]
    fn killed_between_tmp_and_rename_the_old_content_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("topics.json");
        replace(&path, b"{1}").unwrap();
        fs::write(with_suffix(&path, ".tmp"), b"{2").unwrap();
        assert_eq!(read_with_backup(&path, text).unwrap().unwrap().0, "{1}");
        replace(&path, b"{3}").unwrap();
        assert_eq!(read_with_backup(&path, text).unwrap().unwrap().0, "{3}");
    }

    #[test]
    fn a_damaged_file_is_replaced_by_its_bak_and_refused_without() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("topics.json");
        fs::write(&path, b"garbage").unwrap();
        assert!(matches!(read_with_backup(&path, text), Err(PersistError::Damaged { .. })));
        fs::write(with_suffix(&path, ".bak"), b"{1}").unwrap();
        assert_eq!(read_with_backup(&path, text).unwrap().unwrap().0, "{1}");
        fs::write(&path, b"").unwrap();
        assert_eq!(read_with_backup(&path, text).unwrap().unwrap().0, "{1}");
    }
}
