//! Random conditions against an evaluator that is written as the rules read: on a tree, with a table of properties.

use std::collections::HashMap;

use eruca_filter::{SqlFilter, Truth};
use proptest::prelude::*;

/// A condition as it is written.
#[derive(Debug, Clone)]
enum Condition {
    /// Property, relation, whole number.
    Compare(&'static str, &'static str, i32),
    /// Property, relation, property.
    Both(&'static str, &'static str, &'static str),
    Between(&'static str, bool, i32, i32),
    In(&'static str, bool, Vec<&'static str>),
    Search(&'static str, bool, &'static str, &'static str),
    IsNull(&'static str, bool),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

use Condition::{And, Between, Both, Compare, In, IsNull, Not, Or, Search};

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let not = |not: &bool| if *not { "NOT " } else { "" };
        match self {
            Compare(name, relation, number) => write!(f, "{name} {relation} {number}"),
            Both(left, relation, right) => write!(f, "{left} {relation} {right}"),
            Between(name, no, low, high) => write!(f, "{name} {}BETWEEN {low} AND {high}", not(no)),
            In(name, no, texts) => write!(f, "{name} {}IN ('{}')", not(no), texts.join("', '")),
            Search(name, no, kind, text) => write!(f, "{name} {}{kind} '{text}'", not(no)),
            IsNull(name, no) => write!(f, "{name} IS {}NULL", not(no)),
            And(left, right) => write!(f, "({left} AND {right})"),
            Or(left, right) => write!(f, "({left} OR {right})"),
            Not(condition) => write!(f, "NOT ({condition})"),
        }
    }
}

type Message = HashMap<&'static str, &'static str>;

fn of_bool(holds: bool) -> Truth {
    if holds { Truth::True } else { Truth::False }
}

fn flip(truth: Truth) -> Truth {
    match truth {
        Truth::True => Truth::False,
        Truth::False => Truth::True,
        other => other,
    }
}

fn holds<T: PartialOrd>(relation: &str, left: T, right: T) -> bool {
    match relation {
        "=" => left == right,
        "<>" => left != right,
        ">" => left > right,
        ">=" => left >= right,
        "<" => left < right,
        _ => left <= right,
    }
}

fn naive(condition: &Condition, message: &Message) -> Truth {
    match condition {
        Compare(name, relation, number) => match message.get(name).map(|text| text.parse::<i32>()) {
            None => Truth::Unknown,
            Some(Err(_)) => Truth::Error,
            Some(Ok(value)) => of_bool(holds(relation, value, *number)),
        },
        Both(left, relation @ ("=" | "<>"), right) => {
            let equal = match (message.get(left), message.get(right)) {
                (None, Some(_)) => Truth::Unknown,
                (left, right) => of_bool(left == right),
            };
            if *relation == "=" { equal } else { flip(equal) }
        }
        Both(left, relation, right) => match (message.get(left), message.get(right)) {
            (Some(left), Some(right)) => match (left.parse::<f64>(), right.parse::<f64>()) {
                (Ok(left), Ok(right)) => of_bool(holds(relation, left, right)),
                _ => Truth::Error,
            },
            _ => Truth::Unknown,
        },
        Between(name, not, low, high) => {
            let inside = match message.get(name).map(|text| text.parse::<i32>()) {
                None => Truth::Unknown,
                Some(Err(_)) => Truth::Error,
                Some(Ok(value)) => of_bool((*low..=*high).contains(&value)),
            };
            if *not { flip(inside) } else { inside }
        }
        In(name, not, texts) => match message.get(name) {
            None => Truth::Unknown,
            Some(text) => of_bool(texts.contains(text) != *not),
        },
        Search(name, not, kind, needle) => match message.get(name) {
            None => Truth::False,
            Some(text) => {
                let found = match *kind {
                    "CONTAINS" => text.contains(needle),
                    "STARTSWITH" => text.starts_with(needle),
                    _ => text.ends_with(needle),
                };
                of_bool(found != *not)
            }
        },
        IsNull(name, not) => of_bool(message.contains_key(name) == *not),
        And(left, right) => match (naive(left, message), || naive(right, message)) {
            (decided @ (Truth::False | Truth::Error), _) => decided,
            (left, right) => match (left, right()) {
                (_, decided @ (Truth::False | Truth::Error)) => decided,
                (Truth::True, Truth::True) => Truth::True,
                _ => Truth::Unknown,
            },
        },
        Or(left, right) => match (naive(left, message), || naive(right, message)) {
            (decided @ (Truth::True | Truth::Error), _) => decided,
            (left, right) => match (left, right()) {
                (_, decided @ (Truth::True | Truth::Error)) => decided,
                (Truth::False, Truth::False) => Truth::False,
                _ => Truth::Unknown,
            },
        },
        Not(condition) => flip(naive(condition, message)),
    }
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "ab", "TAGS", "_x", "$y"])
}

fn text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["x", "y", "xy", "yx", "5", "-5", "7", "5.5", "1e2", "über"])
}

