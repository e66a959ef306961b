//! What every disk must do: one suite, run against the real and the simulated one.

use std::{io::ErrorKind, path::Path, sync::Arc};

use super::{Advice, Disk, RealDisk, SimDisk};

fn conforms(disk: &dyn Disk, root: &Path) {
    let dir = root.join("a/b");
    assert_eq!(disk.list(&dir).unwrap(), []);
    disk.create_dir_all(&dir).unwrap();
    disk.create_dir_all(&dir).unwrap();
    let path = dir.join("file");
    assert_eq!(disk.open(&path).unwrap_err().kind(), ErrorKind::NotFound);

    let file = disk.create(&path, 5000).unwrap();
    assert_eq!(disk.create(&path, 1).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(file.len().unwrap(), 5000);
    file.write_all_at(b"hello", 4994).unwrap();
    file.write_all_vectored_at(&[b"ab", b"", b"cd"], 10).unwrap();
    assert_eq!(file.len().unwrap(), 5000);
    let again = disk.open(&path).unwrap();
    let mut bytes = b"x".to_vec();
    again.read_append(&mut bytes, 6, 4993).unwrap();
    assert_eq!(bytes, b"x\0hello");
    let mut exact = Vec::with_capacity(4);
    again.read_append(&mut exact, 4, 10).unwrap();
    assert_eq!(exact, b"abcd");
    assert_eq!(again.read_append(&mut bytes, 2, 4999).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    file.sync_data().unwrap();
    for advice in [Advice::WillNeed, Advice::DontNeed] {
        // What is in memory is all, or nothing of it.
        let mut bytes = b"x".to_vec();
        let is_cached = again.read_cached(&mut bytes, 6, 4993).unwrap();
        assert_eq!(bytes, if is_cached { &b"x\0hello"[..] } else { b"x" });
        file.advise(advice, 0, 5000);
    }
    assert!(!matches!(again.read_cached(&mut Vec::new(), 2, 4999), Ok(true)), "read over the end");

    file.zero_from(12).unwrap();
    let mut bytes = [9; 4];
    again.read_exact_at(&mut bytes, 10).unwrap();
    assert_eq!((bytes, again.len().unwrap()), (*b"ab\0\0", 5000));
    again.read_exact_at(&mut bytes, 4994).unwrap();
    assert_eq!(bytes, [0; 4]);
    file.zero_from(5000).unwrap();

    let names = |entries: Vec<super::DirEntry>| -> Vec<(String, bool, u64)> {
        entries.into_iter().map(|entry| (entry.name, entry.is_dir, entry.len_bytes)).collect()
    };
    disk.create_dir_all(&dir.join("A")).unwrap();
    let expected = vec![("A".to_owned(), true, 0), ("file".to_owned(), false, 5000)];
    assert_eq!(names(disk.list(&dir).unwrap()), expected);
    disk.sync_dir(&dir).unwrap();
    disk.sync_file_system(&dir).unwrap();
    assert!(disk.space(&dir).unwrap().free_bytes > 0);

    assert_eq!(disk.remove_dir(&dir).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    disk.remove_file(&path).unwrap();
    assert!(!disk.exists(&path).unwrap());
    again.read_exact_at(&mut bytes, 10).unwrap();
    assert_eq!(disk.remove_file(&path).unwrap_err().kind(), ErrorKind::NotFound);

    let lock = root.join("lock");
    let held = disk.lock(&lock).unwrap();
    assert_eq!(disk.lock(&lock).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(held);
    drop(disk.lock(&lock).unwrap());
}

#[test]
fn the_real_disk_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conforms(&RealDisk, dir.path());
}

#[test]
fn the_simulated_disk_conforms() {
    conforms(&SimDisk::new(1), Path::new("/sim"));
}

#[test]
fn a_power_cut_loses_only_what_was_not_synced() {
    let mut lost = [0; 2];
    for seed in 1..50 {
        let disk = SimDisk::new(seed * 77);
        let root = Path::new("/");
        disk.create_dir_all(root).unwrap();
        let synced = disk.create(Path::new("/synced"), 2048).unwrap();
        synced.write_all_at(&[1; 1024], 0).unwrap();
        synced.sync_data().unwrap();
        disk.sync_dir(root).unwrap();
        synced.write_all_at(&[2; 512], 1024).unwrap();
        disk.create(Path::new("/new"), 10).unwrap();
        disk.power_cut();
        let mut bytes = [0; 2048];
        Arc::clone(&synced).read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes[..1024], [1; 1024]);
        lost[0] += usize::from(bytes[1024] == 0);
        lost[1] += usize::from(!disk.exists(Path::new("/new")).unwrap());
    }
    assert!(lost.iter().all(|lost| (5..45).contains(lost)), "{lost:?}");
}
