//! Apache RocketMQ as one small binary: every role is a subcommand, `up` runs all in one process.
//!
//! Read in this order: what can be typed (`cli`), what is checked before anything starts (`preflight`), the roles
//! (`run_up`, `run_broker`, `run_namesrv`, `run_controller`, `broker_role`), the proof that they work (`self_test`, `ready`), how they end (`signals`),
//! the small tools (`send`, `consume`, `dlq`, `transactions`, `health`; `bench` is a crate of its own), and what looks into a data
//! directory (`store`).

mod broker_role;
mod cli;
mod config_file;
mod consume;
mod dlq;
mod failure;
mod health;
mod logging;
mod preflight;
mod ready;
mod run_broker;
mod run_controller;
mod run_namesrv;
mod run_up;
mod self_test;
mod send;
mod signals;
mod store;
mod transactions;

use std::{path::Path, process::ExitCode, time::Instant};

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};

/// Under this name the binary takes admin commands directly.
const ADMIN_NAME: &str = "mqadmin";

fn main() -> ExitCode {
    let started = Instant::now();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("eruca: the system gives no event queue ({error}): raise the limit of open files");
            return ExitCode::FAILURE;
        }
    };
    let mut words = std::env::args();
    let name = words.next().unwrap_or_default();
    if Path::new(&name).file_stem().is_some_and(|name| name == ADMIN_NAME) {
        return runtime.block_on(eruca_admin::run(words.collect()));
    }
    let cli = Cli::parse();
    let result = runtime.block_on(run(cli, started));
    // A store that is being put in order when a signal comes is left as kill -9 would leave it: that is safe.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("eruca: {}", failure::text(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli, started: Instant) -> anyhow::Result<ExitCode> {
    let is_server = matches!(
        cli.command,
        Command::Up(_) | Command::Namesrv(_) | Command::Controller(_) | Command::Broker(_)
    );
    logging::start(cli.log.as_deref(), if is_server { "info" } else { "warn" })?;
    match cli.command {
        Command::Namesrv(args) => run_namesrv::run(args, started).await?,
        Command::Controller(args) => run_controller::run(args, started).await?,
        Command::Send(args) => send::run(args).await?,
        Command::Bench(args) => eruca_bench::run(args).await?,
        Command::Dlq(args) => dlq::run(args).await?,
        Command::Transactions(args) => transactions::run(args).await?,
        Command::Health(args) => return health::run(args).await,
        Command::Admin(args) => return Ok(eruca_admin::run(args.words).await),
        Command::Store(args) => return store::run(args),
        Command::Completions { shell } => print_completions(shell),
        Command::Consume(args) => consume::run(args).await?,
        Command::Up(args) => run_up::run(args, started).await?,
        Command::Broker(args) => run_broker::run(args, started).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print_completions(shell: clap_complete::Shell) {
    let admin = eruca_admin::clap_command("admin");
    let mut command = Cli::command().mut_subcommand("admin", |_| admin);
    clap_complete::generate(shell, &mut command, "eruca", &mut std::io::stdout());
}
