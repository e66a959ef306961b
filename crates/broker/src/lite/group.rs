//! What a group's attributes say of lite topics.

use eruca_protocol::body::SubscriptionGroupConfig;

/// The topic that a group consumes the lite topics of.
pub(crate) const BIND_TOPIC: &str = "lite.bind.topic";
const SUB_MODEL: &str = "lite.sub.model";
const RESET_EXCLUSIVE: &str = "lite.sub.reset.offset.exclusive";
const RESET_UNSUBSCRIBE: &str = "lite.sub.reset.offset.unsubscribe";
const MAX_EVENTS: &str = "lite.sub.client.max.event.cnt";
const WILDCARD: &str = "lite.sub.wildcard";

/// A group of lite topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiteGroup {
    /// The parent topic.
    pub(crate) topic: String,
    /// Only the client that subscribed last has a lite topic.
    pub(crate) is_exclusive: bool,
    /// A client that takes a lite topic over begins at its first message.
    pub(crate) resets_when_exclusive: bool,
    /// Who comes after a client that left a lite topic begins at its first message.
    pub(crate) resets_on_unsubscribe: bool,
    /// Its clients get the messages of all lite topics.
    pub(crate) is_wildcard: bool,
    /// Most lite topics with messages that are kept in mind for a client.
    pub(crate) ready_max: usize,
}

impl LiteGroup {
    /// What the configuration says; `None` where the group is bound to no topic. `ready_max` is what the broker has where the
    /// group says nothing.
    pub(crate) fn of(config: &SubscriptionGroupConfig, ready_max: usize) -> Option<LiteGroup> {
        let attribute = |name| config.attributes.get(name).map(String::as_str);
        let is_true = |name| attribute(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Some(LiteGroup {
            topic: attribute(BIND_TOPIC).filter(|topic| !topic.is_empty())?.to_owned(),
            is_exclusive: attribute(SUB_MODEL) == Some("Exclusive"),
            resets_when_exclusive: is_true(RESET_EXCLUSIVE),
            resets_on_unsubscribe: is_true(RESET_UNSUBSCRIBE),
            // As in Java it counts that the attribute is there.
            is_wildcard: attribute(WILDCARD).is_some(),
            ready_max: attribute(MAX_EVENTS)
                .and_then(|most| most.parse().ok())
                .filter(|most| *most > 0)
                .unwrap_or(ready_max),
        })
    }
}
