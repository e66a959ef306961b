//! One raw connection that sends.

use std::{
    future::poll_fn,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use eruca_message::{Clock, SystemClock};
use eruca_protocol::{FrameDecoder, ResponseCode};

use crate::{
    failures::Kind,
    meter::{Counts, Meter},
    plan::{Plan, Schedule},
    precise_sleep::PreciseSleep,
    reply::ReplyHead,
    send_frames::{Addressed, SendFrames, Sequence},
    threads::Patience,
    window::{InFlight, Window},
    wire::{Wire, WireError},
};

/// With more unwritten bytes nothing is added: the socket is full, and due times go on all the same.
const UNWRITTEN_MAX_BYTES: usize = 1 << 20;

/// What all connections to one broker have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) frames: SendFrames,
    pub(crate) batch: u32,
    pub(crate) message_bytes: u64,
    pub(crate) topics: usize,
    pub(crate) queues: usize,
    /// All connections go through topics and queues together, so that each queue gets as many messages.
    pub(crate) next_target: AtomicUsize,
    pub(crate) plan: Arc<Plan>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) started: Instant,
}

impl Shared {
    fn now_ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// The next topic and queue: first all topics, then the next queue of each.
    fn target(&self) -> (usize, i32) {
        let number = self.next_target.fetch_add(1, Ordering::Relaxed);
        (number % self.topics, (number / self.topics % self.queues) as i32)
    }
}

/// A connection at work.
#[derive(Debug)]
pub(crate) struct Sender {
    shared: Arc<Shared>,
    wire: Wire,
    window: Window,
    schedule: Schedule,
    sequence: Sequence,
    timer: PreciseSleep,
    patience: Patience,
    /// Not everything that is to be sent was put on the wire.
    is_sending: bool,
}

impl Sender {
    /// Sends until the plan ends, and waits for the answers.
    pub(crate) async fn run(
        shared: Arc<Shared>,
        stream: std::net::TcpStream,
        window: Window,
        schedule: Schedule,
        sequence: Sequence,
    ) {
        let meter = shared.meter.clone();
        let sender = Wire::new(stream).and_then(|wire| {
            let timer = PreciseSleep::new()?;
            let patience = Patience::new();
            Ok(Sender { shared, wire, window, schedule, sequence, timer, patience, is_sending: true })
        });
        match sender {
            Ok(mut sender) => {
                let end = poll_fn(|cx| sender.poll(cx)).await;
                sender.settle(end);
            }
            Err(error) => meter.fail(Kind::ConnectionLost, 1, || error.to_string()),
        }
    }

    /// Counts what has no answer.
    fn settle(self, end: Result<Ended, WireError>) {
        let unanswered = self.window.in_flight() as u64;
        let meter = &self.shared.meter;
        match end {
            Ok(Ended::AllAnswered) => {}
            Ok(Ended::NoAnswer) => {
                meter.fail(Kind::NoAnswer, unanswered, || "the broker did not answer for 30 s".to_owned());
            }
            Err(error) => meter.fail(Kind::ConnectionLost, unanswered.max(1), || error.to_string()),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ended, WireError>> {
        loop {
            self.fill(cx)?;
            let written = self.wire.poll_write(cx)?.is_ready();
            if !self.is_sending && self.window.in_flight() == 0 && written {
                return Poll::Ready(Ok(Ended::AllAnswered));
            }
            if self.poll_answers(cx)?.is_pending() {
                break;
            }
        }
        if self.window.in_flight() > 0 && self.patience.poll_lost(cx).is_ready() {
            return Poll::Ready(Ok(Ended::NoAnswer));
        }
        Poll::Pending
    }

    /// Puts requests on the wire as far as they are due and the window is open.
    fn fill(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.is_sending || self.window.is_full() {
            return Ok(());
        }
        let shared = self.shared.clone();
        let mut now_ns = shared.now_ns();
        let born_ms = SystemClock.now().0;
        if self.window.in_flight() == 0 {
            self.patience.renew(Instant::now());
        }
        while !self.window.is_full() && self.wire.unwritten() < UNWRITTEN_MAX_BYTES {
            let due_ns = self.schedule.due_ns(now_ns);
            if due_ns > now_ns && !shared.meter.is_stopped() {
                let moment = shared.started + Duration::from_nanos(due_ns);
                if self.timer.poll_until(moment, cx)?.is_pending() {
                    break;
                }
                now_ns = shared.now_ns().max(due_ns);
            }
            // A last batch that would be too much for the count is not sent.
            if shared.meter.is_stopped() || shared.plan.take(due_ns, shared.batch) < shared.batch {
                self.is_sending = false;
                break;
            }
            let Some(opaque) = self.window.open(InFlight { due_ns, what: shared.batch }) else { break };
            let (topic, queue_id) = shared.target();
            let to = Addressed { topic, queue_id, opaque, born_ms };
            shared.frames.append(to, &mut self.sequence, &mut self.wire.out);
            self.schedule.advance();
        }
        Ok(())
    }

    /// Reads once.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, WireError>> {
        let Sender { shared, wire, window, .. } = self;
        let mut counts = Counts::default();
        let mut latencies = None;
        let mut now_ns = 0;
        let poll = wire.poll_read(cx, |frame| {
            let Some((head, request)) = answered(frame, window, &shared.meter) else { return };
            if head.code != ResponseCode::SUCCESS.0 {
                shared.meter.fail(Kind::Code(head.code), 1, || remark(frame));
                return;
            }
            counts.messages += u64::from(request.what);
            counts.requests += 1;
            counts.bytes += u64::from(request.what) * shared.message_bytes;
            if shared.plan.is_measured(request.due_ns) {
                let latencies = latencies.get_or_insert_with(|| {
                    now_ns = shared.now_ns();
                    shared.meter.latencies()
                });
                latencies.saturating_record(now_ns.saturating_sub(request.due_ns));
            }
        });
        drop(latencies);
        if poll.is_ready() {
            shared.meter.count(counts);
            self.patience.renew(Instant::now());
        }
        poll
    }
}

#[derive(Debug)]
enum Ended {
    AllAnswered,
    NoAnswer,
}

/// The request that `frame` answers; counts it as stray where there is none.
pub(crate) fn answered(frame: &[u8], window: &mut Window, meter: &Meter) -> Option<(ReplyHead, InFlight)> {
    let head = ReplyHead::scan(frame).or_else(|| decoded(frame));
    let found = head.and_then(|head| Some((head, window.close(head.opaque)?)));
    if found.is_none() {
        meter.fail(Kind::Stray, 1, || format!("{head:?}"));
    }
    found
}

fn decoded(frame: &[u8]) -> Option<ReplyHead> {
    let command = FrameDecoder::default().decode(&mut BytesMut::from(frame)).ok()??;
    Some(ReplyHead { code: command.code, opaque: command.opaque })
}

/// What the broker says of an answer.
pub(crate) fn remark(frame: &[u8]) -> String {
    let command = FrameDecoder::default().decode(&mut BytesMut::from(frame)).ok().flatten();
    command.and_then(|command| command.remark).unwrap_or_else(|| "without a remark".to_owned())
}
