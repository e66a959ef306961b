//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use eruca_protocol::HeaderEncoding;

/// `eruca bench …`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    pub(crate) command: BenchCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Send as fast as the broker takes it, or at a fixed rate
    Produce(ProduceArgs),
    /// Read what the topics hold, or what comes
    Consume(ConsumeArgs),
    /// Send at a fixed rate and measure until a push consumer has each message
    Latency(LatencyArgs),
    /// Have many messages wait for a time of delivery, and a burst due at once, and measure how late it comes
    Timers(TimersArgs),
    /// Answer sends without keeping anything: what the network and one copy of the bytes cost at least
    Echo(EchoArgs),
}

/// Topics and brokers.
#[derive(Debug, Clone, Args)]
pub(crate) struct DestinationArgs {
    /// Name servers, `host:port` separated by `;`
    #[arg(
        short,
        long = "namesrv",
        value_name = "ADDRS",
        env = "NAMESRV_ADDR",
        hide_env_values = true,
        default_value = "127.0.0.1:9876"
    )]
    pub(crate) namesrv: String,
    /// Talk to this broker (`host:port`) without asking a name server; topics are not created then
    #[arg(long, value_name = "ADDR")]
    pub(crate) broker: Option<String>,
    /// The topic; it is created where it does not exist
    #[arg(short, long, default_value = "bench")]
    pub(crate) topic: String,
    /// Spread over so many topics: the name gets a number behind it, bench0, bench1, …
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) topics: u32,
    /// Queues that a new topic gets on each broker, and of a topic at --broker [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=65_536))]
    pub(crate) queues: Option<i32>,
}

/// How long.
#[derive(Debug, Clone, Args)]
pub(crate) struct DurationArgs {
    /// End after so many seconds of measurement
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: Option<u32>,
    /// End after so many measured messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Seconds of the same load before the measurement [default: 2; 0 with --count or of a backlog]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub(crate) warmup: Option<u32>,
}

/// What is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// Write the results as JSON to a file; `-`: to standard output, instead of the text
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also report CPU time and memory of this process on this machine
    #[arg(long, value_name = "PID")]
    pub(crate) broker_pid: Option<u32>,
    /// No line of progress each second
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Who makes the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Through {
    /// Prepared frames on connections of their own: costs the machine least
    Raw,
    /// The client library: its cost is measured, too
    Client,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Header {
    Json,
    Rocketmq,
}

impl From<Header> for HeaderEncoding {
    fn from(header: Header) -> Self {
        match header {
            Header::Json => HeaderEncoding::Json,
            Header::Rocketmq => HeaderEncoding::Binary,
        }
    }
}

/// What messages look like.
#[derive(Debug, Clone, Args)]
pub(crate) struct MessageArgs {
    /// Bytes of a body
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=16 << 20))]
    pub(crate) size: u32,
    /// Give each message one of so many keys
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keys: u32,
    /// Give each message one of so many tags: tag0, tag1, …
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) tags: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ProduceArgs {
    #[command(flatten)]
    pub(crate) destination: DestinationArgs,
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    /// Messages of one request
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) batch: u32,
    /// Connections, spread over the brokers
    #[arg(short, long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) connections: u32,
    /// Requests that each connection has under way at most
    #[arg(short, long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) outstanding: u32,
    /// Messages a second, of all connections together. Latency then counts from the moment at which a message was due,
    /// also where it had to wait for the ones before it [default: as fast as it goes]
    #[arg(short, long, value_name = "N")]
    pub(crate) rate: Option<f64>,
    #[command(flatten)]
    pub(crate) duration: DurationArgs,
    /// Form of the frames' headers
    #[arg(long, value_enum, default_value_t = Header::Json)]
    pub(crate) header: Header,
    /// Who makes the requests
    #[arg(long, value_enum, default_value_t = Through::Raw)]
    pub(crate) through: Through,
    /// Threads that make the load
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: u32,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ConsumeArgs {
    #[command(flatten)]
    pub(crate) destination: DestinationArgs,
    /// The consumer group. Without the client library its offsets are neither read nor written
    #[arg(short, long, default_value = "eruca_bench")]
    pub(crate) group: String,
    /// Only messages with these tags: `a || b`
    #[arg(long, default_value = "*")]
    pub(crate) tag: String,
    /// Most messages of one pull
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) batch: u32,
    /// Connections, among which the queues are shared. Through the client library each is a member of the group: while
    /// they join, some messages come twice
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) connections: u32,
    /// Pulls that each connection has under way at most, of different queues
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) outstanding: u32,
    /// Begin with what comes from now on and wait for more, until the time or the count is reached [default: begin with
    /// the oldest message and end with the newest]
    #[arg(long)]
    pub(crate) live: bool,
    #[command(flatten)]
    pub(crate) duration: DurationArgs,
    /// Form of the frames' headers
    #[arg(long, value_enum, default_value_t = Header::Json)]
    pub(crate) header: Header,
    /// Who makes the requests
    #[arg(long, value_enum, default_value_t = Through::Raw)]
    pub(crate) through: Through,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LatencyArgs {
    #[command(flatten)]
    pub(crate) destination: DestinationArgs,
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    /// Messages a second. Latency counts from the moment at which a message was due
    #[arg(short, long, value_name = "N", default_value_t = 1000.0)]
    pub(crate) rate: f64,
    /// Producers, each with a connection of its own
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) connections: u32,
    /// Sends that each producer has under way at most
    #[arg(short, long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) outstanding: u32,
    #[command(flatten)]
    pub(crate) duration: DurationArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TimersArgs {
    #[command(flatten)]
    pub(crate) destination: DestinationArgs,
    /// Messages that wait, due in an hour or two
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) pending: u64,
    /// Messages that are due together
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) burst: u64,
    /// Over so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    pub(crate) spread_ms: u32,
    /// So many seconds after the first of them is sent
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) lead: u32,
    /// Bytes of a body
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=16 << 20))]
    pub(crate) size: u32,
    /// Producers, each with a connection of its own
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) connections: u32,
    /// Sends that each producer has under way at most
    #[arg(short, long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) outstanding: u32,
    /// Also report CPU time and memory of this process on this machine
    #[arg(long, value_name = "PID")]
    pub(crate) broker_pid: Option<u32>,
    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// No line of progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct EchoArgs {
    /// Port to listen on, of 127.0.0.1. 0: a free one
    #[arg(short, long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
    /// File into which bodies are written, from the beginning again after 1 GiB; removed at the end
    #[arg(long, value_name = "FILE", default_value = "eruca-echo.data")]
    pub(crate) file: PathBuf,
}
