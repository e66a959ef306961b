//! The half of a connection that other threads see: its output queue, the answers it owes and awaits, its end.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
};

use eruca_protocol::RemotingCommand;
use tokio::sync::Notify;

use crate::{
    NotifyError,
    limits::{Shared, next_connection_id},
    mailbox::Mailbox,
    pending::Pending,
};

/// Room that a command takes beside its body, roughly; for the limits, which need no more.
const COMMAND_BYTES: usize = 256;

/// Shared by a connection's task, its [`crate::Caller`]s and its [`crate::Responder`]s.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: u64,
    pub(crate) peer_addr: SocketAddr,
    pub(crate) local_addr: SocketAddr,
    pub(crate) pending: Pending,
    pub(crate) shared: Arc<Shared>,
    /// The mailbox of the shard on which the connection's task runs; without one the task is woken directly.
    mailbox: Option<Arc<Mailbox>>,
    queue: Mutex<Queue>,
    /// Bytes of output that wait: in the queue, and in the task's buffer as it last said.
    waiting_bytes: AtomicUsize,
    /// Replies that were promised and not yet given.
    owed_replies: AtomicUsize,
    /// Counts reads that brought something, so that a waiter can tell a slow answer from a dead peer.
    reads: AtomicU64,
    open: AtomicBool,
    /// Rung once, when the connection has ended.
    end: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    commands: Vec<RemotingCommand>,
    bytes: usize,
    /// The task was told to look and has not looked yet.
    told: bool,
    closing: Option<CloseCause>,
    task: Option<Waker>,
}

/// Why a connection is to be closed from our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseCause {
    /// Someone asked for it.
    Asked,
    /// More answers wait than are allowed.
    Overflow,
    /// It has ended already.
    Ended,
}

/// What the task found in its queue.
#[derive(Debug)]
pub(crate) struct Taken {
    /// How much of the budget was charged for the commands.
    pub(crate) bytes: usize,
    /// The connection is to be closed.
    pub(crate) closing: Option<CloseCause>,
}

impl Link {
    pub(crate) fn new(
        peer_addr: SocketAddr,
        local_addr: SocketAddr,
        shared: Arc<Shared>,
        mailbox: Option<Arc<Mailbox>>,
    ) -> Arc<Link> {
        Arc::new(Link {
            id: next_connection_id(),
            peer_addr,
            local_addr,
            pending: Pending::new(),
            shared,
            mailbox,
            queue: Mutex::new(Queue::default()),
            waiting_bytes: AtomicUsize::new(0),
            owed_replies: AtomicUsize::new(0),
            reads: AtomicU64::new(0),
            open: AtomicBool::new(true),
            end: Notify::new(),
        })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Returns when the connection has ended.
    pub(crate) async fn closed(&self) {
        let end = self.end.notified();
        tokio::pin!(end);
        // Listening first and looking then, so that an end in between is not missed.
        end.as_mut().enable();
        if self.is_open() {
            end.await;
        }
    }

    /// Queues an answer to a request that was accepted. Dropped when the connection is gone; closes the connection
    /// when its peer has let too much output pile up.
    pub(crate) fn push_reply(self: &Arc<Link>, reply: RemotingCommand) {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return;
        }
        if self.waiting_bytes() > self.shared.limits.output_max_bytes {
            queue.closing = Some(CloseCause::Overflow);
        } else {
            self.add(&mut queue, reply);
        }
        self.tell(queue);
    }

