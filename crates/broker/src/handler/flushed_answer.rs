//! Answers that wait for the disk, and say so where it fails.

use eruca_message::LogOffset;
use eruca_protocol::RemotingCommand;
use eruca_remoting::Responder;
use eruca_store::MessageStore;

use crate::reply::HandlerError;

/// Sends `answer` when the disk has the log up to `end`, or the reason why it has not. There is no time limit: for clients that
/// go on without the message once they have the answer.
pub(super) fn answer_when_flushed(
    store: &MessageStore,
    responder: Responder,
    answer: RemotingCommand,
    end: LogOffset,
) {
    let waiter = move |result: Result<(), _>| {
        responder.send(match result {
            Ok(()) => answer,
            Err(why) => HandlerError::from(why).into_reply(&answer),
        });
    };
    store.on_flushed(end, Box::new(waiter));
}
