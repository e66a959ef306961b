//! Which messages a pull asks for.

use std::sync::Arc;

use eruca_message::java_hash_code;
use eruca_protocol::{ResponseCode, body::SubscriptionData};

use crate::reply::HandlerError;

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

/// Java refuses SQL92 in these words while `enablePropertyFilter` is false.
pub(super) fn refuse_expressions(expression_type: Option<&str>) -> Result<(), HandlerError> {
    match expression_type {
        None | Some("" | "TAG") => Ok(()),
        Some(other) => {
            let kind: String = other.chars().take(64).collect();
            Err(HandlerError::system_error(format!(
                "The broker does not support consumer to filter message by {kind}"
            )))
        }
    }
}

/// The subscription that a pull carries itself.
pub(super) fn of_request(
    topic: &str,
    expression: Option<&str>,
    expression_type: Option<&str>,
) -> Result<Arc<SubscriptionData>, HandlerError> {
    refuse_expressions(expression_type)?;
    parse_subscription(topic, expression.unwrap_or_default()).map(Arc::new)
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
        assert!(refuse_expressions(Some("SQL92")).is_err());
    }
}
