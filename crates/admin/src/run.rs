//! The entry: from the words of a command line to output and exit code.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::{
    Arguments, CommandError,
    command::{COMMANDS, Call, Command},
    hint::closest,
    option::with_common_options,
    usage::usage,
    world::World,
};

/// Whom to ask where neither `-n` nor the environment says it.
const DEFAULT_NAMESRV_ADDR: &str = "127.0.0.1:9876";

/// Runs `mqadmin` with `words`, the command line without the program's name, and returns the exit code: 0 if the
/// command did what it should.
///
/// Results go to standard output, errors and notes to standard error.
pub async fn run(words: Vec<String>) -> ExitCode {
    let mut out = io::stdout().lock();
    let result = run_with(&words, &World::of_this_machine(), &mut out, &mut io::stderr()).await;
    // What was printed before an error still counts.
    let flushed = out.flush().map_err(CommandError::from);
    match result.and(flushed.map_err(|error| Failure { command: None, error: Reason::Command(error) })) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_reader_gone() => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to do where even this cannot be printed.
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

/// A failed command line.
#[derive(Debug)]
pub struct Failure {
    command: Option<&'static str>,
    error: Reason,
}

#[derive(Debug)]
enum Reason {
    Command(CommandError),
    UnknownCommand { typed: String },
}

impl Failure {
    fn is_reader_gone(&self) -> bool {
        matches!(&self.error, Reason::Command(error) if error.is_reader_gone())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.error, self.command) {
            (Reason::UnknownCommand { typed }, _) => {
                write!(f, "mqadmin: unknown command '{typed}'")?;
                match closest(typed, COMMANDS.iter().map(|command| command.name)) {
                    Some(name) => write!(f, ", did you mean '{name}'?"),
                    None => write!(f, "; 'mqadmin' without arguments lists the commands"),
                }
            }
            (Reason::Command(error @ CommandError::Arguments(_)), Some(name)) => {
                write!(f, "mqadmin {name}: {error}; see 'mqadmin help {name}'")
            }
            (Reason::Command(error), Some(name)) => write!(f, "mqadmin {name}: {error}"),
            (Reason::Command(error), None) => write!(f, "mqadmin: {error}"),
        }
    }
}

/// As [`run`] in another world, printing to `out`, and notes to `notes`.
pub async fn run_with(
    words: &[String],
    world: &World,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<(), Failure> {
    let failed = |command: Option<&'static str>| {
        move |error: CommandError| Failure { command, error: Reason::Command(error) }
    };
    let (name, rest) = match words.split_first() {
        None => return list(out).map_err(failed(None)),
        Some((word, [])) if matches!(word.as_str(), "help" | "-h" | "--help") => {
            return list(out).map_err(failed(None));
        }
        Some((word, [name, ..])) if word == "help" => {
            let command = find(name)?;
            return print_usage(command, out).map_err(failed(None));
        }
        Some((name, rest)) => (name, rest),
    };
    let command = find(name)?;
    let outcome = run_command(command, rest, world, out, notes).await;
    outcome.map_err(failed(Some(command.name)))
}

/// The command called `name`; upper and lower case make no difference.
fn find(name: &str) -> Result<&'static Command, Failure> {
    COMMANDS
        .iter()
        .copied()
        .find(|command| command.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| Failure { command: None, error: Reason::UnknownCommand { typed: name.to_owned() } })
}

fn list(out: &mut dyn Write) -> Result<(), CommandError> {
    writeln!(out, "The most commonly used mqadmin commands are:")?;
    for command in COMMANDS {
        writeln!(out, "   {:<35} {}", command.name, command.about)?;
    }
    writeln!(out, "\nSee 'mqadmin help <command>' for more information on a specific command.")?;
    Ok(())
}

fn print_usage(command: &Command, out: &mut dyn Write) -> Result<(), CommandError> {
    out.write_all(usage(command.name, command.options).as_bytes())?;
    Ok(())
}

async fn run_command(
    command: &'static Command,
    words: &[String],
    world: &World,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<(), CommandError> {
    let arguments = Arguments::parse(&with_common_options(command.options), words)?;
    if arguments.has("h") {
        return print_usage(command, out);
    }
    for word in &arguments.surplus {
        writeln!(notes, "mqadmin {}: '{word}' belongs to no option and is ignored", command.name)?;
    }
    let name_servers = match arguments.value("n").map(str::to_owned).or(world.namesrv_addr.clone()) {
        Some(addrs) => addrs,
        None => {
            writeln!(
                notes,
                "mqadmin {}: neither -n nor NAMESRV_ADDR names a name server, {DEFAULT_NAMESRV_ADDR} is asked",
                command.name
            )?;
            DEFAULT_NAMESRV_ADDR.to_owned()
        }
    };
    let admin = crate::session::open(&name_servers, world).await?;
    let outcome = (command.run)(&mut Call {
        arguments: &arguments,
        admin: &admin,
        name_servers: &name_servers,
        world,
        out,
    })
    .await;
    admin.shutdown();
    outcome
}
