//! Sends that wait for the disk, and for how long.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use eruca_message::Timestamp;
use eruca_protocol::{RemotingCommand, ResponseCode};
use eruca_remoting::Responder;
use eruca_store::WriteStopped;

use crate::reply::HandlerError;

/// A clock that goes back further than this was set.
const CLOCK_BACK_MAX_MS: i64 = 1_000;

/// A send that waits: answered once, by the disk or by time.
#[derive(Debug)]
struct Waiting {
    responder: Responder,
    /// What is answered when the disk has it.
    success: RemotingCommand,
}

/// A shared place from which either side takes the answer.
#[derive(Debug, Clone)]
pub(in crate::handler) struct WaitingSend(Arc<Mutex<Option<Waiting>>>);

impl WaitingSend {
    fn take(&self) -> Option<Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The disk has it, or will not have it.
    pub(in crate::handler) fn flushed(&self, result: Result<(), WriteStopped>) {
        let Some(Waiting { responder, success }) = self.take() else { return };
        responder.send(match result {
            Ok(()) => success,
            Err(why) => HandlerError::from(why).into_reply(&success),
        });
    }

    fn timed_out(&self, timeout_ms: i64) {
        let Some(Waiting { responder, mut success }) = self.take() else { return };
        success.code = ResponseCode::FLUSH_DISK_TIMEOUT.0;
        success.remark = Some(format!(
            "the message is stored but the disk did not confirm it within syncFlushTimeout={timeout_ms} ms: the disk is slow"
        ));
        responder.send(success);
    }
}

/// The sends that wait for the disk, in the order of their deadlines: all have the same time-out.
#[derive(Debug)]
pub struct FlushTimeouts {
    timeout_ms: i64,
    waiting: Mutex<VecDeque<(Timestamp, WaitingSend)>>,
}

impl FlushTimeouts {
    /// Time-outs after `timeout_ms` (`syncFlushTimeout`).
    pub fn new(timeout_ms: i64) -> Self {
        FlushTimeouts { timeout_ms, waiting: Mutex::default() }
    }

    /// Takes over the answer to a send that waits from `now` on.
    ///
    /// The queue is as long as sends come within the time-out; the store bounds its waiters, and with them these.
    pub(in crate::handler) fn wait(
        &self,
        responder: Responder,
        success: RemotingCommand,
        now: Timestamp,
    ) -> WaitingSend {
        let send = WaitingSend(Arc::new(Mutex::new(Some(Waiting { responder, success }))));
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Those in front that the disk has already confirmed.
        while waiting.front().is_some_and(|(_, send)| Arc::strong_count(&send.0) == 1) {
            waiting.pop_front();
        }
        waiting.push_back((now.add_ms(self.timeout_ms), send.clone()));
        send
    }

    /// Answers those whose time is over. True while some wait. For the schedule.
    pub fn step(&self, now: Timestamp) -> bool {
        let mut late = Vec::new();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((deadline, send)) = waiting.front() {
            // Further ahead than its time-out: the clock was set back.
            let is_waiting = *deadline > now && deadline.ms_since(now) <= self.timeout_ms + CLOCK_BACK_MAX_MS;
            if Arc::strong_count(&send.0) > 1 && is_waiting {
                break;
            }
            late.extend(waiting.pop_front());
        }
        let some_wait = !waiting.is_empty();
        drop(waiting);
        late.iter().for_each(|(_, send)| send.timed_out(self.timeout_ms));
        some_wait
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::RequestCode;
    use eruca_remoting::Caller;

    use super::*;

    #[test]
    fn a_send_is_answered_once_by_the_disk_or_by_time() {
        let (caller, outbox) = Caller::detached(([127, 0, 0, 1], 5).into(), ([127, 0, 0, 1], 10911).into());
        let timeouts = FlushTimeouts::new(5_000);
        let request = |opaque| {
            let mut request = RemotingCommand::request_without_header(RequestCode::SEND_MESSAGE);
            request.opaque = opaque;
            request
        };
        let wait = |opaque, now| {
            let success = request(opaque).reply(ResponseCode::SUCCESS);
            timeouts.wait(caller.responder(&request(opaque)), success, Timestamp(now))
        };
        let (first, second) = (wait(1, 0), wait(2, 1_000));
        first.flushed(Ok(()));
        drop(first);
        assert!(timeouts.step(Timestamp(5_999)));
        assert!(!timeouts.step(Timestamp(6_000)));
        second.flushed(Ok(()));
        // The clock is set back by an hour: nobody waits that long.
        let third = wait(3, 3_600_000);
        assert!(timeouts.step(Timestamp(3_599_500)), "a little is nothing");
        assert!(!timeouts.step(Timestamp(1_000)));
        third.flushed(Ok(()));
        let codes: Vec<_> = outbox.take().iter().map(|reply| (reply.opaque, reply.response_code())).collect();
        let late = ResponseCode::FLUSH_DISK_TIMEOUT;
        assert_eq!(codes, [(1, ResponseCode::SUCCESS), (2, late), (3, late)]);
    }
}