fn relation() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["=", "<>", ">", ">=", "<", "<="])
}

fn condition() -> impl Strategy<Value = Condition> {
    let search = prop::sample::select(vec!["CONTAINS", "STARTSWITH", "ENDSWITH"]);
    let simple = prop_oneof![
        (name(), relation(), -9..9).prop_map(|(name, relation, number)| Compare(name, relation, number)),
        (name(), relation(), name()).prop_map(|(left, relation, right)| Both(left, relation, right)),
        // Two constants with a sign are not compared with each other while it is compiled.
        (name(), any::<bool>(), 0..6, 6..9).prop_map(|(name, not, low, high)| Between(name, not, low, high)),
        (name(), any::<bool>(), prop::collection::vec(text(), 1..12))
            .prop_map(|(name, not, texts)| In(name, not, texts)),
        (name(), any::<bool>(), search, text())
            .prop_map(|(name, not, kind, text)| Search(name, not, kind, text)),
        (name(), any::<bool>()).prop_map(|(name, not)| IsNull(name, not)),
    ];
    simple.prop_recursive(6, 40, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            pair.clone().prop_map(|(left, right)| And(Box::new(left), Box::new(right))),
            pair.prop_map(|(left, right)| Or(Box::new(left), Box::new(right))),
            inner.prop_map(|condition| Not(Box::new(condition))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn conditions_are_what_the_rules_say(
        condition in condition(),
        message in prop::collection::hash_map(name(), text(), 0..6),
    ) {
        let encoded: String = message.iter().map(|(name, value)| format!("{name}\u{1}{value}\u{2}")).collect();
        let expression = condition.to_string();
        let filter = SqlFilter::compile(&expression).expect("it is written by the rules");
        prop_assert_eq!(filter.evaluate(encoded.as_bytes()), naive(&condition, &message), "{}", expression);
    }

    #[test]
    fn any_text_is_compiled_or_refused(text in ".{0,80}", properties in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(filter) = SqlFilter::compile(&text) {
            filter.evaluate(&properties);
        }
    }

    #[test]
    fn any_words_are_compiled_or_refused(
        words in prop::collection::vec(prop::sample::select(vec![
            "a", "b", "5", "5.5", "'x'", "''", "(", ")", ",", "=", "<>", "<", ">=", "NOT", "AND", "OR", "IS", "NULL",
            "BETWEEN", "IN", "CONTAINS", "TRUE", "-", "+", "--", "/*", "*/", "\n", "'",
        ]), 0..30),
        properties in prop::collection::vec(prop::sample::select(b"ab5x.\x01\x02".to_vec()), 0..60),
    ) {
        if let Ok(filter) = SqlFilter::compile(&words.join(" ")) {
            filter.evaluate(&properties);
        }
    }
}
