//! Watches a load: marks where the measurement begins and ends, samples memory, shows progress.

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::{
    args::OutputArgs,
    error::BenchError,
    failures::Failures,
    meter::{Counts, Latencies, Meter, no_latencies},
    plan::Plan,
    process::{CpuSeconds, Memory, ProcessProbe},
};

const SAMPLE: Duration = Duration::from_millis(100);
/// Samples from one line of progress to the next.
const SAMPLES_PER_LINE: u32 = 10;

/// One load under watch.
pub(crate) struct Watch {
    meter: Arc<Meter>,
    plan: Arc<Plan>,
    started: Instant,
    broker: Option<ProcessProbe>,
    client: ProcessProbe,
    quiet: bool,
    latencies: Latencies,
    memory_peak: Memory,
    /// Where the measurement begins with the load, not a moment later.
    begin: Option<Mark>,
}

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    pub(crate) counts: Counts,
    pub(crate) latencies: Latencies,
    /// Of the whole load, warm-up included.
    pub(crate) failures: Failures,
    pub(crate) broker: Option<BrokerCost>,
    pub(crate) client_cpu: CpuSeconds,
}

/// What the broker's process cost meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BrokerCost {
    pub(crate) pid: u32,
    pub(crate) cpu: CpuSeconds,
    pub(crate) memory_before: Memory,
    pub(crate) memory_after: Memory,
    /// Each largest one that was seen from the start of the load on.
    pub(crate) memory_peak: Memory,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    counts: Counts,
    client_cpu: CpuSeconds,
    broker_cpu: CpuSeconds,
    memory: Memory,
}

impl Watch {
    /// To be made before the load starts.
    ///
    /// # Errors
    /// The broker's process cannot be read.
    pub(crate) fn new(
        output: &OutputArgs,
        meter: Arc<Meter>,
        plan: Arc<Plan>,
        started: Instant,
    ) -> Result<Watch, BenchError> {
        let mut watch = Watch {
            meter,
            plan,
            started,
            broker: output.broker_pid.map(ProcessProbe::new),
            client: ProcessProbe::new(std::process::id()),
            quiet: output.quiet,
            latencies: no_latencies(),
            memory_peak: Memory::default(),
            begin: None,
        };
        let now = watch.mark()?;
        watch.begin = (watch.plan.measure_from_ns == 0).then_some(now);
        Ok(watch)
    }

    /// Watches until `finished`. Ctrl-C ends the load early.
    pub(crate) async fn run(mut self, finished: impl Future<Output = ()>) -> Result<Measured, BenchError> {
        let mut finished = std::pin::pin!(finished);
        let moment = |ns| tokio::time::Instant::from_std(self.started + Duration::from_nanos(ns));
        let (begin_at, end_at) = (moment(self.plan.measure_from_ns), self.plan.end_ns.map(moment));
        let mut samples = interval(SAMPLE);
        samples.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (mut begin, mut end, mut sample, mut line) = (self.begin, None, 0, self.mark()?);
        loop {
            tokio::select! {
                biased;
                () = sleep_until(begin_at), if begin.is_none() => begin = Some(self.mark()?),
                () = sleep_until(end_at.unwrap_or(begin_at)), if end_at.is_some() && end.is_none() => {
                    end = Some(self.mark()?);
                }
                () = &mut finished => break,
                _ = samples.tick() => {
                    self.sample_memory()?;
                    sample += 1;
                    if sample % SAMPLES_PER_LINE == 0 {
                        line = self.progress(&line, begin.is_some())?;
                    }
                }
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted.map_err(|source| BenchError::System { what: "signal", source })?;
                    self.meter.stop();
                }
            }
        }
        let end = match end {
            Some(end) => end,
            None => self.mark()?,
        };
        let begin = begin.unwrap_or(end);
        self.sample_memory()?;
        self.meter.drain_latencies(&mut self.latencies);
        Ok(Measured {
            seconds: (end.at - begin.at).as_secs_f64(),
            counts: end.counts.since(begin.counts),
            latencies: self.latencies,
            failures: self.meter.failures(),
            broker: self.broker.map(|broker| BrokerCost {
                pid: broker.pid(),
                cpu: end.broker_cpu.since(begin.broker_cpu),
                memory_before: begin.memory,
                memory_after: end.memory,
                memory_peak: self.memory_peak,
            }),
            client_cpu: end.client_cpu.since(begin.client_cpu),
        })
    }

    fn mark(&self) -> Result<Mark, BenchError> {
        let read = |probe: &ProcessProbe| {
            let failed = |source| BenchError::Process { pid: probe.pid(), source };
            Ok::<_, BenchError>((probe.cpu().map_err(failed)?, probe.memory().map_err(failed)?))
        };
        let (broker_cpu, memory) = self.broker.as_ref().map(read).transpose()?.unwrap_or_default();
        // Where there is no /proc, the load's own cost is not known, and everything else is.
        let client_cpu = self.client.cpu().unwrap_or_default();
        Ok(Mark { at: Instant::now(), counts: self.meter.counts(), client_cpu, broker_cpu, memory })
    }

    fn sample_memory(&mut self) -> Result<(), BenchError> {
        if let Some(broker) = self.broker {
            let memory =
                broker.memory().map_err(|source| BenchError::Process { pid: broker.pid(), source })?;
            self.memory_peak = Memory {
                resident: memory.resident.max(self.memory_peak.resident),
                anonymous: memory.anonymous.max(self.memory_peak.anonymous),
            };
        }
        Ok(())
    }

    fn progress(&mut self, before: &Mark, is_measuring: bool) -> Result<Mark, BenchError> {
        let now = self.mark()?;
        let fresh = self.meter.drain_latencies(&mut self.latencies);
        if self.quiet {
            return Ok(now);
        }
        let seconds = (now.at - before.at).as_secs_f64();
        let rate = (now.counts.messages - before.counts.messages) as f64 / seconds;
        let mut line = format!("{:5.0} s {rate:12.0} msg/s", (now.at - self.started).as_secs_f64());
        if !fresh.is_empty() {
            let ms = |quantile| fresh.value_at_quantile(quantile) as f64 / 1e6;
            line += &format!("  p50 {:.2} ms  p99 {:.2} ms", ms(0.5), ms(0.99));
        }
        if self.broker.is_some() {
            let share = now.broker_cpu.since(before.broker_cpu).total() / seconds * 100.0;
            line += &format!("  broker {share:.0} % CPU, {} MB", now.memory.resident >> 20);
        }
        let failures = self.meter.failures().total();
        if failures > 0 {
            line += &format!("  {failures} failures");
        }
        if !is_measuring {
            line += "  (warming up)";
        }
        // Progress that nobody can see is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{line}");
        Ok(now)
    }
}
