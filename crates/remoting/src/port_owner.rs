//! Which process listens on a port, as far as this user may know. Linux only; elsewhere nobody is named.

use std::{fs, path::Path};

/// The process that listens on TCP `port`, as `process 4711 (java)`.
pub(crate) fn port_owner(port: u16) -> Option<String> {
    let inodes: Vec<String> =
        ["/proc/net/tcp", "/proc/net/tcp6"].iter().flat_map(|table| listening_inodes(table, port)).collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter(|entry| is_number(&entry.file_name())).find_map(|entry| {
        let path = entry.path();
        if !holds_socket(&path, &inodes) {
            return None;
        }
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        Some(format!("process {} ({})", entry.file_name().to_string_lossy(), name.trim()))
    })
}

fn is_number(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.parse::<u32>().is_ok())
}

/// Inodes of the sockets that listen on `port`. Columns: `sl local_address rem_address st … uid timeout inode`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let text = fs::read_to_string(table).unwrap_or_default();
    let port_suffix = format!(":{port:04X}");
    let listening = text.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
        (local.ends_with(&port_suffix) && *state == LISTEN).then(|| (*inode).to_string())
    });
    listening.collect()
}

fn holds_socket(process: &Path, inodes: &[String]) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files.flatten().filter_map(|file| fs::read_link(file.path()).ok()).any(|target| {
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.iter().any(|wanted| wanted == inode))
    })
}
