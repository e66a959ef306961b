//! What a command takes from the machine that it runs on.

use std::{path::PathBuf, sync::Arc};

use eruca_message::{Clock, SystemClock, Timestamp};

use crate::time_text::LocalTime;

/// The environment variable that names the name servers, as for every RocketMQ client.
const NAMESRV_ADDR: &str = "NAMESRV_ADDR";
/// Where bodies are kept for people to look at, as the Java tool does.
const BODY_DIR: &str = "/tmp/rocketmq/msgbodys";

/// Clock, time zone, environment and files of a command: the machine's own, or a test's.
#[derive(Clone)]
pub struct World {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// How times are printed and read.
    pub local_time: LocalTime,
    /// The name servers that the environment names.
    pub namesrv_addr: Option<String>,
    /// Where the bodies of messages that are looked up are written.
    pub body_dir: PathBuf,
    /// Below which directory it is written what consumers say of themselves; empty is the current directory.
    pub status_dir: PathBuf,
}

impl World {
    /// This machine.
    pub fn of_this_machine() -> Self {
        World {
            clock: Arc::new(SystemClock),
            local_time: LocalTime::of_this_machine(),
            namesrv_addr: std::env::var(NAMESRV_ADDR).ok().filter(|addrs| !addrs.trim().is_empty()),
            body_dir: PathBuf::from(BODY_DIR),
            // As the Java tool does.
            status_dir: PathBuf::new(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
