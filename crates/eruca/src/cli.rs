//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::{dlq::DlqArgs, transactions::TransactionsArgs};

/// Where name servers are looked for where nothing else is said.
pub(crate) const DEFAULT_NAME_SERVER: &str = "127.0.0.1:9876";

/// Apache RocketMQ as one small binary.
#[derive(Debug, Parser)]
#[command(name = "eruca", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What is logged to standard error: `warn`, `info`, `debug`, or `RUST_LOG`'s syntax such as
    /// `info,eruca_remoting=debug`
    #[arg(long, global = true, value_name = "FILTER", env = "RUST_LOG", hide_env_values = true)]
    pub(crate) log: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a name server and a broker in this process: all that an application needs
    Up(UpArgs),
    /// Run a name server
    Namesrv(NamesrvArgs),
    /// Run a controller, which elects the masters of broker groups (brokers with enableControllerMode=true)
    Controller(ControllerArgs),
    /// Run a broker
    Broker(BrokerArgs),
    /// Send a message
    Send(SendArgs),
    /// Print messages as they come
    Consume(ConsumeArgs),
    /// Put load on a broker and measure it
    Bench(eruca_bench::BenchArgs),
    /// Ask brokers whether they take messages. Exit code 0: all do; 1: one does not answer; 3: one answers and takes none
    Health(HealthArgs),
    /// Dead letters, the messages that groups gave up on: list them, send them again, drop them
    Dlq(DlqArgs),
    /// Show transactions that are open: half messages whose producers did not say what becomes of them
    Transactions(TransactionsArgs),
    /// Run a command of mqadmin; without one, list them
    #[command(disable_help_flag = true)]
    Admin(AdminArgs),
    /// Look into a data directory, also while a broker works with it; nothing is written
    Store(StoreArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Directory for messages, offsets and topics
    #[arg(long, value_name = "DIR", default_value = "./eruca-data", conflicts_with = "ephemeral")]
    pub(crate) data: PathBuf,
    /// Port of the broker; the VIP port is two below. 0: free ports, of the name server too
    #[arg(long, value_name = "PORT", default_value_t = 10911)]
    pub(crate) port: u16,
    /// Port of the name server [default: 9876, or a free one with --port 0]
    #[arg(long, value_name = "PORT")]
    pub(crate) namesrv_port: Option<u16>,
    /// Keep data in a temporary directory that is removed at the end, and print one line of JSON with the addresses.
    /// Where standard input is a pipe, its end is the end of this process, too
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Address (IP or host name) of the broker that clients are told [default: the one by which each of them came in]
    #[arg(long, value_name = "HOST")]
    pub(crate) advertise: Option<String>,
    #[command(flatten)]
    pub(crate) keys: BrokerKeys,
}

/// Keys of the broker's configuration on the command line.
#[derive(Debug, Args)]
pub(crate) struct BrokerKeys {
    /// A key of the broker's configuration and its value, such as `enableLmq=true`; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) set: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("a key, an equals sign and a value are needed, such as enableLmq=true".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct NamesrvArgs {
    /// Properties file, as Java's name server has it
    #[arg(short, long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Port to listen on, over `listenPort` of the file [default: 9876]
    #[arg(short, long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct ControllerArgs {
    /// Properties file, as Java's controller has it: controllerDLegerPeers and controllerDLegerSelfId must be in it
    #[arg(short, long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BrokerArgs {
    /// Properties file, as Java's broker has it
    #[arg(short, long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Name servers, `host:port` separated by `;`, over `namesrvAddr` of the file [default: 127.0.0.1:9876]
    #[arg(short, long = "namesrv", value_name = "ADDRS", env = "NAMESRV_ADDR", hide_env_values = true)]
    pub(crate) namesrv: Option<String>,
    /// Address (IP or host name) that clients are told, over `brokerIP1` of the file
    #[arg(long, value_name = "HOST")]
    pub(crate) advertise: Option<String>,
    #[command(flatten)]
    pub(crate) keys: BrokerKeys,
}

#[derive(Debug, Args)]
pub(crate) struct NameServers {
    /// Name servers, `host:port` separated by `;`
    #[arg(
        short,
        long = "namesrv",
        value_name = "ADDRS",
        env = "NAMESRV_ADDR",
        hide_env_values = true,
        default_value = DEFAULT_NAME_SERVER
    )]
    pub(crate) namesrv: String,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The topic
    #[arg(short, long)]
    pub(crate) topic: String,
    /// The message's text; `-` reads it from standard input
    pub(crate) body: String,
    /// Tag, for filters
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Keys, for queries, separated by blanks
    #[arg(long)]
    pub(crate) keys: Option<String>,
    /// A property; may be given several times
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) property: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) name_servers: NameServers,
}

