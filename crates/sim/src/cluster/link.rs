//! A slave's connection to its master, and the bytes that are under way on it.

use eruca_message::LogOffset;
use eruca_replication::auto_switch::{MasterSession, SlaveSession};

pub(super) struct Link {
    /// Not given twice.
    pub(super) number: u64,
    /// Place of the master among the brokers.
    pub(super) master: usize,
    pub(super) slave: SlaveSession,
    /// Where the slave's next byte belongs.
    pub(super) next: LogOffset,
    /// `None` before the first byte has come.
    pub(super) at_master: Option<MasterSession>,
    pub(super) to_master: Vec<u8>,
    pub(super) to_slave: Vec<u8>,
}

impl Link {
    pub(super) fn new(
        number: u64,
        master: usize,
        slave: SlaveSession,
        hello: Vec<u8>,
        next: LogOffset,
    ) -> Link {
        Link { number, master, slave, next, at_master: None, to_master: hello, to_slave: Vec::new() }
    }
}
