//! One raw connection that pulls.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use super::pull_frames::{PullShape, Pulled};
use crate::{
    failures::Kind,
    meter::{Counts, Meter},
    plan::Plan,
    produce::answered,
    threads::Patience,
    window::{InFlight, Window},
    wire::{Wire, WireError},
};

/// What all connections have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) shape: PullShape,
    pub(crate) plan: Arc<Plan>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) started: Instant,
}

/// A queue that is read.
#[derive(Debug, Clone)]
pub(crate) struct QueueCursor {
    pub(crate) topic: Arc<str>,
    pub(crate) queue_id: i32,
    /// Of the next message.
    pub(crate) offset: i64,
}

/// A connection at work.
#[derive(Debug)]
pub(crate) struct Puller {
    shared: Arc<Shared>,
    wire: Wire,
    window: Window,
    queues: Vec<QueueCursor>,
    /// Queues without a pull under way that may have messages.
    idle: VecDeque<u32>,
    patience: Patience,
    ended: bool,
}

impl Puller {
    /// Pulls until the queues are at their end or the plan is.
    pub(crate) async fn run(
        shared: Arc<Shared>,
        stream: std::net::TcpStream,
        window: Window,
        queues: Vec<QueueCursor>,
    ) {
        let wire = match Wire::new(stream) {
            Ok(wire) => wire,
            Err(error) => return shared.meter.fail(Kind::ConnectionLost, 1, || error.to_string()),
        };
        let idle = (0..queues.len() as u32).collect();
        let patience = Patience::new();
        let mut puller = Puller { shared, wire, window, queues, idle, patience, ended: false };
        let end = poll_fn(|cx| puller.poll(cx)).await;
        let (meter, unanswered) = (&puller.shared.meter, puller.window.in_flight() as u64);
        match end {
            Ok(true) => {}
            Ok(false) => {
                meter.fail(Kind::NoAnswer, unanswered, || "the broker did not answer for 30 s".to_owned());
            }
            Err(error) => meter.fail(Kind::ConnectionLost, unanswered.max(1), || error.to_string()),
        }
    }

    /// Ready with whether all pulls were answered.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, WireError>> {
        loop {
            self.fill()?;
            let written = self.wire.poll_write(cx)?.is_ready();
            // Pulls that wait for messages are not waited for when the load is over.
            let owes = self.window.in_flight() > 0 && !(self.ended && self.shared.shape.waits);
            if !owes && written && (self.ended || self.idle.is_empty()) {
                return Poll::Ready(Ok(true));
            }
            if self.poll_answers(cx)?.is_pending() {
                break;
            }
        }
        if self.patience.poll_lost(cx).is_ready() {
            return Poll::Ready(Ok(false));
        }
        Poll::Pending
    }

    fn fill(&mut self) -> Result<(), WireError> {
        let shared = self.shared.clone();
        let now_ns = shared.started.elapsed().as_nanos() as u64;
        self.ended |= shared.meter.is_stopped() || shared.plan.is_over(now_ns);
        while !self.ended && !self.window.is_full() {
            let Some(index) = self.idle.pop_front() else { break };
            let Some(queue) = self.queues.get(index as usize) else { continue };
            let Some(opaque) = self.window.open(InFlight { due_ns: now_ns, what: index }) else { break };
            shared.shape.append(&queue.topic, queue.queue_id, queue.offset, opaque, &mut self.wire.out)?;
        }
        Ok(())
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, WireError>> {
        let Puller { shared, wire, window, queues, idle, .. } = self;
        let meter = &shared.meter;
        let mut counts = Counts::default();
        let mut latencies = None;
        let poll = wire.poll_read(cx, |frame| {
            let Some((_, request)) = answered(frame, window, meter) else { return };
            let Some(queue) = queues.get_mut(request.what as usize) else { return };
            match Pulled::read(frame) {
                Ok(Pulled::Messages { count, next_offset }) => {
                    queue.offset = next_offset;
                    idle.push_back(request.what);
                    shared.plan.take(request.due_ns, count as u32);
                    counts.messages += count;
                    counts.requests += 1;
                    counts.bytes += frame.len() as u64;
                    if shared.plan.is_measured(request.due_ns) {
                        let now_ns = shared.started.elapsed().as_nanos() as u64;
                        latencies
                            .get_or_insert_with(|| meter.latencies())
                            .saturating_record(now_ns.saturating_sub(request.due_ns));
                    }
                }
                Ok(Pulled::Elsewhere { next_offset }) if next_offset != queue.offset => {
                    queue.offset = next_offset;
                    idle.push_back(request.what);
                }
                // A backlog ends here; what waits, asks again.
                Ok(Pulled::Nothing | Pulled::Elsewhere { .. }) => {
                    if shared.shape.waits {
                        idle.push_back(request.what);
                    }
                }
                Ok(Pulled::Refused { code, remark }) => meter.fail(Kind::Code(code), 1, || remark),
                Err(what) => meter.fail(Kind::Unreadable, 1, || what),
            }
        });
        drop(latencies);
        if poll.is_ready() {
            meter.count(counts);
            self.patience.renew(Instant::now());
        }
        poll
    }
}
