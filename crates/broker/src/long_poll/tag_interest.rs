//! Which tags a pull is interested in, by their hashes.

use std::sync::Arc;

use eruca_protocol::body::SubscriptionData;
use eruca_store::{EntryFilter, is_ext_address};

/// Hashes of the tags of interest; cheap to clone.
///
/// Two tags may have one hash: the client compares the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagInterest {
    /// Every message.
    All,
    /// Messages whose tag has one of these hashes.
    Hashes(Arc<[i64]>),
}

impl TagInterest {
    /// What a subscription by tags is interested in.
    pub fn of(subscription: &SubscriptionData) -> Self {
        if subscription.sub_string.is_empty() || subscription.sub_string == "*" {
            return TagInterest::All;
        }
        TagInterest::Hashes(subscription.code_set.iter().map(|code| i64::from(*code)).collect())
    }

    /// Whether a message whose queue entry has this `tags_code` may match. One with an address in place of a hash may:
    /// the client compares the texts.
    pub fn matches(&self, tags_code: i64) -> bool {
        match self {
            TagInterest::All => true,
            TagInterest::Hashes(hashes) => hashes.contains(&tags_code) || is_ext_address(tags_code),
        }
    }
}

impl EntryFilter for TagInterest {
    fn matches_entry(&self, tags_code: i64) -> bool {
        self.matches(tags_code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_the_extension_may_match_every_tag() {
        let interest = TagInterest::Hashes(Arc::from([i64::from(i32::MIN), 7]));
        assert!(interest.matches(7) && interest.matches(i64::from(i32::MIN)));
        assert!(!interest.matches(8));
        // Java's first address is i64::MIN; the last one stands directly below the hashes.
        assert!(interest.matches(i64::MIN) && interest.matches(i64::from(i32::MIN) - 1));
    }
}
