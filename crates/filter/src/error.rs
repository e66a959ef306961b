//! Why an expression is refused, and where.

use crate::filter::{DEPTH_MAX, LEN_MAX_BYTES, PROPERTIES_MAX};

/// So many characters of an expression are shown before and after the place of an error.
const EXCERPT_CHARS: usize = 24;

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// Longer than an expression may be.
    #[error(
        "the expression has {len} bytes, the limit is {LEN_MAX_BYTES}: shorten it, or let the producer set a property to ask for"
    )]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Something in it is wrong.
    #[error("at character {position}: {problem}; it reads: {excerpt}")]
    At {
        /// What.
        problem: Problem,
        /// Where: characters from the start, the first one is 1.
        position: usize,
        /// What stands around it; `[here]` marks the place.
        excerpt: String,
    },
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Another word should stand there.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What may stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A whole expression ends there, and there is more. (Java's parser leaves the rest unread.)
    #[error("the expression ends before {found}: join conditions by AND or OR")]
    Trailing {
        /// What comes after it.
        found: String,
    },
    /// No word begins like this.
    #[error(
        "{found:?} has no meaning here: text stands between single quotes, names are of a-z, 0-9, _ and $"
    )]
    UnknownCharacter {
        /// The character.
        found: char,
    },
    /// The quote that ends a text is missing.
    #[error("the text has no end: close it by ', and write '' for a quote in it")]
    UnclosedText,
    /// The end of a comment is missing.
    #[error("the comment has no end: close it by */")]
    UnclosedComment,
    /// Not a number of 64 bits.
    #[error("{text} is greater than {max}, the greatest whole number: write it with a decimal point", max = i64::MAX)]
    WholeNumberTooLarge {
        /// The number as written.
        text: String,
    },
    /// Java has no such floating point literal; zero is among them.
    #[error(
        "{text} is not between 4.9E-324 and 1.7976931348623157E308, which a number with a decimal point must be: write 0 for zero"
    )]
    NumberOutOfRange {
        /// The number as written.
        text: String,
    },
    /// A value stands where a condition must.
    #[error("{what} is neither true nor false: compare it with something")]
    NotACondition {
        /// The value.
        what: String,
    },
    /// `<`, `<=`, `>`, `>=` and `BETWEEN` are for numbers.
    #[error("{what} has no order: <, <=, >, >= and BETWEEN take numbers and properties")]
    NoOrder {
        /// The value.
        what: String,
    },
    /// Nothing equals `NULL`.
    #[error("NULL cannot be compared: write IS NULL or IS NOT NULL")]
    NullCompared,
    /// Both are constants of different kinds.
    #[error("{what} cannot be compared with a text or a number")]
    TruthCompared {
        /// The left one.
        what: String,
    },
    /// `BETWEEN` takes the lower value first.
    #[error("no value is between {low} and {high}: write the lower one first")]
    NothingBetween {
        /// The first one.
        low: String,
        /// The second one.
        high: String,
    },
    /// `IN` asks for a property.
    #[error("{what} is no property, which IN asks for")]
    InWithoutProperty {
        /// What stands before it.
        what: String,
    },
    /// Brackets, `NOT`, signs and comparisons in each other.
    #[error(
        "the expression is nested deeper than {DEPTH_MAX}, which is the limit: write it flatter, with AND and OR"
    )]
    TooDeep,
    /// More different properties than one may ask for.
    #[error(
        "the expression asks for more than {PROPERTIES_MAX} different properties, which is the limit: let the producer join some of them"
    )]
    TooManyProperties,
}

impl SqlError {
    /// `problem` at byte `at` of `text`.
    pub(crate) fn at(text: &str, at: usize, problem: Problem) -> SqlError {
        let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
        let position = before.chars().count() + 1;
        let skipped = (position - 1).saturating_sub(EXCERPT_CHARS);
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let mut excerpt = String::new();
        if skipped > 0 {
            excerpt.push('…');
        }
        excerpt.extend(before.chars().skip(skipped).map(printable));
        excerpt.push_str("[here]");
        excerpt.extend(after.chars().take(EXCERPT_CHARS).map(printable));
        if after.chars().nth(EXCERPT_CHARS).is_some() {
            excerpt.push('…');
        }
        SqlError::At { problem, position, excerpt }
    }
}
