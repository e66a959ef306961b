//! What a consumer's traces tell: messages given to a listener, and how it went.

use std::sync::Arc;

use eruca_message::{
    StoredMessage, Timestamp,
    properties::{MSG_REGION, TRACE_SWITCH},
    trace::{DEFAULT_REGION, TraceOutcome, TraceRecord},
};
use tokio::time::Instant;

use crate::{client::Session, trace::Tracer};

/// A call of a listener that is traced.
pub(crate) struct CallTrace {
    tracer: Arc<Tracer>,
    group: String,
    request_id: String,
    started: Instant,
    /// Position among the call's messages, id and keys of those that are traced.
    messages: Vec<(usize, String, Option<String>)>,
    /// How many messages the call has.
    count: usize,
}

impl CallTrace {
    /// The call begins, with these messages.
    pub(crate) fn begin<'a>(
        tracer: Option<&Arc<Tracer>>,
        session: &Session,
        group: &str,
        messages: impl IntoIterator<Item = &'a StoredMessage>,
    ) -> Option<CallTrace> {
        let tracer = tracer?;
        let time = session.now();
        let mut call = CallTrace {
            tracer: tracer.clone(),
            group: group.to_owned(),
            request_id: tracer.new_id(time),
            started: Instant::now(),
            messages: Vec::new(),
            count: 0,
        };
        for stored in messages {
            call.add(stored, time);
        }
        (!call.messages.is_empty()).then_some(call)
    }

    fn add(&mut self, stored: &StoredMessage, time: Timestamp) {
        let (properties, position) = (&stored.message.properties, self.count);
        self.count += 1;
        if properties.get(TRACE_SWITCH) == Some("false") || !self.tracer.traces(&stored.message.topic) {
            return;
        }
        let (message_id, keys) = (stored.message_id(), stored.message.keys().map(str::to_owned));
        self.tracer.append(TraceRecord::SubBefore {
            time,
            region: properties.get(MSG_REGION).unwrap_or(DEFAULT_REGION).to_owned(),
            group: self.group.clone(),
            request_id: self.request_id.clone(),
            message_id: message_id.clone(),
            retry_times: stored.reconsume_times,
            keys: keys.clone(),
        });
        self.messages.push((position, message_id, keys));
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }

    /// It ended; the first `done` of its messages are done with.
    pub(crate) fn end(self, session: &Session, outcome: TraceOutcome, done: usize) {
        let each_ms = self.started.elapsed().as_millis() / self.count.max(1) as u128;
        let cost_ms = i32::try_from(each_ms).unwrap_or(i32::MAX);
        let now = session.now();
        for (position, message_id, keys) in self.messages {
            self.tracer.append(TraceRecord::SubAfter {
                request_id: self.request_id.clone(),
                message_id,
                cost_ms,
                is_success: position < done,
                keys,
                outcome,
                by: Some((now, self.group.clone())),
            });
        }
    }
}
