//! Members of a group that do not want the same.

use crate::filter::MessageFilter;

/// The property of a message that was handed over to others, and that nobody failed to consume since.
pub(crate) const HANDED_OVER: &str = "HANDED_OVER";

/// What one member wants of a topic, and what all of its group do.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The topic.
    pub topic: String,
    /// `None` where it does not subscribe to the topic.
    pub own: Option<MessageFilter>,
    /// Each once, with its own; none where all want the same.
    pub all: Vec<MessageFilter>,
}

/// Who wants a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedBy {
    /// The member itself.
    Member,
    /// Others of its group.
    Others,
    /// Nobody of the group.
    Nobody,
}

impl WantedBy {
    /// Who wants a message with these encoded properties: a member with a wish of its `own`, or others with one of `all`.
    pub fn of(own: Option<&MessageFilter>, all: &[MessageFilter], properties: &[u8]) -> WantedBy {
        if own.is_some_and(|own| own.matches(properties)) {
            WantedBy::Member
        } else if all.iter().any(|wish| wish.matches(properties)) {
            WantedBy::Others
        } else {
            WantedBy::Nobody
        }
    }
}

impl Wishes {
    /// Who wants a message with these encoded properties.
    pub fn wanted_by(&self, properties: &[u8]) -> WantedBy {
        WantedBy::of(self.own.as_ref(), &self.all, properties)
    }

    /// What a look at so many bytes of properties costs (see `SqlFilter::work`).
    pub fn work(&self, properties_len: usize) -> usize {
        self.own.iter().chain(&self.all).map(|filter| filter.work(properties_len)).sum()
    }
}