    /// Queues a request of ours, if the peer reads what it is sent.
    pub(crate) fn push_request(self: &Arc<Link>, request: RemotingCommand) -> Result<(), NotifyError> {
        let addr = || self.peer_addr.to_string();
        let limit_bytes = self.shared.limits.request_queue_max_bytes;
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return Err(NotifyError::Closed { addr: addr() });
        }
        if self.waiting_bytes() > limit_bytes {
            return Err(NotifyError::Full { addr: addr(), limit_bytes });
        }
        self.add(&mut queue, request);
        self.tell(queue);
        Ok(())
    }

    fn add(&self, queue: &mut Queue, command: RemotingCommand) {
        let bytes = command.body.len() + COMMAND_BYTES;
        queue.bytes += bytes;
        queue.commands.push(command);
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.shared.budget.charge(bytes);
    }

    /// Asks for the connection to be closed. What is queued already is still tried to be sent, without waiting.
    pub(crate) fn close(self: &Arc<Link>) {
        let mut queue = self.lock();
        queue.closing.get_or_insert(CloseCause::Asked);
        self.tell(queue);
    }

    pub(crate) fn is_close_requested(&self) -> bool {
        self.lock().closing == Some(CloseCause::Asked)
    }

    /// Has the task look at the link, once until it does.
    pub(crate) fn nudge(self: &Arc<Link>) {
        let queue = self.lock();
        self.tell(queue);
    }

    fn tell(self: &Arc<Link>, mut queue: MutexGuard<'_, Queue>) {
        if queue.told {
            return;
        }
        queue.told = true;
        match &self.mailbox {
            Some(mailbox) => {
                drop(queue);
                mailbox.post(self.clone());
            }
            None => {
                let task = queue.task.clone();
                drop(queue);
                if let Some(task) = task {
                    task.wake();
                }
            }
        }
    }

    /// Wakes the connection's task. For the mailbox, on the task's own thread.
    pub(crate) fn wake_task(&self) {
        let task = self.lock().task.clone();
        if let Some(task) = task {
            task.wake();
        }
    }

    /// For the task: moves the queue's commands to the end of `commands`, and remembers whom to wake for the next.
    pub(crate) fn take(&self, commands: &mut Vec<RemotingCommand>, task: &Waker) -> Taken {
        let mut queue = self.lock();
        if !queue.task.as_ref().is_some_and(|old| old.will_wake(task)) {
            queue.task = Some(task.clone());
        }
        queue.told = false;
        commands.append(&mut queue.commands);
        if queue.commands.capacity() > 64 {
            // One burst must not pin its memory to a connection for ever.
            queue.commands = Vec::new();
        }
        let bytes = std::mem::take(&mut queue.bytes);
        Taken { bytes, closing: queue.closing }
    }

    /// For the task: output in its buffer was `before` bytes and is `after`, beside what the queue holds.
    pub(crate) fn adjust_waiting(&self, before: usize, after: usize) {
        if after >= before {
            self.waiting_bytes.fetch_add(after - before, Ordering::Relaxed);
            self.shared.budget.charge(after - before);
        } else {
            self.waiting_bytes.fetch_sub(before - after, Ordering::Relaxed);
            self.shared.budget.release(before - after);
        }
    }

    /// Output that was accepted and not yet handed to the system.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    /// A reply was promised.
    pub(crate) fn owe(&self) {
        self.owed_replies.fetch_add(1, Ordering::AcqRel);
    }

    /// A promised reply was given, or never will be.
    pub(crate) fn owe_no_more(self: &Arc<Link>) {
        let before = self.owed_replies.fetch_sub(1, Ordering::AcqRel);
        // The task may be waiting for room, or for its last reply before it ends.
        if before == self.shared.limits.owed_replies_max || (before == 1 && self.shared.is_draining()) {
            self.nudge();
        }
    }

    pub(crate) fn owed_replies(&self) -> usize {
        self.owed_replies.load(Ordering::Acquire)
    }

    pub(crate) fn note_read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// The connection has ended: fails all waiters, gives back what the queue holds.
    pub(crate) fn ended(&self) {
        self.open.store(false, Ordering::Release);
        let mut queue = self.lock();
        queue.closing = Some(CloseCause::Ended);
        queue.task = None;
        let commands = std::mem::take(&mut queue.commands);
        let bytes = std::mem::take(&mut queue.bytes);
        drop(queue);
        drop(commands);
        self.adjust_waiting(bytes, 0);
        self.pending.close();
        self.end.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
