//! Tables on disk: Java's `config/*.json`, and a journal beside each for what happened since the file was written.
//!
//! A table is written as a whole every few seconds (`json_file`), so that a Java broker finds it current. Between two
//! writes each change goes to a small journal (`journal`), which reaches the kernel before the change is answered:
//! kill -9 loses nothing that was acknowledged. `table_file` joins the two, `change` is what
//! tables of named things note.

mod change;
mod error;
mod journal;
mod json_file;
mod table_file;

pub(crate) use change::{Change, Forbid, note_delete, note_forbid, note_put};
pub use error::PersistError;
pub(crate) use json_file::{read_with_backup, replace};
pub(crate) use table_file::TableFile;
