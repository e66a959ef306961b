//! From what was typed to what is done.

use crate::{
    args::{BenchArgs, BenchCommand},
    consume, echo,
    error::BenchError,
    latency, produce, timers,
};

/// Runs what was typed and prints the results. To be called inside a Tokio runtime.
///
/// # Errors
/// The load could not be run, or nothing of it succeeded. What a broker refuses meanwhile is part of the results.
pub async fn run(args: BenchArgs) -> Result<(), BenchError> {
    match args.command {
        BenchCommand::Produce(args) => produce::run(args).await,
        BenchCommand::Consume(args) => consume::run(args).await,
        BenchCommand::Latency(args) => latency::run(args).await,
        BenchCommand::Timers(args) => timers::run(args).await,
        BenchCommand::Echo(args) => echo::run(args).await,
    }
}
