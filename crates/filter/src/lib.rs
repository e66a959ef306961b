//! SQL92 filters: conditions on the properties of a message, as RocketMQ has them.
//!
//! Read in this order: words (`token`), what may be written (`parser`, with the limits), what becomes of it (`node`),
//! which properties it asks for (`names`), and how it is decided (`evaluate`, `value`, `number`). No I/O, no protocol.
//!
//! ```
//! use eruca_filter::SqlFilter;
//!
//! let filter = SqlFilter::compile("a > 5 AND b IN ('x', 'y')")?;
//! assert!(filter.matches(b"a\x017\x02b\x01y\x02"));
//! assert!(!filter.matches(b"a\x017\x02"));
//! let error = SqlFilter::compile("a > 5 AND )").unwrap_err().to_string();
//! assert!(error.starts_with("at character 11: expected a property, a value, NOT, +, - or '(', found ')'"));
//! # Ok::<(), eruca_filter::SqlError>(())
//! ```

mod error;
mod evaluate;
mod filter;
mod names;
mod node;
mod number;
mod operand;
mod parser;
mod token;
mod value;

pub use error::{Problem, SqlError};
pub use evaluate::Truth;
pub use filter::{DEPTH_MAX, LEN_MAX_BYTES, PROPERTIES_MAX, SqlFilter};
