//! Members of a group that do not want the same.

use crate::filter::MessageFilter;

/// What one member wants of a topic, and what all of its group do.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The topic.
    pub topic: String,
    /// `None` where it does not subscribe to the topic.
    pub own: Option<MessageFilter>,
    /// Each once, with its own.
    pub all: Vec<MessageFilter>,
}

impl Wishes {
    /// Whether a message with these encoded properties is for others of the group, and not for the member.
    pub fn leaves(&self, properties: &[u8]) -> bool {
        let is_own = self.own.as_ref().is_some_and(|own| own.matches(properties));
        !is_own && self.all.iter().any(|wish| wish.matches(properties))
    }

    /// What a look at so many bytes of properties costs (see `SqlFilter::work`).
    pub fn work(&self, properties_len: usize) -> usize {
        self.own.iter().chain(&self.all).map(|filter| filter.work(properties_len)).sum()
    }
}
