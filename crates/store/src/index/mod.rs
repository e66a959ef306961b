//! Index files: where the messages of a key lie in the log.
//!
//! Made from the log behind the appends, never on their way: `build` reads what is new (`scan`), takes the keys out
//! of each record (`key`), and puts them into the newest file in batches (`file`); `query` finds messages again.
//! `layout` has the bytes, `name` the files' names, `files` knows which files there are and which of them can be
//! trusted, `repair` puts one in order that was not closed,
//! `cut` takes away what was indexed of a tail that the log lost.
//!
//! An index can be made anew from the log. So nothing waits for it: it is synced when a file is full and at a clean
//! stop, and a failure of its files stops neither sends nor the start.

mod build;
mod cut;
mod file;
mod files;
mod key;
mod layout;
mod name;
mod query;
mod repair;
mod scan;

pub use build::IndexStep;
pub(crate) use files::KeyIndex;
pub use key::KeyKind;
pub use layout::{IndexEntry, IndexHeader};
pub use query::{MessageQuery, QueryOutcome};
