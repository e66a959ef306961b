//! Pulls that wait because there is nothing yet.
//!
//! Tags are looked at before a pull is woken, as they stand in the queue's entry. Conditions on properties are not: the
//! pull is woken by every message, reads it, and waits on behind it where it is not wanted.

use eruca_message::Timestamp;
use eruca_protocol::{RemotingCommand, ResponseCode};
use eruca_remoting::{Caller, Reply, Responder};

use super::pull_message::{Plan, PullMessageHandler, Served};
use crate::{
    long_poll::{Interest, LET_GO_AFTER_MS, PullRunner},
    reply::HandlerError,
};

/// A pull that waits.
#[derive(Debug)]
pub struct ParkedPull {
    plan: Plan,
    responder: Responder,
    /// When it is answered in any case.
    deadline: Timestamp,
    /// Whether a message came that was not wanted.
    was_passed_over: bool,
}

impl ParkedPull {
    /// Whether the client is still there.
    pub fn is_wanted(&self) -> bool {
        self.responder.caller().is_open()
    }

    /// The consumer group.
    pub fn group(&self) -> &str {
        &self.plan.group
    }
}

impl PullMessageHandler {
    pub(super) fn park(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
        plan: Plan,
        wait_ms: i64,
    ) -> Result<Reply, HandlerError> {
        let (topic, queue_id) = (plan.topic.clone(), plan.queue_id);
        let deadline = self.clock.now().add_ms(wait_ms);
        let responder = caller.responder(request);
        match self.wait(ParkedPull { plan, responder, deadline, was_passed_over: false }) {
            Waits::Parked => {}
            Waits::Woken(pull) => self.run(pull),
            Waits::Refused(pull) => {
                let remark = match self.hold.is_stopped() {
                    true => "the broker is shutting down: pull from another one, or again later".to_owned(),
                    false => format!(
                        "[OVERLOAD] too many pulls wait for messages of queue {queue_id} of topic {topic} or in all \
                         ({}): use fewer consumers",
                        self.hold.len()
                    ),
                };
                let busy = HandlerError::new(ResponseCode::SYSTEM_BUSY, remark);
                pull.responder.send(busy.into_reply(request));
            }
        }
        Ok(Reply::Later)
    }

    /// Lets a pull wait for the message at its offset.
    fn wait(&self, pull: ParkedPull) -> Waits {
        let (topic, queue_id, from) = (pull.plan.topic.clone(), pull.plan.queue_id, pull.plan.from());
        let interest = Interest {
            topic: topic.clone(),
            queue_id,
            from,
            filter: pull.plan.filter.clone(),
            deadline: pull.deadline,
        };
        match self.hold.park(interest, pull) {
            Err(refused) => Waits::Refused(refused),
            // A message may have come between the look and the parking.
            Ok(id) if self.store.readable_queue_range(&topic, queue_id).max > from => {
                self.hold.take(&topic, queue_id, id).map_or(Waits::Parked, Waits::Woken)
            }
            Ok(_) => Waits::Parked,
        }
    }

    /// Whether a woken pull that found nothing it wants goes on waiting; from where.
    fn waits_on(&self, pull: &ParkedPull, served: &Served) -> Option<u64> {
        let is_over = self.clock.now() >= pull.deadline || self.hold.is_stopped();
        if is_over || !pull.plan.filter.needs_properties() {
            return None;
        }
        served.passed_over
    }
}

/// What became of a pull that was to wait.
enum Waits {
    Parked,
    /// There is a message now.
    Woken(ParkedPull),
    /// Too many wait, or none may any more.
    Refused(ParkedPull),
}

/// A woken pull is read again and answered, whatever is found: but one that no message was for waits on, for a while.
impl PullRunner<ParkedPull> for PullMessageHandler {
    fn run(&self, mut pull: ParkedPull) {
        while pull.is_wanted() {
            let served = self.serve(&pull.plan, &self.settings.now());
            let Some(next) = self.waits_on(&pull, &served).and_then(|next| i64::try_from(next).ok()) else {
                pull.responder.send(served.reply);
                return;
            };
            pull.plan.offset = next;
            if !std::mem::replace(&mut pull.was_passed_over, true) {
                let earlier = self.clock.now().add_ms(LET_GO_AFTER_MS);
                pull.deadline = pull.deadline.min(earlier);
            }
            match self.wait(pull) {
                Waits::Parked => return,
                Waits::Woken(again) => pull = again,
                Waits::Refused(refused) => {
                    refused.responder.send(served.reply);
                    return;
                }
            }
        }
    }
}
