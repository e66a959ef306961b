//! From what was typed to the command.

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::Context;
use eruca_store::{ReadOnlyDisk, inspect::StoreDirectory};

use super::{check, du, dump, ls, verify};
use crate::cli::{StoreArgs, StoreCommand, StoreWhere};

pub(crate) fn run(args: StoreArgs) -> anyhow::Result<ExitCode> {
    let result = match args.command {
        StoreCommand::Check(args) => check::run(&args),
        StoreCommand::Ls(args) => ls::run(&args),
        StoreCommand::Dump(args) => dump::run(&args),
        StoreCommand::Verify(args) => verify::run(&args),
        StoreCommand::Du(args) => du::run(&args),
    };
    match result {
        // Whoever read the output has enough.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Opens the directory to be looked at.
pub(super) fn open(place: &StoreWhere) -> anyhow::Result<StoreDirectory> {
    let opened = StoreDirectory::open(Arc::new(ReadOnlyDisk), &place.dir, place.commitlog.as_deref());
    opened.with_context(|| format!("{} cannot be looked at", place.dir.display()))
}

/// Whether a broker works with the directory at this moment.
pub(super) fn is_in_use(dir: &Path) -> bool {
    // A lock file that cannot be read says nothing; the files themselves are looked at all the same.
    ReadOnlyDisk.is_locked(&dir.join("lock")).unwrap_or(false)
}
