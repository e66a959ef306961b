//! mqadmin: the commands of the Java system's admin tool, with its options and its output.
//!
//! Read in this order: the entry (`run`), how arguments are read (`option`, `arguments`, `usage`), the commands
//! (`command`, one file each), what they ask for (`ops`, which print nothing), and how results are written (`table`,
//! `time_text`, `message_text`, `running_text`, `config_text`).
//!
//! ```no_run
//! # async fn example() -> std::process::ExitCode {
//! eruca_admin::run(vec!["topicRoute".into(), "-n".into(), "127.0.0.1:9876".into(), "-t".into(), "orders".into()]).await
//! # }
//! ```

mod run;

mod arguments;
mod completion;
mod error;
mod hint;
mod option;
mod session;
mod usage;
mod world;

mod command;
pub mod ops;

mod config_text;
mod java_order;
mod message_text;
mod running_text;
mod table;
mod time_text;

pub use arguments::{ArgumentError, Arguments};
pub use command::{COMMANDS, Call, Command, Outcome};
pub use completion::clap_command;
pub use error::CommandError;
pub use option::{Need, Opt};
pub use run::{Failure, run, run_with};
pub use session::Admin;
pub use time_text::LocalTime;
pub use usage::usage;
pub use world::World;
