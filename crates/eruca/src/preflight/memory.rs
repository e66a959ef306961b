//! How much memory there is for us: the limit of the machine or of the cgroup, whichever is lower.

use std::{fs, path::Path};

use crate::failure::{Failure, bytes_text};

/// With less, a broker could not hold one message of the largest size on its way in and out.
const NEEDED_BYTES: u64 = 64 << 20;
/// Larger limits than this say "unlimited" (cgroup v1 writes the largest page count that there is).
const UNLIMITED_FROM_BYTES: u64 = 1 << 60;

/// What may be used, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemoryBudget {
    /// The limit found.
    pub(crate) limit_bytes: u64,
    /// Whose limit it is.
    limit_of: &'static str,
    /// What we hold ourselves to, page cache not counted: a quarter of the limit, at most 2 GiB.
    pub(crate) budget_bytes: u64,
    /// Of it, requests and answers on their way, for each server that listens: a quarter.
    pub(crate) in_flight_bytes: usize,
}

impl std::fmt::Display for MemoryBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} of the {}'s {}",
            bytes_text(self.budget_bytes),
            self.limit_of,
            bytes_text(self.limit_bytes)
        )
    }
}

/// The budget of this process.
pub(crate) fn memory_budget() -> Result<MemoryBudget, Failure> {
    budget(machine_bytes(), cgroup_bytes(Path::new("/sys/fs/cgroup"), &own_cgroups()))
}

fn budget(machine_bytes: u64, cgroup_bytes: Option<u64>) -> Result<MemoryBudget, Failure> {
    let (limit_bytes, limit_of) = match cgroup_bytes {
        Some(bytes) if bytes < machine_bytes => (bytes, "cgroup"),
        _ => (machine_bytes, "machine"),
    };
    if limit_bytes < NEEDED_BYTES {
        let (limit, needed) = (bytes_text(limit_bytes), bytes_text(NEEDED_BYTES));
        return Err(Failure::new(
            format!("the {limit_of}'s memory is {limit}, at least {needed} are needed"),
            "give it more (docker run --memory, resources.limits.memory, MemoryMax=)",
        ));
    }
    let budget_bytes = (limit_bytes / 4).min(2 << 30);
    let in_flight_bytes = usize::try_from(budget_bytes / 4).unwrap_or(usize::MAX);
    Ok(MemoryBudget { limit_bytes, limit_of, budget_bytes, in_flight_bytes })
}

/// `MemTotal` of the machine; a guess of 1 GiB where it cannot be read.
fn machine_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    let bytes = u64::from(info.mem_unit).saturating_mul(info.totalram);
    if bytes == 0 { 1 << 30 } else { bytes }
}

/// Lines of `/proc/self/cgroup`: `0::/path` (version 2) and `5:memory:/path` (version 1).
fn own_cgroups() -> String {
    fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
}

/// The lowest limit of the cgroups above this process, if there is any.
fn cgroup_bytes(mount: &Path, own: &str) -> Option<u64> {
    let groups = own.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        match controllers {
            "" => Some((mount.to_owned(), "memory.max", path)),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some((mount.join("memory"), "memory.limit_in_bytes", path))
            }
            _ => None,
        }
    });
    groups.filter_map(|(root, file, path)| lowest_limit(&root, file, path)).min()
}

/// Reads `file` in `path` below `root` and in every directory above it. In a container the path may be the host's and
/// not be there; then only `root` counts, which is the container's own.
fn lowest_limit(root: &Path, file: &str, path: &str) -> Option<u64> {
    let own = root.join(path.trim_start_matches('/'));
    let above = own.ancestors().take_while(|dir| dir.starts_with(root));
    let limits = above.filter_map(|dir| {
        let bytes: u64 = fs::read_to_string(dir.join(file)).ok()?.trim().parse().ok()?;
        (bytes < UNLIMITED_FROM_BYTES).then_some(bytes)
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_lowest_limit_on_the_way_up_counts() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a/memory.max", "1000000\n");
        write(root.path(), "a/b/memory.max", "max\n");
        write(root.path(), "a/b/c/memory.max", "2000000\n");
        assert_eq!(cgroup_bytes(root.path(), "0::/a/b/c\n"), Some(1_000_000));
        assert_eq!(cgroup_bytes(root.path(), "0::/x\n"), None);
    }

    #[test]
    fn version_one_and_a_foreign_path_are_understood() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "memory/memory.limit_in_bytes", "536870912\n");
        let own = "3:cpu,cpuacct:/x\n2:memory:/docker/abc\n";
        assert_eq!(cgroup_bytes(root.path(), own), Some(536_870_912));
        write(root.path(), "memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(cgroup_bytes(root.path(), own), None, "unlimited");
    }

    #[test]
    fn the_budget_is_a_share_and_says_of_what() {
        let text = budget(8 << 30, Some(512 << 20)).unwrap().to_string();
        assert_eq!(text, "128 MiB of the cgroup's 512 MiB");
        assert_eq!(budget(64 << 30, None).unwrap().budget_bytes, 2 << 30);
        let text = budget(8 << 30, Some(32 << 20)).unwrap_err().to_string();
        assert!(
            text.starts_with("the cgroup's memory is 32 MiB, at least 64 MiB are needed: give it more"),
            "{text}"
        );
    }
}