#[derive(Debug, Args)]
pub(crate) struct ConsumeArgs {
    /// The topic
    #[arg(short, long)]
    pub(crate) topic: String,
    /// Consumer group: its members share the messages, and its progress is kept [default: a new one]
    #[arg(short, long)]
    pub(crate) group: Option<String>,
    /// Only messages with these tags: `a || b`
    #[arg(long, default_value = "*")]
    pub(crate) tag: String,
    /// Only messages of whose properties this is true: `a > 5 AND b IN ('x','y')`
    #[arg(long, value_name = "SQL92", conflicts_with = "tag")]
    pub(crate) sql: Option<String>,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Where a group begins that has no progress yet
    #[arg(long, value_enum, default_value_t = From::First)]
    pub(crate) from: From,
    #[command(flatten)]
    pub(crate) name_servers: NameServers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum From {
    /// With the oldest message
    First,
    /// With what comes from now on
    Last,
}

#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Only this broker, `host:port` [default: all that the name servers know]
    #[arg(short, long, value_name = "ADDR")]
    pub(crate) broker: Option<String>,
    #[command(flatten)]
    pub(crate) name_servers: NameServers,
}

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Say what a broker would do with the directory, and whether it would start
    Check(StoreCheckArgs),
    /// List the files of the log, the queues and the index files
    Ls(StoreLsArgs),
    /// Print messages as they lie in the log
    Dump(StoreDumpArgs),
    /// Read everything and report what is damaged or does not fit together
    Verify(StoreVerifyArgs),
    /// Show which topics fill the log
    Du(StoreDuArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StoreWhere {
    /// Data directory (`storePathRootDir`) of an Eruca or Java broker
    pub(crate) dir: PathBuf,
    /// Directory of the log where it lies elsewhere (`storePathCommitLog`) [default: DIR/commitlog]
    #[arg(long, value_name = "DIR")]
    pub(crate) commitlog: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StoreCheckArgs {
    #[command(flatten)]
    pub(crate) place: StoreWhere,
    /// The broker's properties file, to compare its keys with the files [default: the default keys]
    #[arg(short, long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StoreLsArgs {
    #[command(flatten)]
    pub(crate) place: StoreWhere,
    /// Only the queues of this topic
    #[arg(short, long)]
    pub(crate) topic: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StoreDumpArgs {
    #[command(flatten)]
    pub(crate) place: StoreWhere,
    /// First log offset [default: the start of the log]
    #[arg(long, value_name = "LOG_OFFSET", conflicts_with = "topic")]
    pub(crate) from: Option<u64>,
    /// Log offset before which to end [default: the end of the log]
    #[arg(long, value_name = "LOG_OFFSET", conflicts_with = "topic")]
    pub(crate) to: Option<u64>,
    /// Only this topic, by its queues
    #[arg(short, long)]
    pub(crate) topic: Option<String>,
    /// Only this queue
    #[arg(short, long, value_name = "ID", requires = "topic")]
    pub(crate) queue: Option<i32>,
    /// First queue offset [default: the queue's lowest]
    #[arg(long, value_name = "QUEUE_OFFSET", requires = "queue")]
    pub(crate) offset: Option<u64>,
    /// What waits for its time, from the timer log, in place of records
    #[arg(long, conflicts_with_all = ["from", "to", "topic"])]
    pub(crate) timers: bool,
    /// End after so many records
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// One JSON object a record, with properties and the whole body (base64)
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StoreVerifyArgs {
    #[command(flatten)]
    pub(crate) place: StoreWhere,
    /// One JSON object a defect
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StoreDuArgs {
    #[command(flatten)]
    pub(crate) place: StoreWhere,
    /// One JSON object a topic
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AdminArgs {
    /// The command and its options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<String>,
}

/// Splits `NAME=VALUE`.
fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("a property is written NAME=VALUE, and neither is empty".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn admin_takes_javas_options_unread() {
        let cli =
            Cli::try_parse_from(["eruca", "admin", "topicRoute", "-n", "a:1", "-t", "T", "-h"]).unwrap();
        let Command::Admin(AdminArgs { words }) = cli.command else { panic!("not admin") };
        assert_eq!(words, ["topicRoute", "-n", "a:1", "-t", "T", "-h"]);
    }

    #[test]
    fn ephemeral_data_has_no_directory_of_the_users() {
        assert!(Cli::try_parse_from(["eruca", "up", "--ephemeral", "--data", "x"]).is_err());
    }
}
