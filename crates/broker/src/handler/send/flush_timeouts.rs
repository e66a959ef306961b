//! Sends that wait for the disk, and for how long; and for slaves.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use eruca_message::Timestamp;
use eruca_protocol::{RemotingCommand, ResponseCode};
use eruca_remoting::Responder;
use eruca_replication::in_sync::Outcome;
use eruca_store::WriteStopped;

use crate::reply::HandlerError;

/// A clock that goes back further than this was set.
const CLOCK_BACK_MAX_MS: i64 = 1_000;

/// A send that waits for the disk, for slaves, or for both: answered once.
#[derive(Debug)]
struct Waiting {
    responder: Responder,
    /// What is answered when all have it.
    success: RemotingCommand,
    /// The disk, or its time, is still to say something.
    awaits_disk: bool,
    /// Slaves are.
    awaits_slaves: bool,
    /// What has to be said instead of success: the message is there, but not where it should be, too.
    shortcoming: Option<(ResponseCode, String)>,
    /// Which is not said.
    is_lenient: bool,
}

/// A shared place from which either side takes the answer.
#[derive(Debug, Clone)]
pub(in crate::handler) struct WaitingSend(Arc<Mutex<Option<Waiting>>>);

impl WaitingSend {
    /// One that waits for these.
    pub(in crate::handler) fn new(
        responder: Responder,
        success: RemotingCommand,
        awaits_disk: bool,
        awaits_slaves: bool,
        is_lenient: bool,
    ) -> WaitingSend {
        let waiting =
            Waiting { responder, success, awaits_disk, awaits_slaves, shortcoming: None, is_lenient };
        WaitingSend(Arc::new(Mutex::new(Some(waiting))))
    }

    fn place(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what one of those said that are waited for, and answers when it was the last one.
    fn note(&self, said: impl FnOnce(&mut Waiting)) {
        let mut place = self.place();
        let Some(waiting) = place.as_mut() else { return };
        said(waiting);
        if waiting.awaits_disk || waiting.awaits_slaves {
            return;
        }
        let Some(Waiting { responder, mut success, shortcoming, is_lenient, .. }) = place.take() else {
            return;
        };
        drop(place);
        if let Some((code, remark)) = shortcoming.filter(|_| !is_lenient) {
            success.code = code.0;
            success.remark = Some(remark);
        }
        responder.send(success);
    }

    /// The message is not in the log.
    pub(in crate::handler) fn lost(&self, why: WriteStopped) {
        let Some(Waiting { responder, success, .. }) = self.place().take() else { return };
        responder.send(HandlerError::from(why).into_reply(&success));
    }

    /// The disk has it, or will not have it.
    pub(in crate::handler) fn flushed(&self, result: Result<(), WriteStopped>) {
        match result {
            Ok(()) => self.note(|waiting| waiting.awaits_disk = false),
            Err(why) => self.lost(why),
        }
    }

    /// Enough slaves have it, or did not say so in time. As in Java this is told rather than that the disk is slow.
    pub(in crate::handler) fn replicated(&self, outcome: Outcome, timeout_ms: i64) {
        match outcome {
            Outcome::Replicated => self.note(|waiting| waiting.awaits_slaves = false),
            Outcome::Lost(why) => self.lost(why),
            Outcome::Missing(who) => self.note(|waiting| {
                waiting.awaits_slaves = false;
                let remark = format!(
                    "the message is stored but not on enough slaves within slaveTimeout={timeout_ms} ms: {who}"
                );
                waiting.shortcoming = Some((ResponseCode::FLUSH_SLAVE_TIMEOUT, remark));
            }),
        }
    }

    fn timed_out(&self, timeout_ms: i64) {
        self.note(|waiting| {
            waiting.awaits_disk = false;
            let remark = format!(
                "the message is stored but the disk did not confirm it within syncFlushTimeout={timeout_ms} ms: the disk is slow"
            );
            waiting.shortcoming.get_or_insert((ResponseCode::FLUSH_DISK_TIMEOUT, remark));
        });
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
        let send = WaitingSend::new(responder, success, true, false, false);
        self.watch(&send, now);
        send
    }

    /// Answers `send` when the disk did not say anything in time, from `now` on.
    pub(in crate::handler) fn watch(&self, send: &WaitingSend, now: Timestamp) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Those in front that the disk has already confirmed.
        while waiting.front().is_some_and(|(_, send)| Arc::strong_count(&send.0) == 1) {
            waiting.pop_front();
        }
        waiting.push_back((now.add_ms(self.timeout_ms), send.clone()));
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
