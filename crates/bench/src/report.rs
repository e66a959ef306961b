//! The results, for people and for programs.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::Path,
};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{args::OutputArgs, error::BenchError, failures::Failure, meter::Latencies, watch::Measured};

const MEGABYTE: f64 = (1 << 20) as f64;

/// One load's results.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    command: &'static str,
    settings: Map<String, Value>,
    /// Measured, without warm-up.
    seconds: f64,
    messages: u64,
    messages_per_second: f64,
    requests: u64,
    megabytes_per_second: f64,
    latency: LatencyReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledgement: Option<LatencyReport>,
    failures: Vec<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broker: Option<BrokerReport>,
    client: CpuReport,
}

/// Milliseconds. `count` is how many requests or messages they are of.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LatencyReport {
    of: &'static str,
    count: u64,
    mean_ms: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CpuReport {
    cpu_seconds: f64,
    user_seconds: f64,
    system_seconds: f64,
    /// `null` where there was no message.
    cpu_seconds_per_million: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BrokerReport {
    pid: u32,
    #[serde(flatten)]
    cpu: CpuReport,
    resident_before_mb: f64,
    resident_after_mb: f64,
    resident_peak_mb: f64,
    anonymous_peak_mb: f64,
}

impl Report {
    /// `latency_of` says what latencies are of.
    pub(crate) fn new(
        command: &'static str,
        settings: impl IntoIterator<Item = (&'static str, Value)>,
        latency_of: &'static str,
        measured: &Measured,
    ) -> Report {
        let messages = measured.counts.messages;
        let per_second = |amount: f64| if measured.seconds > 0.0 { amount / measured.seconds } else { 0.0 };
        let cpu = |cpu: crate::process::CpuSeconds| CpuReport {
            cpu_seconds: cpu.total(),
            user_seconds: cpu.user,
            system_seconds: cpu.system,
            cpu_seconds_per_million: (messages > 0).then(|| cpu.total() * 1e6 / messages as f64),
        };
        let megabytes = |bytes: u64| bytes as f64 / MEGABYTE;
        Report {
            command,
            settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            seconds: measured.seconds,
            messages,
            messages_per_second: per_second(messages as f64),
            requests: measured.counts.requests,
            megabytes_per_second: per_second(megabytes(measured.counts.bytes)),
            latency: LatencyReport::new(latency_of, &measured.latencies),
            acknowledgement: None,
            failures: measured.failures.list(),
            broker: measured.broker.map(|broker| BrokerReport {
                pid: broker.pid,
                cpu: cpu(broker.cpu),
                resident_before_mb: megabytes(broker.memory_before.resident),
                resident_after_mb: megabytes(broker.memory_after.resident),
                resident_peak_mb: megabytes(broker.memory_peak.resident),
                anonymous_peak_mb: megabytes(broker.memory_peak.anonymous),
            }),
            client: cpu(measured.client_cpu),
        }
    }

    /// This report with the latencies of sends, where the others are of something else.
    pub(crate) fn with_acknowledgements(mut self, latencies: &Latencies) -> Report {
        self.acknowledgement = Some(LatencyReport::new("send to acknowledgement", latencies));
        self
    }

    /// Prints and writes what was asked for.
    ///
    /// # Errors
    /// The file cannot be written, or nothing was acknowledged at all.
    pub(crate) fn publish(&self, output: &OutputArgs) -> Result<(), BenchError> {
        // Numbers and texts only: that cannot fail.
        let json = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        let to_stdout = output.json.as_deref() == Some(Path::new("-"));
        let shown = if to_stdout { json.clone() } else { self.text() };
        // Whoever closed the pipe does not want it any more.
        let _ = io::stdout().lock().write_all(shown.as_bytes());
        if let Some(path) = output.json.as_deref().filter(|_| !to_stdout) {
            fs::write(path, json).map_err(|source| BenchError::File { path: path.to_owned(), source })?;
        }
        match (self.messages, self.failures.first()) {
            (0, Some(failure)) => {
                Err(BenchError::Nothing { first: format!("{}: {}", failure.name, failure.first) })
            }
            _ => Ok(()),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "{} messages in {:.2} s: {:.0} a second, {:.1} MB/s, {} requests",
            self.messages, self.seconds, self.messages_per_second, self.megabytes_per_second, self.requests
        )?;
        for latency in [Some(&self.latency), self.acknowledgement.as_ref()].into_iter().flatten() {
            latency.write_text(out)?;
        }
        if let Some(broker) = &self.broker {
            writeln!(
                out,
                "broker {}: {}; resident {:.1} MB before, {:.1} after, {:.1} at most ({:.1} without files)",
                broker.pid,
                broker.cpu.text(),
                broker.resident_before_mb,
                broker.resident_after_mb,
                broker.resident_peak_mb,
                broker.anonymous_peak_mb
            )?;
        }
        writeln!(out, "this client: {}", self.client.text())?;
        for failure in &self.failures {
            writeln!(out, "failed: {} x {}: {}", failure.count, failure.name, failure.first)?;
        }
        Ok(())
    }
}

impl LatencyReport {
    fn new(of: &'static str, latencies: &Latencies) -> LatencyReport {
        let ms = |ns: u64| ns as f64 / 1e6;
        let quantile = |quantile| ms(latencies.value_at_quantile(quantile));
        LatencyReport {
            of,
            count: latencies.len(),
            mean_ms: latencies.mean() / 1e6,
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: ms(latencies.max()),
        }
    }
}

impl LatencyReport {
    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        if self.count == 0 {
            return Ok(());
        }
        writeln!(
            out,
            "{}: mean {:.3} ms, p50 {:.3}, p90 {:.3}, p99 {:.3}, p99.9 {:.3}, max {:.3}",
            self.of, self.mean_ms, self.p50_ms, self.p90_ms, self.p99_ms, self.p999_ms, self.max_ms
        )
    }
}

impl CpuReport {
    fn text(&self) -> String {
        let each =
            self.cpu_seconds_per_million.map_or_else(String::new, |cost| format!(", {cost:.2} µs a message"));
        format!(
            "{:.2} s of CPU (user {:.2}, system {:.2}){each}",
            self.cpu_seconds, self.user_seconds, self.system_seconds
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        failures::{Failures, Kind},
        meter::{Counts, no_latencies},
        process::{CpuSeconds, Memory},
        watch::BrokerCost,
    };

    fn measured() -> Measured {
        let mut latencies = no_latencies();
        (1..=1000).for_each(|ms| latencies.saturating_record(ms * 1_000_000));
        let mut failures = Failures::default();
        failures.add(Kind::Code(2), 7, || "[PCBUSY_CLEAN_QUEUE]broker busy".to_owned());
        let memory = |mb: u64| Memory { resident: mb << 20, anonymous: mb << 19 };
        Measured {
            seconds: 2.0,
            counts: Counts { messages: 500_000, requests: 250_000, bytes: 512_000_000 },
            latencies,
            failures,
            broker: Some(BrokerCost {
                pid: 7,
                cpu: CpuSeconds { user: 0.5, system: 1.0 },
                memory_before: memory(10),
                memory_after: memory(20),
                memory_peak: memory(30),
            }),
            client_cpu: CpuSeconds { user: 1.0, system: 1.0 },
        }
    }

    fn report() -> Report {
        Report::new("produce", [("batch", Value::from(2))], "send to acknowledgement", &measured())
    }

    #[test]
    fn programs_get_rates_quantiles_and_cost_per_million() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["messagesPerSecond"], 250_000.0);
        assert_eq!(json["settings"]["batch"], 2);
        assert_eq!(json["broker"]["cpuSecondsPerMillion"], 3.0);
        assert_eq!(json["broker"]["residentPeakMb"], 30.0);
        assert_eq!(json["failures"][0]["count"], 7);
        let p99 = json["latency"]["p99Ms"].as_f64().unwrap();
        assert!((985.0..=1000.0).contains(&p99), "{p99}");
    }

    #[test]
    fn people_see_failures_too() {
        let text = report().text();
        assert!(text.starts_with("500000 messages in 2.00 s: 250000 a second"), "{text}");
        assert!(text.contains("failed: 7 x "), "{text}");
        assert!(text.contains("3.00 µs a message"), "{text}");
    }

    #[test]
    fn a_load_without_a_success_fails_with_the_first_reason() {
        let mut measured = measured();
        measured.counts = Counts::default();
        let report = Report::new("produce", [], "send to acknowledgement", &measured);
        let output = OutputArgs { json: None, broker_pid: None, quiet: true };
        let error = report.publish(&output).unwrap_err().to_string();
        assert!(error.contains("PCBUSY_CLEAN_QUEUE"), "{error}");
    }
}
