//! Values while an expression is evaluated, and how they compare.
//!
//! Source: Java's `ComparisonExpression`. Properties are texts; beside a number they are read as a number of that type,
//! and it is an error where they are none: `a > 5` is an error for a = `5.5` or `3000000000`, as 5 is an `Integer`.

use std::cmp::Ordering;

use crate::number::{double, int, long};

/// What a part of an expression is for one message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// No value.
    Null,
    Truth(bool),
    Int(i32),
    Long(i64),
    Double(f64),
    Text(&'a [u8]),
}

/// Values that Java cannot compare: the message does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incomparable;

/// Whether two values, none of them [`Value::Null`], are equal.
pub(crate) fn are_equal(left: Value<'_>, right: Value<'_>) -> Result<bool, Incomparable> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Ok(left == right),
        (Value::Truth(left), Value::Truth(right)) => Ok(left == right),
        (Value::Text(left), Value::Truth(right)) => Ok(left.eq_ignore_ascii_case(b"true") == right),
        // Java casts the wrong one of the two.
        (Value::Truth(_), Value::Text(_)) => Err(Incomparable),
        (Value::Truth(_), _) | (_, Value::Truth(_)) => Ok(false),
        _ => compare(left, right).map(Ordering::is_eq),
    }
}

/// The order of two values, none of them [`Value::Null`].
pub(crate) fn compare(left: Value<'_>, right: Value<'_>) -> Result<Ordering, Incomparable> {
    let order = match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            double(left).zip(double(right)).map(|(left, right)| left.total_cmp(&right))
        }
        (Value::Text(text), number) => read_as(text, number).and_then(|text| compare_numbers(text, number)),
        (number, Value::Text(text)) => read_as(text, number).and_then(|text| compare_numbers(number, text)),
        (left, right) => compare_numbers(left, right),
    };
    order.ok_or(Incomparable)
}

/// The order of two numbers, in the wider one of their types; `None` where one is none. Among doubles it is that of Java's
/// `Double.compareTo`: `-0.0` before `0.0`, `NaN` behind all.
pub(crate) fn compare_numbers(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Double(_), _) | (_, Value::Double(_)) => Some(as_double(left)?.total_cmp(&as_double(right)?)),
        _ => Some(as_long(left)?.cmp(&as_long(right)?)),
    }
}

/// `text` as a number of the type of `number`.
fn read_as(text: &[u8], number: Value<'_>) -> Option<Value<'static>> {
    match number {
        Value::Int(_) => int(text).map(Value::Int),
        Value::Long(_) => long(text).map(Value::Long),
        Value::Double(_) => double(text).map(Value::Double),
        _ => None,
    }
}

fn as_long(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => Some(i64::from(number)),
        Value::Long(number) => Some(number),
        _ => None,
    }
}

fn as_double(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Double(number) => Some(number),
        // Java rounds here as well.
        _ => as_long(value).map(|number| number as f64),
    }
}
