//! `eruca health`: whether brokers answer and take messages, for scripts and containers.

use std::{collections::BTreeMap, fmt, process::ExitCode};

use anyhow::{Context, bail};
use eruca_admin::{Admin, LocalTime, ops};
use eruca_message::Timestamp;

use crate::{cli::HealthArgs, ready::print_line};

/// Exit code where a broker answers and takes no messages. 2 is the command line's own, for options that are wrong.
const EXIT_STOPPED: u8 = 3;

/// What one broker is found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Health {
    /// It takes messages.
    Open,
    /// It answers, and takes none: since when, and why.
    Stopped { since: Option<Timestamp>, reason: String },
    /// It does not answer.
    Silent { why: String },
}

impl Health {
    /// Reads a broker's runtime table. A Java broker has no such row, and is taken at its answer.
    fn of(table: &BTreeMap<String, String>) -> Health {
        match table.get("storeWriteState").map(String::as_str) {
            None | Some("open") => Health::Open,
            Some(_) => Health::Stopped {
                since: table.get("storeWriteStoppedSince").and_then(|ms| ms.parse().ok()).map(Timestamp),
                reason: table.get("storeWriteStoppedReason").cloned().unwrap_or_default(),
            },
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Health::Open => 0,
            Health::Silent { .. } => 1,
            Health::Stopped { .. } => EXIT_STOPPED,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Health::Open => write!(f, "takes messages"),
            Health::Stopped { since: Some(since), reason } => {
                let since = LocalTime::of_this_machine().to_seconds(*since);
                write!(f, "takes no messages since {since}: {reason}")
            }
            Health::Stopped { since: None, reason } => write!(f, "takes no messages: {reason}"),
            Health::Silent { why } => write!(f, "does not answer: {why}"),
        }
    }
}

/// Asks every broker, says what each of them is, and ends with the code of the worst: silence before refusal.
pub(crate) async fn run(args: HealthArgs) -> anyhow::Result<ExitCode> {
    let admin = Admin::builder().name_servers(args.name_servers.namesrv.clone()).build().await?;
    let addrs = match args.broker {
        Some(addr) => vec![addr],
        None => {
            let asked = ops::all_addrs(&admin).await;
            asked.with_context(|| format!("name server {} cannot be asked", args.name_servers.namesrv))?
        }
    };
    if addrs.is_empty() {
        bail!("name server {} knows no broker", args.name_servers.namesrv);
    }
    let mut codes = Vec::new();
    for addr in addrs {
        let health = match admin.fetch_broker_runtime_stats(&addr).await {
            Ok(stats) => Health::of(&stats.table),
            Err(error) => Health::Silent { why: error.to_string() },
        };
        print_line(&format!("broker {addr} {health}"))?;
        codes.push(health.exit_code());
    }
    admin.shutdown();
    let is_silent = codes.contains(&1);
    Ok(ExitCode::from(if is_silent { 1 } else { codes.into_iter().max().unwrap_or(0) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(rows: &[(&str, &str)]) -> Health {
        Health::of(&rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn the_runtime_table_tells_whether_messages_are_taken() {
        assert_eq!(health(&[("storeWriteState", "open")]), Health::Open);
        assert_eq!(health(&[("brokerVersionDesc", "V5_5_0")]), Health::Open, "a Java broker");
        let stopped = health(&[
            ("storeWriteState", "stopped"),
            ("storeWriteStoppedSince", "1700000000000"),
            ("storeWriteStoppedReason", "sync /data failed"),
        ]);
        assert_eq!(stopped.exit_code(), EXIT_STOPPED);
        let text = stopped.to_string();
        assert!(text.starts_with("takes no messages since 2023-11-1"), "{text}");
        assert!(text.ends_with(": sync /data failed"), "{text}");
    }
}
