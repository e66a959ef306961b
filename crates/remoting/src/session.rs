//! Calls of the service for one connection: panics are caught, replies addressed, its end told.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use eruca_protocol::{RemotingCommand, ResponseCode};
use tracing::error;

use crate::{Caller, CommandService, Reply, SettleError, caller::ReplyTo, scratch::BatchReply};

/// Peers of later versions understand `GO_AWAY` (Java: V5_1_4).
const GO_AWAY_AFTER_VERSION: i32 = 475;

/// Ends the connection for all who hold its link when it is dropped, however that comes.
pub(crate) struct Session {
    pub(crate) caller: Caller,
    pub(crate) service: Arc<dyn CommandService>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.caller.link.ended();
        if catch_unwind(AssertUnwindSafe(|| self.service.disconnected(&self.caller))).is_err() {
            error!(peer = %self.caller.peer_addr(), "panic in the handling of a closed connection");
        }
    }
}

/// What came of one request.
pub(crate) struct Outcome {
    pub(crate) reply: Option<BatchReply>,
    /// The batch has to be settled.
    pub(crate) settle: bool,
}

impl Session {
    pub(crate) fn call(&self, request: RemotingCommand) -> Outcome {
        let to = ReplyTo::of(&request);
        if self.caller.link.shared.is_draining() && request.version > GO_AWAY_AFTER_VERSION && !to.is_oneway()
        {
            let reply = to.error(ResponseCode::GO_AWAY, "shutting down; connect anew and send again");
            return Outcome {
                reply: Some(BatchReply { command: reply, after_settle: false }),
                settle: false,
            };
        }
        let called = catch_unwind(AssertUnwindSafe(|| self.service.call(&self.caller, request)));
        let (reply, after_settle, settle) = match called {
            Ok(Reply::Now(reply)) => (Some(reply), false, false),
            Ok(Reply::AfterSettle(reply)) => (Some(reply), true, true),
            Ok(Reply::Later | Reply::None) => (None, false, true),
            Err(panic) => {
                let text = panic_text(&*panic);
                error!(peer = %self.caller.peer_addr(), code = to.code, panic = text, "panic in a request handler");
                let remark = "the request failed by a fault of the server; its log says more";
                (Some(to.error(ResponseCode::SYSTEM_ERROR, remark)), false, true)
            }
        };
        let command = reply.and_then(|reply| to.address(reply));
        Outcome { reply: command.map(|command| BatchReply { command, after_settle }), settle }
    }

    pub(crate) fn settle(&self) -> Result<(), SettleError> {
        catch_unwind(AssertUnwindSafe(|| self.service.settle())).unwrap_or_else(|panic| {
            error!(panic = panic_text(&*panic), "panic while requests were settled");
            let remark = "the request failed by a fault of the server; its log says more".into();
            Err(SettleError { code: ResponseCode::SYSTEM_ERROR, remark })
        })
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("")
}
