//! The CommitLog: every message of the broker, one after the other, in files of one size.
//!
//! `staging` holds what was appended and not yet written, `segments` are the files, `scan` reads records
//! one after the other and says where and why the log ends.

mod scan;
mod segments;
mod staging;

pub(crate) use scan::walk_log;
pub use scan::{Found, LogEnd, LogItem, Walk, log_item};
pub(crate) use segments::Segments;
pub(crate) use staging::{Extra, Pending, Staging};
