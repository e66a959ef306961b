//! Which messages consumers ask for: by tags, or by SQL92 conditions on properties.
//!
//! `subscription` is what one member of a group asks for of one topic, `message_filter` chooses by it, `compiled` keeps
//! compiled expressions. `consumer_filters` is Java's file of groups that filter by expressions, with `bloom` for its sake.

mod bloom;
mod compiled;
mod consumer_filters;
mod message_filter;
mod subscription;

pub use compiled::CompiledFilters;
pub use consumer_filters::ConsumerFilters;
pub use message_filter::{MessageFilter, ReadFilter};
pub(crate) use message_filter::{WORK_MAX, tags_code_of};
pub use subscription::{FilterError, Subscription, check_expression_type, parse_subscription};
