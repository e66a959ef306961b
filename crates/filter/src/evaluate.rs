//! Deciding about one message. Nothing is allocated, which `tests/allocations.rs` counts.
//!
//! Source: Java's `LogicExpression`, `ComparisonExpression`, `UnaryExpression`. An error ends the evaluation, unless what
//! stands before it has decided already: `FALSE AND error` is false, `error AND FALSE` is an error.

use std::cmp::Ordering;

use crate::{
    node::{Needle, Node, Relation, Search},
    value::{Incomparable, Value, are_equal, compare},
};

/// What a condition is for a message. Only [`Truth::True`] matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Undecided, as a property is not there.
    Unknown,
    /// Values were compared that cannot be.
    Error,
}

/// The values of a message's properties, by the numbers of their names.
pub(crate) type Values<'a> = [Option<&'a [u8]>];

impl Truth {
    fn of(result: Result<bool, Incomparable>) -> Truth {
        match result {
            Ok(true) => Truth::True,
            Ok(false) => Truth::False,
            Err(Incomparable) => Truth::Error,
        }
    }

    fn negated(self, not: bool) -> Truth {
        match self {
            Truth::True if not => Truth::False,
            Truth::False if not => Truth::True,
            other => other,
        }
    }
}

/// Whether a condition holds.
pub(crate) fn truth(node: &Node, values: &Values<'_>) -> Truth {
    match node {
        Node::And(conditions) => all(conditions, values),
        Node::Or(conditions) => any(conditions, values),
        Node::Not(condition) => truth(condition, values).negated(true),
        Node::Equal(sides) => equal(sides, values),
        Node::Order(relation, sides) => order(*relation, sides, values),
        Node::Between { parts, not } => between(parts, *not, values),
        Node::In { property, set, not } => match property_value(*property, values) {
            Some(text) => Truth::of(Ok(set.contains(text))).negated(*not),
            None => Truth::Unknown,
        },
        Node::Search(search) => look_for(search, values),
        Node::IsNull(part) => match value(part, values) {
            Ok(value) => Truth::of(Ok(value == Value::Null)),
            Err(Incomparable) => Truth::Error,
        },
        Node::IsTrue(property) => match property_value(*property, values) {
            Some(_) => Truth::False,
            None => Truth::Unknown,
        },
        Node::Truth(truth) => Truth::of(Ok(*truth)),
        Node::Null => Truth::Unknown,
        // The parser lets none of these be a condition.
        Node::Property(_)
        | Node::Int(_)
        | Node::Long(_)
        | Node::Double(_)
        | Node::Text(_)
        | Node::Nothing(_) => Truth::Error,
    }
}

fn value<'a>(node: &'a Node, values: &Values<'a>) -> Result<Value<'a>, Incomparable> {
    Ok(match node {
        Node::Property(number) => property_value(*number, values).map_or(Value::Null, Value::Text),
        Node::Int(number) => Value::Int(*number),
        Node::Long(number) => Value::Long(*number),
        Node::Double(number) => Value::Double(*number),
        Node::Text(text) => Value::Text(text),
        Node::Nothing(condition) => match truth(condition, values) {
            Truth::Error => return Err(Incomparable),
            _ => Value::Null,
        },
        condition => match truth(condition, values) {
            Truth::True => Value::Truth(true),
            Truth::False => Value::Truth(false),
            Truth::Unknown => Value::Null,
            Truth::Error => return Err(Incomparable),
        },
    })
}

fn property_value<'a>(number: u8, values: &Values<'a>) -> Option<&'a [u8]> {
    values.get(usize::from(number)).copied().flatten()
}

fn all(conditions: &[Node], values: &Values<'_>) -> Truth {
    let mut result = Truth::True;
    for condition in conditions {
        match truth(condition, values) {
            Truth::True => {}
            Truth::Unknown => result = Truth::Unknown,
            decided => return decided,
        }
    }
    result
}

fn any(conditions: &[Node], values: &Values<'_>) -> Truth {
    let mut result = Truth::False;
    for condition in conditions {
        match truth(condition, values) {
            Truth::False => {}
            Truth::Unknown => result = Truth::Unknown,
            decided => return decided,
        }
    }
    result
}

fn equal(sides: &[Node; 2], values: &Values<'_>) -> Truth {
    let [left, right] = sides;
    match (value(left, values), value(right, values)) {
        (Err(Incomparable), _) | (_, Err(Incomparable)) => Truth::Error,
        (Ok(Value::Null), Ok(Value::Null)) => Truth::True,
        (Ok(Value::Null), Ok(_)) => Truth::Unknown,
        (Ok(_), Ok(Value::Null)) => Truth::False,
        (Ok(left), Ok(right)) => Truth::of(are_equal(left, right)),
    }
}

fn order(relation: Relation, sides: &[Node; 2], values: &Values<'_>) -> Truth {
    let [left, right] = sides;
    match value(left, values) {
        Ok(left) => relate(relation, left, right, values),
        Err(Incomparable) => Truth::Error,
    }
}

/// As Java, where a missing left value decides before the right one is looked at.
fn relate<'a>(relation: Relation, left: Value<'a>, right: &'a Node, values: &Values<'a>) -> Truth {
    if left == Value::Null {
        return Truth::Unknown;
    }
    match value(right, values) {
        Ok(Value::Null) => Truth::Unknown,
        Ok(right) => Truth::of(compare(left, right).map(|order| relation.holds(order))),
        Err(Incomparable) => Truth::Error,
    }
}

fn between(parts: &[Node; 3], not: bool, values: &Values<'_>) -> Truth {
    let [part, low, high] = parts;
    let Ok(value) = value(part, values) else { return Truth::Error };
    let (to_low, to_high, decided) = match not {
        false => (Relation::GreaterEqual, Relation::LessEqual, Truth::False),
        true => (Relation::Less, Relation::Greater, Truth::True),
    };
    let first = relate(to_low, value, low, values);
    if first == decided || first == Truth::Error {
        return first;
    }
    match relate(to_high, value, high, values) {
        second if second == decided || second == Truth::Error => second,
        second if first == Truth::Unknown || second == Truth::Unknown => Truth::Unknown,
        second => second,
    }
}

fn look_for(search: &Search, values: &Values<'_>) -> Truth {
    let text = match value(&search.value, values) {
        Ok(Value::Text(text)) => text,
        // With NOT as well.
        Ok(_) => return Truth::False,
        Err(Incomparable) => return Truth::Error,
    };
    let is_there = match &search.needle {
        Needle::Inside(finder) => finder.find(text).is_some(),
        Needle::AtStart(needle) => text.starts_with(needle),
        Needle::AtEnd(needle) => text.ends_with(needle),
    };
    Truth::of(Ok(is_there)).negated(search.not)
}

impl Relation {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Relation::Less => order.is_lt(),
            Relation::LessEqual => order.is_le(),
            Relation::Greater => order.is_gt(),
            Relation::GreaterEqual => order.is_ge(),
        }
    }
}
