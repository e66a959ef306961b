//! Choosing messages: by the hash in the queue's entry, or by properties.

use std::{cell::Cell, sync::Arc};

use eruca_filter::SqlFilter;
use eruca_message::{java_hash_code, properties};
use eruca_protocol::body::SubscriptionData;
use eruca_store::{EntryFilter, is_ext_address};

/// So much an SQL92 filter may do in one read (see [`SqlFilter::work`]), some 10 ms: whoever wrote a costly expression
/// reads in small steps, and no one else waits for it.
pub(crate) const WORK_MAX: usize = 2_000_000;

/// Chooses the messages that a consumer asked for (Java: `MessageFilter`). Cheap to clone.
#[derive(Debug, Clone)]
pub enum MessageFilter {
    /// Every message.
    All,
    /// Messages whose tag has one of these hashes. Two tags may have one hash: the client compares the texts.
    Tags(Arc<[i64]>),
    /// Messages of which the condition is true.
    Sql(Arc<SqlFilter>),
}

impl MessageFilter {
    /// What a subscription by tags asks for.
    pub fn of_tags(subscription: &SubscriptionData) -> Self {
        if subscription.sub_string.is_empty() || subscription.sub_string == "*" {
            return MessageFilter::All;
        }
        MessageFilter::Tags(subscription.code_set.iter().map(|code| i64::from(*code)).collect())
    }

    /// Whether a message whose queue entry has this `tags_code` may match. One with an address in place of a hash may:
    /// the client compares the texts.
    pub fn matches_entry(&self, tags_code: i64) -> bool {
        match self {
            MessageFilter::All | MessageFilter::Sql(_) => true,
            MessageFilter::Tags(hashes) => hashes.contains(&tags_code) || is_ext_address(tags_code),
        }
    }

    /// Whether it matches by its encoded properties, after [`MessageFilter::matches_entry`].
    pub fn matches_properties(&self, properties: &[u8]) -> bool {
        match self {
            MessageFilter::All | MessageFilter::Tags(_) => true,
            MessageFilter::Sql(filter) => filter.matches(properties),
        }
    }

    /// Whether a message with these encoded properties is wanted, by its tag and the rest of them.
    pub fn matches(&self, properties: &[u8]) -> bool {
        self.matches_entry(tags_code_of(properties)) && self.matches_properties(properties)
    }

    /// What a look at so many bytes of properties costs (see [`SqlFilter::work`]).
    pub(crate) fn work(&self, properties_len: usize) -> usize {
        match self {
            MessageFilter::All | MessageFilter::Tags(_) => 1,
            MessageFilter::Sql(filter) => filter.work(properties_len),
        }
    }

    /// Whether properties have to be looked at.
    pub fn needs_properties(&self) -> bool {
        matches!(self, MessageFilter::Sql(_))
    }

    /// The filter for one read of the store, which ends when it has done much.
    pub fn for_read(&self) -> ReadFilter<'_> {
        ReadFilter { filter: self, work_left: Cell::new(WORK_MAX) }
    }
}

/// The `tagsCode` of the queue entry of a message with these encoded properties.
pub(crate) fn tags_code_of(properties: &[u8]) -> i64 {
    let tag = properties::find_str(properties, properties::TAGS).filter(|tag| !tag.is_empty());
    tag.map_or(0, |tag| i64::from(java_hash_code(tag)))
}

/// A filter during one read.
#[derive(Debug)]
pub struct ReadFilter<'a> {
    filter: &'a MessageFilter,
    work_left: Cell<usize>,
}

impl EntryFilter for ReadFilter<'_> {
    fn matches_entry(&self, tags_code: i64) -> bool {
        self.filter.matches_entry(tags_code)
    }

    fn matches_properties(&self, properties: &[u8]) -> bool {
        if let MessageFilter::Sql(filter) = self.filter {
            self.work_left.set(self.work_left.get().saturating_sub(filter.work(properties.len())));
        }
        self.filter.matches_properties(properties)
    }

    fn needs_properties(&self) -> bool {
        self.filter.needs_properties()
    }

    fn is_spent(&self) -> bool {
        self.work_left.get() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_the_extension_may_match_every_tag() {
        let filter = MessageFilter::Tags(Arc::from([i64::from(i32::MIN), 7]));
        assert!(filter.matches_entry(7) && filter.matches_entry(i64::from(i32::MIN)));
        assert!(!filter.matches_entry(8));
        // Java's first address is i64::MIN; the last one stands directly below the hashes.
        assert!(filter.matches_entry(i64::MIN) && filter.matches_entry(i64::from(i32::MIN) - 1));
    }

    #[test]
    fn a_costly_filter_ends_its_read() {
        let costly = vec!["a CONTAINS 'x'"; 2_000].join(" OR ");
        let properties = [b"a\x01".to_vec(), vec![b'y'; 30_000], b"\x02".to_vec()].concat();
        let filter = MessageFilter::Sql(Arc::new(SqlFilter::compile(&costly).unwrap()));
        let read = filter.for_read();
        assert!(!read.matches_properties(&properties));
        assert!(!read.is_spent());
        assert!(!read.matches_properties(&properties));
        assert!(read.is_spent());
        // An ordinary one looks at as many messages as a pull may.
        let filter = MessageFilter::Sql(Arc::new(SqlFilter::compile("a > 5 AND b IN ('x', 'y')").unwrap()));
        let read = filter.for_read();
        for _ in 0..100_000 {
            assert!(!read.is_spent() && read.matches_properties(b"a\x017\x02b\x01y\x02"));
        }
    }
}
