//! The configuration while the broker runs: some keys may be changed.

use std::sync::{Arc, PoisonError, RwLock};

use eruca_config::{Properties, UpdateError};

use crate::config::BrokerConfig;

/// The configuration, shared by all handlers; a reader gets one consistent state of it.
#[derive(Debug)]
pub struct Settings(RwLock<Arc<BrokerConfig>>);

impl Settings {
    /// The configuration at start.
    pub fn new(config: BrokerConfig) -> Self {
        Settings(RwLock::new(Arc::new(config)))
    }

    /// The configuration as it is now.
    pub fn now(&self) -> Arc<BrokerConfig> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes keys that may be changed while the broker runs: all of them or, with an error, none.
    pub fn update(&self, changes: &Properties) -> Result<(), UpdateError> {
        let mut config = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut config).update_all(changes)
    }
}
