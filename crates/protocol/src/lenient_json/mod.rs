//! JSON as Java peers write it with fastjson: integer keys without quotes (`{0:"a"}`), objects as keys
//! (`{{"queueId":0}:1}`), sorted members, no null members; and what they tolerate when they read: single quotes,
//! surplus commas, numbers as texts.
//!
//! Reading takes neither more stack than [`DEPTH_MAX`](scan) levels nor memory out of proportion to the text.

mod float;
mod names;
mod read;
mod scan;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub(crate) use names::{newer_name, older_name};
pub(crate) use read::from_slice;
pub use scan::JsonError;
pub(crate) use scan::Scanner;
pub(crate) use write::{Style, escape_into, to_vec};
