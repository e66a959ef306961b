//! A filter, from its text to its answers.

use crate::{
    error::SqlError,
    evaluate::{Truth, truth},
    names::Names,
    node::Node,
    parser::{Parsed, parse},
};

/// Most bytes of an expression.
pub const LEN_MAX_BYTES: usize = 64 << 10;
/// How deep brackets, `NOT`, signs and comparisons may be in each other.
pub const DEPTH_MAX: usize = 100;
/// Most different properties in an expression.
pub const PROPERTIES_MAX: usize = 128;

/// Most filters ask for few properties, for which there is a small table.
const FEW: usize = 8;

/// A compiled SQL92 expression (Java: what `SqlFilter.compile` makes).
///
/// | written | meaning |
/// |---|---|
/// | `a = 5`, `<>` | equal; a text is read as a number beside a number |
/// | `a > 5`, `>=`, `<`, `<=`, `[NOT] BETWEEN x AND y` | numbers only, and properties that are |
/// | `[NOT] IN ('x', 'y')` | texts only |
/// | `[NOT] CONTAINS`, `STARTSWITH`, `ENDSWITH 'x'` | texts; false where there is none, also with NOT |
/// | `IS [NOT] NULL` | whether the property is missing |
/// | `AND`, `OR`, `NOT` | of three values; `NOT` binds more tightly than `=` |
/// | `5`, `5L`, `5.5`, `'it''s'`, `TRUE`, `FALSE`, `NULL` | constants |
///
/// Names of properties are case-sensitive, keywords are not.
#[derive(Debug)]
pub struct SqlFilter {
    condition: Node,
    names: Names,
    /// Steps of one evaluation, about.
    steps: usize,
    /// How often it looks through a text.
    searches: usize,
}

impl SqlFilter {
    /// Compiles `expression`.
    ///
    /// # Errors
    /// Says what is wrong and where. Limits: [`LEN_MAX_BYTES`], [`DEPTH_MAX`], [`PROPERTIES_MAX`].
    pub fn compile(expression: &str) -> Result<SqlFilter, SqlError> {
        if expression.len() > LEN_MAX_BYTES {
            return Err(SqlError::TooLong { len: expression.len() });
        }
        let Parsed { condition, names, steps, searches } = parse(expression)?;
        Ok(SqlFilter { condition, names, steps, searches })
    }

    /// Whether a message matches, by its encoded properties (see [`eruca_message::properties`]).
    pub fn matches(&self, properties: &[u8]) -> bool {
        self.evaluate(properties) == Truth::True
    }

    /// What the expression is for a message.
    pub fn evaluate(&self, properties: &[u8]) -> Truth {
        match self.names.len() {
            0..=FEW => self.evaluate_with(&mut [None; FEW], properties),
            _ => self.evaluate_with(&mut [None; PROPERTIES_MAX], properties),
        }
    }

    fn evaluate_with<'a>(&self, values: &mut [Option<&'a [u8]>], properties: &'a [u8]) -> Truth {
        self.names.look_up(properties, values);
        truth(&self.condition, values)
    }

    /// What an evaluation costs, about: steps, and bytes looked through in steps of 32. Whoever evaluates filters of
    /// strangers adds them up and stops somewhere.
    pub fn work(&self, properties_len_bytes: usize) -> usize {
        let look = properties_len_bytes / 32 + 1;
        self.steps + look * (1 + self.searches)
    }

    /// The properties that it asks for.
    pub fn property_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter()
    }
}
