//! What an operator can set about a broker: the keys (`keys`), what contradicts itself (`checks`), and the form that other parts take
//! (`derived`).

mod checks;
mod derived;
mod keys;

pub use keys::{BrokerConfig, BrokerRole, ConfigError, DefaultRequestMode, FlushDiskType};
