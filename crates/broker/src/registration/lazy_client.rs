//! A client for questions that are seldom asked.

use std::sync::{Mutex, PoisonError};

use eruca_remoting::{Client, ClientConfig};

/// A client that is made when it is needed first, which has to be inside of a runtime.
#[derive(Debug)]
pub(crate) struct LazyClient {
    name: &'static str,
    made: Mutex<Option<Client>>,
}

impl LazyClient {
    /// None yet; `name` is for logs.
    pub(crate) fn new(name: &'static str) -> Self {
        LazyClient { name, made: Mutex::default() }
    }

    /// The client.
    pub(crate) fn get(&self) -> Client {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Client::new(ClientConfig { name: self.name, ..ClientConfig::default() }, None);
        made.get_or_insert_with(new).clone()
    }

    /// Closes its connections. Nothing can be asked any more.
    pub(crate) fn close(&self) {
        if let Some(client) = &*self.made.lock().unwrap_or_else(PoisonError::into_inner) {
            client.close();
        }
    }
}
