//! Lite topics (5.5): topics below a topic, each with one queue, named `%LMQ%$parent$lite` in the store.
//!
//! No topic has a `$` in its name, so that such a name is told from those of other light message queues.

use crate::{
    java_hash_code,
    names::{LMQ_PREFIX, NameError, validate},
};

/// Separates the parts of a queue's name.
const SEPARATOR: char = '$';
/// Longest name of a lite topic, in bytes: with its parent's it has to be a directory's name.
pub const MAX_LITE_TOPIC_LEN_BYTES: usize = 120;

/// The queue of the lite topic `lite` below `parent`.
pub fn lite_queue(parent: &str, lite: &str) -> String {
    format!("{LMQ_PREFIX}{SEPARATOR}{parent}{SEPARATOR}{lite}")
}

/// Where messages of `topic` lie: in a lite topic's queue, where a request names one.
pub fn storage_topic<'t>(topic: &'t str, lite: Option<&str>) -> std::borrow::Cow<'t, str> {
    match lite.filter(|lite| !lite.trim().is_empty()) {
        Some(lite) => lite_queue(topic, lite).into(),
        None => topic.into(),
    }
}

/// Whether `name` is that of a lite topic's queue, as far as its beginning tells.
pub fn is_lite_queue(name: &str) -> bool {
    name.strip_prefix(LMQ_PREFIX).is_some_and(|rest| rest.starts_with(SEPARATOR))
}

/// Parent and lite topic of a queue; `None` where it is none of a lite topic.
pub fn lite_parts(queue: &str) -> Option<(&str, &str)> {
    let rest = queue.strip_prefix(LMQ_PREFIX)?.strip_prefix(SEPARATOR)?;
    let (parent, lite) = rest.split_once(SEPARATOR)?;
    (!parent.is_empty() && !lite.is_empty() && !lite.contains(SEPARATOR)).then_some((parent, lite))
}

/// Checks the name of a lite topic: that of a topic, somewhat shorter.
///
/// # Errors
/// It is empty, too long, or has a character that no topic has.
pub fn validate_lite_topic(lite: &str) -> Result<(), NameError> {
    validate("lite topic", lite, MAX_LITE_TOPIC_LEN_BYTES)
}

/// Which of `buckets` write queues of the whole cluster, in the order of brokers and numbers, stands for a lite topic; its
/// broker keeps it (Java: Guava's `Hashing.consistentHash` of `String.hashCode`).
pub fn lite_bucket(lite: &str, buckets: usize) -> usize {
    let buckets = i32::try_from(buckets).unwrap_or(i32::MAX);
    let mut state = i64::from(java_hash_code(lite)).cast_unsigned();
    let mut candidate = 0;
    loop {
        state = state.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let fraction = f64::from(i32::try_from(state >> 33).unwrap_or(i32::MAX)) + 1.0;
        let next = f64::from(candidate + 1) / (fraction / 2_147_483_648.0);
        // As Java casts: what is too large becomes the largest number.
        let next = if next >= f64::from(i32::MAX) { i32::MAX } else { next as i32 };
        if next < 0 || next >= buckets {
            return usize::try_from(candidate).unwrap_or(0);
        }
        candidate = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_put_together_and_taken_apart() {
        assert_eq!(lite_queue("P", "a"), "%LMQ%$P$a");
        assert_eq!(lite_parts("%LMQ%$P$a"), Some(("P", "a")));
        for other in ["%LMQ%P", "%LMQ%$P", "%LMQ%$P$", "%LMQ%$$a", "%LMQ%$P$a$b", "P", "$P$a", "%LMQ%"] {
            assert_eq!(lite_parts(other), None, "{other}");
        }
        assert_eq!(storage_topic("P", Some("a")), "%LMQ%$P$a");
        assert_eq!((storage_topic("P", None), storage_topic("P", Some(" "))), ("P".into(), "P".into()));
        assert!(is_lite_queue("%LMQ%$P$a") && !is_lite_queue("%LMQ%P") && !is_lite_queue("P"));
        assert!(validate_lite_topic("session-1").is_ok());
        for bad in ["", " ", "a$b", "a/b", "..", &"x".repeat(121)] {
            assert!(validate_lite_topic(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn buckets_are_there_and_stay_when_one_comes(lite in ".{0,20}", buckets in 1usize..200) {
            let bucket = lite_bucket(&lite, buckets);
            prop_assert!(bucket < buckets);
            let more = lite_bucket(&lite, buckets + 1);
            prop_assert!(more == bucket || more == buckets, "it moves to the new one only");
        }

        #[test]
        fn nothing_panics(name in "(%LMQ%)?[$a-z]{0,12}") {
            if let Some((parent, lite)) = lite_parts(&name) {
                prop_assert_eq!(lite_queue(parent, lite), name);
            }
        }
    }
}
