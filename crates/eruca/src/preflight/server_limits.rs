//! What the machine allows a server that listens.

use eruca_remoting::ServerConfig;

use super::{MemoryBudget, OpenFiles};

/// Limits for one server with one thread; address and name are the caller's business.
pub(crate) fn server_limits(files: &OpenFiles, memory: &MemoryBudget) -> ServerConfig {
    ServerConfig {
        max_connections: files.connections,
        max_in_flight_bytes: memory.in_flight_bytes,
        output_max_bytes: memory.in_flight_bytes / 4,
        ..ServerConfig::default()
    }
}
