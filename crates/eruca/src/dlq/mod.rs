//! `eruca dlq`: what groups gave up on: look at it, send it again, drop it.
//!
//! Read in this order: what can be typed (`args`), the queues of a dead letter topic (`queues`), then one file for
//! each command.

mod args;
mod list;
mod origin;
mod pace;
mod purge;
mod queues;
mod redrive;

pub(crate) use args::DlqArgs;

use eruca_admin::Admin;

use args::DlqCommand;

pub(crate) async fn run(args: DlqArgs) -> anyhow::Result<()> {
    let admin = Admin::builder().name_servers(args.command.name_servers()).build().await?;
    let result = match args.command {
        DlqCommand::List(list) => list::run(&admin, list).await,
        DlqCommand::Redrive(redrive) => redrive::run(&admin, redrive).await,
        DlqCommand::Purge(purge) => purge::run(&admin, purge).await,
    };
    admin.shutdown();
    result
}
