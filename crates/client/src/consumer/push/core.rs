//! What all tasks of a push consumer share.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use eruca_message::{MessageQueue, StoredMessage, Timestamp};
use eruca_protocol::RemotingCommand;
use eruca_remoting::Responder;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::{
    super::{
        membership::Membership,
        pop::{Calls, PopSettings},
        process_queue::FlowLimits,
        rates::Rates,
        send_back::SendBack,
        trace::CallTrace,
    },
    held_queue::HeldQueue,
    listener::{Listener, Messages},
    popped::PoppedWork,
    popped_queue::PoppedQueue,
};
use crate::{lock::lock, trace::Tracer};

/// Settings of a push consumer.
#[derive(Debug, Clone)]
pub(crate) struct PushSettings {
    /// Most calls of the listener at a time.
    pub(crate) parallel_calls: usize,
    /// Most messages of one call.
    pub(crate) call_batch: usize,
    /// Most messages of one pull.
    pub(crate) pull_batch: i32,
    pub(crate) flow: FlowLimits,
    /// When more messages of a popped queue are not done with, it is popped no further.
    pub(crate) pop_in_flight: usize,
    /// How often a failed message comes again.
    pub(crate) max_reconsume_times: i32,
    /// A call that takes longer no longer holds its messages: they come again.
    pub(crate) consume_timeout: Duration,
    /// How long a queue waits by default when its listener says so.
    pub(crate) suspend: Duration,
    /// How long a shutdown waits for calls in progress.
    pub(crate) shutdown_grace: Duration,
}

/// Messages to be consumed.
#[derive(Debug)]
pub(crate) enum Work {
    Pulled(PulledWork),
    Popped(PoppedWork),
}

/// Messages to be consumed, and the queue that they hold up.
#[derive(Debug)]
pub(crate) struct PulledWork {
    pub(crate) held: Arc<HeldQueue>,
    pub(crate) generation: u64,
    pub(crate) messages: Messages,
}

/// A message that a broker asks us to consume and report on.
#[derive(Debug)]
pub(crate) struct DirectWork {
    pub(crate) message: StoredMessage,
    pub(crate) request: RemotingCommand,
    pub(crate) responder: Responder,
}

/// Queues by their state of possession.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) held: HashMap<MessageQueue, Arc<HeldQueue>>,
    /// Given away, but a call is still running: not to be taken up again before it ends.
    pub(crate) releasing: HashSet<MessageQueue>,
    pub(crate) popped: HashMap<MessageQueue, Arc<PoppedQueue>>,
}

/// What all tasks of a push consumer share.
pub(crate) struct Core {
    pub(crate) member: Membership,
    pub(crate) settings: PushSettings,
    pub(crate) pop: PopSettings,
    pub(crate) listener: Listener,
    pub(crate) queues: Mutex<Queues>,
    pub(crate) rebalance_due: Notify,
    /// Messages to consume. Bounded by the limits of each queue.
    pub(crate) work: mpsc::UnboundedSender<Work>,
    /// Work that failed and could not be sent back, by the time at which it is due again.
    pub(crate) later: Mutex<VecDeque<(Timestamp, PulledWork)>>,
    pub(crate) direct: mpsc::Sender<DirectWork>,
    /// Limits the calls of a listener that consumes in order.
    pub(crate) call_permits: Semaphore,
    pub(crate) is_suspended: AtomicBool,
    pub(crate) rates: Rates,
    pub(crate) consumed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) tracer: Option<Arc<Tracer>>,
}

impl Core {
    /// A call of the listener begins, with these messages.
    pub(crate) fn trace_call(&self, messages: &Messages) -> Option<CallTrace> {
        let stored = messages.iter().map(|message| &**message);
        CallTrace::begin(self.tracer.as_ref(), &self.member.session, self.member.group(), stored)
    }

    /// A call of the listener ended: so many of its messages are done with, and so many failed.
    pub(crate) fn count_call(&self, topic: &str, took: Duration, done: usize, failed: usize) {
        self.rates.consumed(topic, took, done, failed, self.now());
        self.consumed.fetch_add(done as u64, Ordering::Relaxed);
        self.failed.fetch_add(failed as u64, Ordering::Relaxed);
    }

    /// The queues that are ours.
    pub(crate) fn held(&self) -> Vec<Arc<HeldQueue>> {
        lock(&self.queues).held.values().cloned().collect()
    }

    pub(crate) fn held_queue(&self, queue: &MessageQueue) -> Option<Arc<HeldQueue>> {
        lock(&self.queues).held.get(queue).cloned()
    }

    /// The queues that we pop.
    pub(crate) fn popped(&self) -> Vec<Arc<PoppedQueue>> {
        lock(&self.queues).popped.values().cloned().collect()
    }

    /// The requests of POP.
    pub(crate) fn pops(&self) -> Calls<'_> {
        Calls { session: &self.member.session, settings: &self.pop }
    }

    /// How messages go back.
    pub(crate) fn send_back(&self) -> SendBack<'_> {
        SendBack {
            session: &self.member.session,
            group: self.member.group(),
            max_reconsume_times: self.settings.max_reconsume_times,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.member.session.now()
    }

    /// Hands messages to those who consume at the same time, in portions of a call.
    pub(crate) fn enqueue(&self, held: &Arc<HeldQueue>, generation: u64, messages: &Messages) {
        for batch in messages.chunks(self.settings.call_batch) {
            let work = Work::Pulled(PulledWork { held: held.clone(), generation, messages: batch.to_vec() });
            // The receivers are gone while the consumer shuts down: the messages come again after the next start.
            let _ = self.work.send(work);
        }
    }

    /// Makes the offsets of all queues last.
    pub(crate) async fn persist_offsets(&self) {
        let queues = self.held().iter().map(|held| held.queue.clone()).collect();
        if let Err(error) = self.member.offsets.persist(&queues).await {
            tracing::warn!(group = self.member.group(), %error, "offsets not persisted, the next attempt is due in 5 s");
        }
    }
}
