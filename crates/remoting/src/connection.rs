//! One connection: bytes → frames → service → bytes, with back-pressure.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::BytesMut;
use eruca_protocol::{FrameDecoder, RemotingCommand, ResponseCode};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};
use tracing::{debug, error};

use crate::{
    Caller, CommandService,
    budget::WaitRound,
    caller::ReplyTo,
    end::{End, Held},
    first_bytes::FirstBytes,
    limits::Shared,
    link::{CloseCause, Link},
    output::Output,
    scratch::{BatchReply, READ_BYTES, Scratch},
    session::Session,
};

/// Reads handled before other connections of the thread get their turn.
const ROUNDS_MAX: usize = 8;
/// A connection's task: owns the socket.
pub(crate) struct Connection {
    stream: TcpStream,
    session: Session,
    decoder: FrameDecoder,
    /// Bytes that are no whole frame yet, or whose turn has not come; no allocation when there are none.
    input: BytesMut,
    /// Of `input`, charged to the budget.
    input_charged_bytes: usize,
    /// Whole frames may be in `input`: handling stopped because of too much output.
    input_unhandled: bool,
    first: FirstBytes,
    output: Output,
    /// Of `output`, as the link was last told.
    output_told_bytes: usize,
    budget_round: WaitRound,
    active_at: Instant,
    stalled_at: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, link: Arc<Link>, service: Arc<dyn CommandService>) -> Connection {
        let limits = &link.shared.limits;
        let now = Instant::now();
        Connection {
            stream,
            decoder: FrameDecoder::new(limits.frame_max_bytes),
            input: BytesMut::new(),
            input_charged_bytes: 0,
            input_unhandled: false,
            first: FirstBytes::None,
            output: Output::default(),
            output_told_bytes: 0,
            budget_round: WaitRound::default(),
            active_at: now,
            stalled_at: None,
            timer: Box::pin(sleep_until(now + limits.idle_timeout)),
            session: Session { caller: Caller::new(link), service },
        }
    }

    /// Serves until the connection ends.
    pub(crate) async fn run(mut self) {
        let end = poll_fn(|cx| {
            let mut scratch = Scratch::lend();
            self.output.borrow_buffer(&mut scratch.write);
            let poll = self.poll(cx, &mut scratch);
            self.output.return_buffer(&mut scratch.write);
            scratch.give_back();
            self.account();
            poll
        })
        .await;
        let held =
            Held { input_bytes: self.input.len(), output_bytes: self.output.len_bytes(), first: self.first };
        end.log(self.link(), &held);
    }

    fn link(&self) -> &Arc<Link> {
        &self.session.caller.link
    }

    fn poll(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<End> {
        match self.poll_rounds(cx, scratch) {
            Ok(()) => match self.poll_timer(cx) {
                Some(end) => Poll::Ready(end),
                None => Poll::Pending,
            },
            Err(end) => {
                // Frames before a bad one have their answers.
                if matches!(end, End::BadFrame(_)) {
                    let _ = self.poll_write(cx);
                }
                Poll::Ready(end)
            }
        }
    }

    /// Writes, reads and handles until there is nothing to do; `Ok` when something will wake the task.
    fn poll_rounds(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<(), End> {
        for _ in 0..ROUNDS_MAX {
            let taken = self.session.caller.link.take(&mut scratch.commands, cx.waker());
            self.encode_all(scratch.commands.drain(..));
            self.output_told_bytes += taken.bytes;
            self.poll_write(cx)?;
            self.account();
            match taken.closing {
                None => {}
                Some(CloseCause::Overflow) => return Err(End::OutputOverflow),
                Some(CloseCause::Asked | CloseCause::Ended) => return Err(End::Asked),
            }
            if !self.may_read(cx)? {
                return Ok(());
            }
            if self.input_unhandled {
                self.handle_own_input(scratch)?;
            } else if self.poll_read(cx, scratch)?.is_pending() {
                let link = self.link();
                let owes_nothing =
                    link.owed_replies() == 0 && self.output.is_empty() && link.waiting_bytes() == 0;
                return if owes_nothing && link.shared.is_draining() { Err(End::Drained) } else { Ok(()) };
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Whether the next request may be read; if not, something will wake the task when that changes.
    fn may_read(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let link = &self.session.caller.link;
        let Shared { limits, budget, .. } = &*link.shared;
        if self.output.len_bytes() >= limits.output_high_water_bytes
            || link.owed_replies() >= limits.owed_replies_max
        {
            return Ok(false);
        }
        if !budget.is_over() {
            return Ok(true);
        }
        // What was begun may be finished, or everybody could wait for everybody.
        if self.input.is_empty() {
            return Ok(!budget.wait(&mut self.budget_round, cx.waker()));
        }
        if budget.is_exhausted() { Err(End::BudgetExhausted) } else { Ok(true) }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Poll<()>, End> {
        let into_own = !self.input.is_empty();
        let buffer = if into_own { &mut self.input } else { &mut scratch.read };
        buffer.reserve(if into_own { missing_bytes(buffer) } else { READ_BYTES });
        let read = match pin!(self.stream.read_buf(buffer)).poll(cx) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(read) => read.map_err(End::Failed)?,
        };
        if read == 0 {
            return Err(End::PeerClosed);
        }
        self.active_at = Instant::now();
        self.link().note_read();
        if into_own {
            self.handle_own_input(scratch)?;
        } else {
            let mut input = std::mem::take(&mut scratch.read);
            self.handle(&mut input, &mut scratch.replies)?;
            if !input.is_empty() {
                self.input = BytesMut::from(&input[..]);
                input.clear();
            }
            scratch.read = input;
        }
        Ok(Poll::Ready(()))
    }

    fn handle_own_input(&mut self, scratch: &mut Scratch) -> Result<(), End> {
        let mut input = std::mem::take(&mut self.input);
        self.handle(&mut input, &mut scratch.replies)?;
        if !input.is_empty() {
            self.input = input;
        }
        Ok(())
    }

    /// Decodes and handles all whole frames, as far as the limits of output allow, and encodes their replies.
    fn handle(&mut self, input: &mut BytesMut, replies: &mut Vec<BatchReply>) -> Result<(), End> {
        self.first.look_at(input);
        let link = self.session.caller.link.clone();
        let limits = &link.shared.limits;
        let mut reply_bytes = 0;
        let mut settle = false;
        let mut bad_frame = None;
        self.input_unhandled = loop {
            if self.output.len_bytes() + reply_bytes >= limits.output_high_water_bytes
                || link.owed_replies() >= limits.owed_replies_max
            {
                break true;
            }
            match self.decoder.decode(input) {
                Ok(Some(command)) => {
                    self.first = FirstBytes::WereAFrame;
                    if command.is_response() {
                        self.complete(command);
                        continue;
                    }
                    let outcome = self.session.call(command);
                    settle |= outcome.settle;
                    if let Some(reply) = outcome.reply {
                        reply_bytes += reply.command.body.len();
                        replies.push(reply);
                    }
                }
                Ok(None) => break false,
                Err(error) => {
                    bad_frame = Some(error);
                    break false;
                }
            }
        };
        if settle && let Err(error) = self.session.settle() {
            for reply in replies.iter_mut().filter(|reply| reply.after_settle) {
                reply.command = ReplyTo::of(&reply.command).error(error.code, error.remark.clone());
            }
        }
        self.encode_all(replies.drain(..).map(|reply| reply.command));
        match bad_frame {
            None => Ok(()),
            Some(error) => Err(End::BadFrame(error)),
        }
    }

    fn complete(&self, answer: RemotingCommand) {
        let opaque = answer.opaque;
        if !self.link().pending.complete(answer) {
            debug!(peer = %self.link().peer_addr, opaque, "answer that nobody waits for (any more)");
        }
    }

    fn encode_all(&mut self, commands: impl Iterator<Item = RemotingCommand>) {
        for command in commands {
            let to = ReplyTo::of(&command);
            let is_reply = command.is_response();
            let Err(error) = self.output.push(command) else { continue };
            error!(peer = %self.link().peer_addr, code = to.code, %error, "command cannot be encoded");
            if is_reply {
                let remark = format!("the answer cannot be sent: {error}");
                // A short remark always fits.
                let _ = self.output.push(to.error(ResponseCode::SYSTEM_ERROR, remark));
            } else {
                // Its waiter, if there is one, need not wait any longer.
                self.link().pending.forget(to.opaque());
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        while !self.output.is_empty() {
            match self.output.poll_write(&mut self.stream, cx) {
                Poll::Ready(Ok(_)) => {
                    self.active_at = Instant::now();
                    self.stalled_at = None;
                }
                Poll::Ready(Err(error)) => return Err(End::Failed(error)),
                Poll::Pending => {
                    if self.stalled_at.is_none() {
                        let now = Instant::now();
                        self.stalled_at = Some(now);
                        let stall_end = now + self.link().shared.limits.stall_timeout;
                        if stall_end < self.timer.deadline() {
                            self.timer.as_mut().reset(stall_end);
                        }
                    }
                    return Ok(());
                }
            }
        }
        self.stalled_at = None;
        Ok(())
    }

    /// Looks whether the connection was idle or stalled for too long; sets the timer for the next look.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Option<End> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let limits = &self.session.caller.link.shared.limits;
            let stall_end = self.stalled_at.map(|at| at + limits.stall_timeout);
            if stall_end.is_some_and(|end| end <= now) {
                return Some(End::Stalled);
            }
            let idle_end = self.active_at + limits.idle_timeout;
            if idle_end <= now {
                return Some(End::Idle);
            }
            let next = stall_end.map_or(idle_end, |end| end.min(idle_end));
            self.timer.as_mut().reset(next);
        }
        None
    }

    /// Tells the link and the budget what this connection holds.
    fn account(&mut self) {
        let output = self.output.len_bytes();
        if output != self.output_told_bytes {
            self.session.caller.link.adjust_waiting(self.output_told_bytes, output);
            self.output_told_bytes = output;
        }
        let input = self.input.capacity();
        if input != self.input_charged_bytes {
            let budget = &self.session.caller.link.shared.budget;
            budget.charge(input.saturating_sub(self.input_charged_bytes));
            budget.release(self.input_charged_bytes.saturating_sub(input));
            self.input_charged_bytes = input;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.input = BytesMut::new();
        self.output = Output::default();
        self.account();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({:?})", self.session.caller)
    }
}

/// How much room to make for the rest of a frame: what it needs, within bounds, and not much more than has come, so
/// that a header which promises a large frame costs nothing before its bytes come.
fn missing_bytes(input: &BytesMut) -> usize {
    let frame_len = input.first_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length) as usize + 4);
    frame_len.saturating_sub(input.len()).clamp(1024, input.len().max(READ_BYTES))
}
