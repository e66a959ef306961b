//! What can be typed after `eruca dlq`.

use clap::{Args, Subcommand};

use crate::cli::NameServers;

#[derive(Debug, Args)]
pub(crate) struct DlqArgs {
    #[command(subcommand)]
    pub(super) command: DlqCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum DlqCommand {
    /// Show which groups have dead letters, or those of one group
    List(ListArgs),
    /// Send a group's dead letters to their topics again, each once
    Redrive(RedriveArgs),
    /// Drop all dead letters of a group
    Purge(PurgeArgs),
}

impl DlqCommand {
    /// The name servers to ask.
    pub(super) fn name_servers(&self) -> &str {
        match self {
            DlqCommand::List(ListArgs { name_servers, .. })
            | DlqCommand::Redrive(RedriveArgs { name_servers, .. })
            | DlqCommand::Purge(PurgeArgs { name_servers, .. }) => &name_servers.namesrv,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The messages of this group instead of an overview
    #[arg(short, long)]
    pub(super) group: Option<String>,
    /// Show at most so many messages
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) limit: u64,
    #[command(flatten)]
    pub(super) name_servers: NameServers,
}

#[derive(Debug, Args)]
pub(super) struct RedriveArgs {
    /// Whose dead letters
    #[arg(short, long)]
    pub(super) group: String,
    /// Only show what would be sent
    #[arg(long)]
    pub(super) preview: bool,
    /// To this group alone, by its retry topic. Otherwise to the topic from which a message came, and so to all groups
    /// that consume it
    #[arg(long)]
    pub(super) to_group: bool,
    /// Messages a second
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: u32,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<u64>,
    /// Also those that were sent again before: begin with the oldest
    #[arg(long)]
    pub(super) again: bool,
    #[command(flatten)]
    pub(super) name_servers: NameServers,
}

#[derive(Debug, Args)]
pub(super) struct PurgeArgs {
    /// Whose dead letters
    #[arg(short, long)]
    pub(super) group: String,
    /// Without this nothing is dropped
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) name_servers: NameServers,
}
