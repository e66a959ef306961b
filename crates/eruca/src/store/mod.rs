//! `eruca store`: looks into a data directory and writes nothing.
//!
//! One file a command: `check`, `ls`, `dump`, `verify`, `du`; `tables` reads the JSON files in `config`, `timers` what waits for its time, `output` is how all
//! of them print.

mod check;
mod du;
mod dump;
mod ls;
mod output;
mod run;
mod tables;
mod timers;
mod verify;

pub(crate) use run::run;
