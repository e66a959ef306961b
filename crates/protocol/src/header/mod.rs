//! The two forms of a header.

pub(crate) mod binary;
mod blank;
pub(crate) mod json;

pub(crate) use blank::{EXT_FIELDS_MAX, blank};
