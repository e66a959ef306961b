//! The one line that says that everything works, and with which addresses.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use serde::Serialize;

use crate::preflight::MemoryBudget;

/// What is ready.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ready {
    /// `true`: the line is printed when everything works, and not before.
    pub(crate) ready: bool,
    /// Address of the name server, where there is one in this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namesrv: Option<String>,
    /// Address of the controller, where there is one in this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) controller: Option<String>,
    /// Address of the broker that clients are told, where there is one in this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) broker: Option<String>,
    /// Whether `broker` is only an example: every client is told the address by which it came in.
    #[serde(skip)]
    pub(crate) told_by_connection: bool,
    /// Address of the broker's VIP port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vip: Option<String>,
    /// The data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,
    /// What an acknowledgement means.
    #[serde(skip)]
    pub(crate) flush: Option<&'static str>,
    /// The memory budget, as text.
    pub(crate) memory: String,
    /// Time from the start of the process to here.
    pub(crate) took_ms: u128,
}

impl Ready {
    /// Nothing is known but the memory budget.
    pub(crate) fn new(memory: &MemoryBudget) -> Ready {
        Ready {
            ready: true,
            namesrv: None,
            controller: None,
            broker: None,
            told_by_connection: false,
            vip: None,
            data: None,
            flush: None,
            memory: memory.to_string(),
            took_ms: 0,
        }
    }

    /// The line for people.
    pub(crate) fn text(&self) -> String {
        let mut parts = Vec::new();
        if let Some(addr) = &self.namesrv {
            parts.push(format!("name server {addr}"));
        }
        if let Some(addr) = &self.controller {
            parts.push(format!("controller {addr}"));
        }
        if let Some(addr) = &self.broker {
            let told = if self.told_by_connection {
                " (clients are told the address by which they came in)"
            } else {
                " (what clients are told)"
            };
            parts.push(format!("broker {addr}{told}"));
        }
        if let Some(dir) = &self.data {
            let flush = self.flush.map(|flush| format!(" ({flush})")).unwrap_or_default();
            parts.push(format!("data {}{flush}", dir.display()));
        }
        parts.push(format!("memory budget {}", self.memory));
        format!("ready in {} ms: {}", self.took_ms, parts.join(", "))
    }

    /// The line for programs.
    pub(crate) fn json(&self) -> String {
        // Texts and numbers only: that cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Prints a line to standard output, at once.
pub(crate) fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Ready {
        Ready {
            namesrv: Some("127.0.0.1:9876".into()),
            controller: None,
            broker: Some("127.0.0.1:10911".into()),
            told_by_connection: true,
            vip: Some("127.0.0.1:10909".into()),
            data: Some("/data".into()),
            flush: Some("flushed before acknowledged"),
            ready: true,
            memory: "1 GiB of the machine's 4 GiB".into(),
            took_ms: 42,
        }
    }

    #[test]
    fn people_get_one_line() {
        assert_eq!(
            ready().text(),
            "ready in 42 ms: name server 127.0.0.1:9876, broker 127.0.0.1:10911 (clients are told the address by \
             which they came in), data /data (flushed before acknowledged), memory budget 1 GiB of the machine's 4 GiB"
        );
    }

    #[test]
    fn programs_get_one_object() {
        let json: serde_json::Value = serde_json::from_str(&ready().json()).unwrap();
        assert_eq!((&json["ready"], &json["namesrv"]), (&true.into(), &"127.0.0.1:9876".into()));
        assert_eq!((&json["broker"], &json["tookMs"]), (&"127.0.0.1:10911".into(), &42.into()));
    }
}
