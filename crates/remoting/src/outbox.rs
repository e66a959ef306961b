//! The other end of a caller without a socket, for tests of handlers.

use std::{
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, PoisonError},
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use eruca_protocol::RemotingCommand;

use crate::{
    Caller,
    limits::{Limits, OWED_REPLIES_MAX, Shared},
    link::Link,
};

/// Collects what a [`Caller::detached`] was sent.
#[derive(Debug)]
pub struct Outbox {
    link: Arc<Link>,
    bell: Arc<Bell>,
}

/// Rings when something was sent.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<u64>,
    changed: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }
}

impl Outbox {
    pub(crate) fn new(peer_addr: SocketAddr, local_addr: SocketAddr) -> Outbox {
        let limits = Limits {
            name: "detached",
            frame_max_bytes: 16 << 20,
            output_high_water_bytes: 64 << 20,
            request_queue_max_bytes: 64 << 20,
            output_max_bytes: 64 << 20,
            stall_timeout: Duration::MAX,
            idle_timeout: Duration::MAX,
            owed_replies_max: OWED_REPLIES_MAX,
        };
        let link = Link::new(peer_addr, local_addr, Shared::new(limits, usize::MAX), None);
        let outbox = Outbox { link, bell: Arc::default() };
        assert!(outbox.take().is_empty(), "nothing was sent yet");
        outbox
    }

    pub(crate) fn caller(&self) -> Caller {
        Caller::new(self.link.clone())
    }

    /// What was sent since the last call, in order.
    pub fn take(&self) -> Vec<RemotingCommand> {
        let mut commands = Vec::new();
        let taken = self.link.take(&mut commands, &Waker::from(self.bell.clone()));
        self.link.adjust_waiting(taken.bytes, 0);
        commands
    }

    /// Waits, at most for `bound`, until `count` commands were sent, and takes what there is then.
    pub fn take_within(&self, count: usize, bound: Duration) -> Vec<RemotingCommand> {
        let end = Instant::now() + bound;
        let mut commands = Vec::new();
        loop {
            let rung_before = *self.rung();
            commands.append(&mut self.take());
            let left = end.saturating_duration_since(Instant::now());
            if commands.len() >= count || left.is_zero() {
                return commands;
            }
            let waited = self.bell.changed.wait_timeout_while(self.rung(), left, |rung| *rung == rung_before);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Answers what [`Caller::invoke`] asked. False if nobody waits for this `opaque`.
    pub fn answer(&self, answer: RemotingCommand) -> bool {
        self.link.pending.complete(answer)
    }

    /// Whether [`Caller::close`] was called.
    pub fn is_close_requested(&self) -> bool {
        self.link.is_close_requested()
    }

    /// Ends the connection: the caller is not open any more and its waiters fail.
    pub fn disconnect(&self) {
        self.link.ended();
    }

    fn rung(&self) -> std::sync::MutexGuard<'_, u64> {
        self.bell.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::{RequestCode, ResponseCode};

    use super::*;
    use crate::NotifyError;

    fn pair() -> (Caller, Outbox) {
        Caller::detached(([127, 0, 0, 1], 5).into(), ([127, 0, 0, 1], 10911).into())
    }

    #[test]
    fn replies_are_addressed_and_oneway_requests_get_none() {
        let (caller, outbox) = pair();
        let mut request = RemotingCommand::request_without_header(RequestCode(7));
        request.opaque = 42;
        let reply = request.reply(ResponseCode::SUCCESS);
        let mut forgetful = reply.clone();
        forgetful.opaque = 0;
        caller.responder(&request).send(forgetful);
        caller.responder(&request.clone().oneway()).send(reply.clone());
        drop(caller.responder(&request));
        let sent = outbox.take();
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0], reply);
        assert_eq!((sent[1].opaque, sent[1].response_code()), (42, ResponseCode::SYSTEM_ERROR));
    }

    #[test]
    fn another_thread_can_be_waited_for() {
        let (caller, outbox) = pair();
        let other = std::thread::spawn(move || {
            let request = RemotingCommand::request_without_header(RequestCode(40));
            caller.notify(request.clone()).unwrap();
            caller.notify(request).unwrap();
        });
        assert_eq!(outbox.take_within(2, Duration::from_secs(10)).len(), 2);
        other.join().unwrap();
    }

    #[test]
    fn a_disconnected_caller_is_told() {
        let (caller, outbox) = pair();
        outbox.disconnect();
        assert!(!caller.is_open());
        let request = RemotingCommand::request_without_header(RequestCode(40));
        assert!(matches!(caller.notify(request), Err(NotifyError::Closed { .. })));
    }
}
