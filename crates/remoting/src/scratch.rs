//! Buffers of a thread, lent to whichever connection is at work, so that an idle connection owns none.

use std::cell::Cell;

use bytes::BytesMut;
use eruca_protocol::RemotingCommand;

/// What one read may bring.
pub(crate) const READ_BYTES: usize = 64 << 10;
/// Larger write buffers are not kept.
const WRITE_KEEP_BYTES: usize = 256 << 10;
/// Longer lists of commands are not kept.
const COMMANDS_KEEP: usize = 1024;

/// A thread's buffers.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Read into; empty between reads.
    pub(crate) read: BytesMut,
    /// Answers are encoded into it; empty when lent.
    pub(crate) write: BytesMut,
    /// Commands taken out of a connection's queue.
    pub(crate) commands: Vec<RemotingCommand>,
    /// Replies to the requests of one read.
    pub(crate) replies: Vec<BatchReply>,
}

/// A reply that waits for the rest of its batch.
#[derive(Debug)]
pub(crate) struct BatchReply {
    pub(crate) command: RemotingCommand,
    /// Replaced when the batch cannot be settled.
    pub(crate) after_settle: bool,
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

impl Scratch {
    /// Borrows the thread's buffers; new ones while they are lent already.
    pub(crate) fn lend() -> Box<Scratch> {
        SCRATCH.take().unwrap_or_default()
    }

    /// Gives them back for the next connection.
    pub(crate) fn give_back(mut self: Box<Self>) {
        self.read.clear();
        self.write.clear();
        self.commands.clear();
        self.replies.clear();
        if self.write.capacity() > WRITE_KEEP_BYTES {
            self.write = BytesMut::new();
        }
        if self.commands.capacity() > COMMANDS_KEEP {
            self.commands = Vec::new();
        }
        if self.replies.capacity() > COMMANDS_KEEP {
            self.replies = Vec::new();
        }
        SCRATCH.set(Some(self));
    }
}
