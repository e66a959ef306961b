//! What one consumer asks for of one topic.

use eruca_filter::SqlError;
use eruca_message::java_hash_code;
use eruca_protocol::{ResponseCode, body::SubscriptionData};

use super::{CompiledFilters, MessageFilter};
use crate::reply::HandlerError;

/// The kind of an expression that is a condition on properties.
const SQL92: &str = "SQL92";
/// So many characters of an unknown kind are said again.
const SHOWN_CHARS: usize = 64;

/// Why messages cannot be chosen by an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It is no SQL92.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// It is of a kind that nobody knows.
    #[error("expressions of the kind '{kind}' are not known: write TAG or {SQL92}")]
    UnknownKind {
        /// What was said.
        kind: String,
    },
}

/// A subscription with what it means.
#[derive(Debug)]
pub struct Subscription {
    /// As the client said it.
    pub data: SubscriptionData,
    /// Chooses by it; the error where its expression is wrong.
    pub filter: Result<MessageFilter, FilterError>,
}

impl Subscription {
    /// What `data` means.
    pub fn new(data: SubscriptionData, filters: &CompiledFilters) -> Self {
        let filter = match data.expression_type.as_deref() {
            _ if data.is_tag_type() => Ok(MessageFilter::of_tags(&data)),
            Some(SQL92) => filters.get(&data.sub_string).map(MessageFilter::Sql).map_err(FilterError::from),
            kind => Err(FilterError::UnknownKind { kind: shown(kind) }),
        };
        Subscription { data, filter }
    }

    /// Whether both ask for the same messages.
    pub fn asks_as(&self, other: &Subscription) -> bool {
        self.data.sub_string == other.data.sub_string
            && (self.data.is_tag_type() && other.data.is_tag_type()
                || self.data.expression_type == other.data.expression_type)
    }

    /// The subscription that a pull carries itself.
    pub(crate) fn of_pull(
        topic: &str,
        expression: Option<&str>,
        expression_type: Option<&str>,
        filters: &CompiledFilters,
    ) -> Result<Self, HandlerError> {
        let expression = expression.unwrap_or_default();
        if matches!(expression_type, None | Some("" | "TAG")) {
            return Ok(Self::new(parse_subscription(topic, expression)?, filters));
        }
        let data = SubscriptionData {
            topic: topic.to_owned(),
            sub_string: expression.to_owned(),
            expression_type: expression_type.map(str::to_owned),
            ..SubscriptionData::default()
        };
        let subscription = Self::new(data, filters);
        match &subscription.filter {
            Ok(_) => Ok(subscription),
            Err(error) => Err(HandlerError::new(
                ResponseCode::SUBSCRIPTION_PARSE_FAILED,
                format!("parse the consumer's subscription failed: {error}"),
            )),
        }
    }
}

/// Reads a tag expression: `*`, or tags separated by `||` (Java: `FilterAPI.buildSubscriptionData`).
pub fn parse_subscription(topic: &str, expression: &str) -> Result<SubscriptionData, HandlerError> {
    let mut subscription = SubscriptionData {
        topic: topic.to_owned(),
        sub_string: expression.to_owned(),
        ..SubscriptionData::default()
    };
    if expression.is_empty() || expression == "*" {
        subscription.sub_string = "*".to_owned();
        return Ok(subscription);
    }
    let tags = expression.split("||").map(str::trim).filter(|tag| !tag.is_empty());
    for tag in tags {
        subscription.tags_set.push(tag.to_owned());
        subscription.code_set.push(java_hash_code(tag));
    }
    if subscription.tags_set.is_empty() {
        return Err(HandlerError::new(
            ResponseCode::SUBSCRIPTION_PARSE_FAILED,
            format!(
                "parse the consumer's subscription failed: '{expression}' has no tag; write '*' or 'TagA || TagB'"
            ),
        ));
    }
    Ok(subscription)
}

/// Java refuses expressions other than tags in these words while `enablePropertyFilter` is false.
pub fn check_expression_type(expression_type: Option<&str>, enabled: bool) -> Result<(), HandlerError> {
    match expression_type {
        None | Some("" | "TAG") => Ok(()),
        Some(_) if enabled => Ok(()),
        other => Err(HandlerError::system_error(format!(
            "The broker does not support consumer to filter message by {}: set enablePropertyFilter=true in its configuration",
            shown(other)
        ))),
    }
}

fn shown(kind: Option<&str>) -> String {
    kind.unwrap_or_default().chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_expressions() {
        let all = parse_subscription("T", "*").unwrap();
        assert!(all.code_set.is_empty() && all.sub_string == "*");
        assert_eq!(parse_subscription("T", "").unwrap().sub_string, "*");
        let two = parse_subscription("T", " tagA||TagB ").unwrap();
        assert_eq!(two.tags_set, ["tagA", "TagB"]);
        assert_eq!(two.code_set, [3_552_231, java_hash_code("TagB")]);
        let none = parse_subscription("T", "||").unwrap_err();
        assert_eq!(none.code, ResponseCode::SUBSCRIPTION_PARSE_FAILED);
    }

    #[test]
    fn other_expressions_need_the_key() {
        for kind in [None, Some(""), Some("TAG")] {
            assert!(check_expression_type(kind, false).is_ok());
        }
        assert!(check_expression_type(Some("SQL92"), true).is_ok());
        let refused = check_expression_type(Some("SQL92"), false).unwrap_err();
        assert_eq!(refused.code, ResponseCode::SYSTEM_ERROR);
        assert!(
            refused.remark.starts_with("The broker does not support consumer to filter message by SQL92")
        );
    }

    #[test]
    fn conditions_are_compiled_and_what_is_wrong_is_said() {
        let filters = CompiledFilters::default();
        let of = |expression, kind| Subscription::of_pull("T", Some(expression), Some(kind), &filters);
        let sql = of("a > 5", "SQL92").unwrap();
        assert!(sql.filter.as_ref().is_ok_and(|filter| filter.matches_properties(b"a\x016\x02")));
        for (expression, kind, says) in [
            ("a >", "SQL92", "parse the consumer's subscription failed: at character 4: expected"),
            ("", "SQL92", "parse the consumer's subscription failed: at character 1: expected"),
            (
                "a",
                "XPATH",
                "parse the consumer's subscription failed: expressions of the kind 'XPATH' are not known",
            ),
        ] {
            let error = of(expression, kind).unwrap_err();
            assert_eq!(error.code, ResponseCode::SUBSCRIPTION_PARSE_FAILED);
            assert!(error.remark.starts_with(says), "{}", error.remark);
        }
        let other = Subscription::new(SubscriptionData { sub_version: 9, ..sql.data.clone() }, &filters);
        assert!(sql.asks_as(&other));
        let tags = Subscription::new(parse_subscription("T", "a > 5").unwrap(), &filters);
        assert!(!sql.asks_as(&tags));
    }
}
