//! What of a topic a consumer wants.

use eruca_message::{Timestamp, java_hash_code};
use eruca_protocol::body::SubscriptionData;

/// A filter on messages of a topic (Java: `MessageSelector`). A text stands for tags: `"*"` is everything, `"a || b"` one of two tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Tags, separated by `||`; `*` is everything.
    Tags(String),
    /// An SQL92 expression over the message's properties; the broker must have `enablePropertyFilter` on.
    Sql(String),
}

impl Filter {
    /// By tags, separated by `||`; `*` is everything.
    pub fn by_tag(tags: impl Into<String>) -> Self {
        Filter::Tags(tags.into())
    }

    /// By an SQL92 expression over properties: `a > 5 AND b IN ('x', 'y')`.
    pub fn by_sql(expression: impl Into<String>) -> Self {
        Filter::Sql(expression.into())
    }
}

impl From<&str> for Filter {
    fn from(tags: &str) -> Self {
        Filter::Tags(tags.to_owned())
    }
}

impl From<String> for Filter {
    fn from(tags: String) -> Self {
        Filter::Tags(tags)
    }
}

/// A subscription, as brokers are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    data: SubscriptionData,
}

impl Subscription {
    /// `filter` on `topic`; `now` becomes its version: brokers keep the latest.
    pub(crate) fn new(topic: &str, filter: &Filter, now: Timestamp) -> Self {
        let mut data =
            SubscriptionData { topic: topic.to_owned(), sub_version: now.0, ..SubscriptionData::default() };
        match filter {
            Filter::Sql(expression) => {
                data.expression_type = Some("SQL92".into());
                data.sub_string = expression.clone();
            }
            Filter::Tags(text) => {
                let tags: Vec<String> = text
                    .split("||")
                    .map(str::trim)
                    .filter(|tag| !tag.is_empty())
                    .map(str::to_owned)
                    .collect();
                if tags.is_empty() || tags.iter().any(|tag| tag == "*") {
                    data.sub_string = "*".into();
                } else {
                    data.code_set = tags.iter().map(|tag| java_hash_code(tag)).collect();
                    data.sub_string = text.clone();
                    data.tags_set = tags;
                }
            }
        }
        Subscription { data }
    }

    pub(crate) fn data(&self) -> &SubscriptionData {
        &self.data
    }

    /// Whether a message with this tag is wanted. Brokers compare hashes of tags only; here the text counts.
    pub(crate) fn wants(&self, tag: Option<&str>) -> bool {
        self.data.tags_set.is_empty() || tag.is_some_and(|tag| self.data.tags_set.iter().any(|t| t == tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Subscription {
        Subscription::new("t", &text.into(), Timestamp(5))
    }

    #[test]
    fn everything_is_wanted_by_star_and_blank() {
        for text in ["*", "", "  ", "||", "a || *"] {
            let subscription = tags(text);
            assert_eq!(subscription.data().sub_string, "*", "{text}");
            assert!(subscription.wants(None) && subscription.wants(Some("x")));
        }
    }

    #[test]
    fn tags_are_compared_as_text() {
        let subscription = tags("TagC||  tagA ");
        assert_eq!(subscription.data().code_set, [2_598_921, 3_552_231]);
        assert!(subscription.wants(Some("tagA")) && subscription.wants(Some("TagC")));
        // "Aa" and "BB" have one hash in Java.
        assert_eq!(java_hash_code("Aa"), java_hash_code("BB"));
        assert!(!tags("Aa").wants(Some("BB")));
        assert!(!subscription.wants(None));
    }

    #[test]
    fn sql_is_left_to_the_broker() {
        let subscription = Subscription::new("t", &Filter::Sql("a > 5".into()), Timestamp(5));
        assert_eq!(subscription.data().sub_string, "a > 5");
        assert!(subscription.wants(None));
    }
}
