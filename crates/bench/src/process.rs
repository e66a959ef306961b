//! What a process costs, by the operating system's own accounting (`/proc`, Linux).

use std::{fs, io};

/// Time on a processor, of all threads, those that have ended included.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct CpuSeconds {
    /// In the process's own code.
    pub(crate) user: f64,
    /// In the kernel on its behalf.
    pub(crate) system: f64,
}

impl CpuSeconds {
    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }

    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: CpuSeconds) -> CpuSeconds {
        CpuSeconds { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Memory {
    /// Resident.
    pub(crate) resident: u64,
    /// Of it, what is not pages of files, which the kernel could take back.
    pub(crate) anonymous: u64,
}

/// A process of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessProbe {
    pid: u32,
    ticks_per_second: f64,
}

impl ProcessProbe {
    pub(crate) fn new(pid: u32) -> ProcessProbe {
        ProcessProbe { pid, ticks_per_second: rustix::param::clock_ticks_per_second() as f64 }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn cpu(&self) -> io::Result<CpuSeconds> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        cpu_of_stat(&text, self.ticks_per_second).ok_or_else(|| unreadable("stat"))
    }

    pub(crate) fn memory(&self) -> io::Result<Memory> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        memory_of_status(&text).ok_or_else(|| unreadable("status"))
    }
}

fn unreadable(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its {file} has another form than Linux gives it"))
}

/// The command's name, in brackets, may hold anything: fields are counted behind its last bracket.
fn cpu_of_stat(text: &str, ticks_per_second: f64) -> Option<CpuSeconds> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace().skip(11);
    let mut seconds = || Some(fields.next()?.parse::<u64>().ok()? as f64 / ticks_per_second);
    Some(CpuSeconds { user: seconds()?, system: seconds()? })
}

fn memory_of_status(text: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
    };
    Some(Memory { resident: bytes("VmRSS:")?, anonymous: bytes("RssAnon:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let text = "17 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(cpu_of_stat(text, 100.0), Some(CpuSeconds { user: 2.5, system: 0.5 }));
        assert_eq!(cpu_of_stat("17 (a", 100.0), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        let text = "Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t 1024 kB\n";
        assert_eq!(memory_of_status(text), Some(Memory { resident: 2 << 20, anonymous: 1 << 20 }));
        assert_eq!(memory_of_status("Name:\tx\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_can_be_read() {
        let probe = ProcessProbe::new(std::process::id());
        assert!(probe.memory().unwrap().resident > 0);
        assert!(probe.cpu().unwrap().total() >= 0.0);
    }
}
