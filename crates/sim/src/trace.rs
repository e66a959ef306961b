//! What happened, a line a step: kept as a hash, printed on demand.

use std::fmt::{self, Write};

/// The lines of a run. Two runs that did the same have the same hash.
#[derive(Debug)]
pub struct Trace {
    hash: Hash,
    print: bool,
}

/// FNV-1a with 64 bits.
#[derive(Debug, Clone, Copy)]
pub struct Hash(u64);

impl Hash {
    /// The hash of nothing.
    pub fn new() -> Hash {
        Hash(0xCBF2_9CE4_8422_2325)
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    /// The hash of what was added.
    pub fn value(&self) -> u64 {
        self.0
    }
}

impl Default for Hash {
    fn default() -> Hash {
        Hash::new()
    }
}

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text.as_bytes());
        Ok(())
    }
}

impl Trace {
    /// An empty trace; `print`: every line goes to standard output, too.
    pub fn new(print: bool) -> Trace {
        Trace { hash: Hash::new(), print }
    }

    /// Adds a line.
    pub fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing into a hash cannot fail.
        let _ = writeln!(self.hash, "{line}");
        if self.print {
            println!("{line}");
        }
    }

    /// The hash of all lines.
    pub fn hash(&self) -> u64 {
        self.hash.value()
    }
}
