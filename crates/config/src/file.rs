//! Small files that are replaced whole.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::Properties;

/// Replaces the content of a small file so that after a crash either the old or the new content is there. The former
/// file stays as `NAME.bak`, where the Java system looks when `NAME` is missing or broken. Makes the directory.
///
/// # Errors
/// What the file system says; the file at `path` is as it was then, or moved to `NAME.bak`.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let new = with_suffix(path, ".tmp");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    if path.exists() {
        fs::rename(path, with_suffix(path, ".bak"))?;
    }
    fs::rename(&new, path)?;
    File::open(directory)?.sync_all()
}

/// Reads a file that [`replace_file`] wrote: `NAME` if `parse` takes it, else `NAME.bak`. `Ok(None)` where there is
/// neither.
///
/// # Errors
/// What `parse` or the file system says of `NAME`, where `NAME.bak` is no better.
pub fn read_replaced<T, E: From<io::Error>>(
    path: &Path,
    parse: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<Option<T>, E> {
    let read = |path: &Path| match fs::read(path) {
        Ok(content) => parse(&content).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    };
    match read(path) {
        Ok(Some(content)) => Ok(Some(content)),
        broken => match read(&with_suffix(path, ".bak")) {
            Ok(Some(content)) => Ok(Some(content)),
            _ => broken,
        },
    }
}

/// Writes changed keys into a properties file, whose other lines stay as they are; makes the file where there is none.
///
/// # Errors
/// What the file system says, or that the file is no properties file; it is as it was then.
pub fn store_changes(path: &Path, changes: &Properties) -> io::Result<()> {
    let parse = |bytes: &[u8]| Properties::parse_bytes(bytes).map_err(io::Error::other);
    let mut stored = read_replaced(path, parse)?.unwrap_or_default();
    changes.iter().for_each(|(key, value)| stored.set(key, value));
    replace_file(path, stored.to_text().as_bytes())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> io::Result<Option<String>> {
        read_replaced(path, |bytes| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            if text.is_empty() { Err(io::Error::other("empty")) } else { Ok(text) }
        })
    }

    #[test]
    fn changed_keys_are_written_among_the_other_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("broker.conf");
        let change = |text: &str| store_changes(&path, &Properties::parse(text).unwrap());
        change("a=1").unwrap();
        fs::write(&path, "# mine\na = 1\nb=2").unwrap();
        change("b=3\nc=4").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\na = 1\nb=3\nc=4\n");
    }

    #[test]
    fn the_new_content_is_read_and_the_old_stands_by() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/file.json");
        assert_eq!(read(&path).unwrap(), None);
        replace_file(&path, b"one").unwrap();
        replace_file(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("two"));
        fs::write(&path, b"").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("one"), "a broken file gives way to the former one");
        fs::remove_file(with_suffix(&path, ".bak")).unwrap();
        assert!(read(&path).is_err());
    }
}
