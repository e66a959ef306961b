//! Messages of a queue consumed at the same time.

use std::{sync::Arc, time::Duration};

use eruca_message::trace::TraceOutcome;
use eruca_remoting::CancelToken;
use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};

use super::{
    super::{send_back::LEVEL_BY_TRIES, trace::CallTrace},
    core::{Core, PulledWork, Work},
    listener::{ConsumeStatus, Listener, Messages, Panicked, call},
    popped::consume_popped,
};
use crate::lock::lock;
use crate::millis::millis;

/// When a message that could not be sent back is tried again from memory.
const LOCAL_RETRY_MS: i64 = 5_000;
/// How often overdue calls and local retries are looked for.
const TICK: Duration = Duration::from_secs(1);
/// Delay level of messages whose call takes too long.
const LEVEL_OVERDUE: i32 = 3;
/// Most overdue messages of one queue to send back at a time.
const MAX_OVERDUE: usize = 16;

/// Where workers take their work from.
pub(crate) type WorkQueue = Arc<Mutex<mpsc::UnboundedReceiver<Work>>>;

/// Consumes until told to stop; the call in progress is brought to its end.
pub(crate) async fn work_on(core: Arc<Core>, queue: WorkQueue, stop: CancelToken) {
    loop {
        let next = async { queue.lock().await.recv().await };
        let work = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            work = next => work,
        };
        match work {
            Some(Work::Pulled(work)) => consume(&core, work).await,
            Some(Work::Popped(work)) => consume_popped(&core, work).await,
            None => return,
        }
    }
}

async fn consume(core: &Core, work: PulledWork) {
    let Listener::Concurrent(listener) = &core.listener else { return };
    let PulledWork { held, generation, messages } = work;
    if held.is_dropped() {
        return;
    }
    lock(&held.state).started(generation, &messages, core.now());
    let trace = core.trace_call(&messages);
    let began = Instant::now();
    let called = call(listener, messages.clone()).await;
    let took = began.elapsed();
    if let Some(trace) = trace {
        end_trace(core, trace, &called, messages.len(), core.settings.consume_timeout);
    }
    let status = called.unwrap_or(ConsumeStatus::RetryLater);
    if held.is_dropped() {
        // The queue's next owner consumes them again.
        return;
    }
    let (mut done, failed, delay_level) = divide(messages, status);
    core.count_call(&held.queue.topic, took, done.len(), failed.len());
    for message in failed {
        if core.member.is_broadcasting() {
            tracing::warn!(queue = %held.queue, id = %message.message_id(), "consumption failed; broadcast messages do not come again");
            done.push(message);
            continue;
        }
        match core.send_back().send(&message, delay_level).await {
            Ok(()) => done.push(message),
            Err(error) => {
                tracing::warn!(queue = %held.queue, id = %message.message_id(), %error, "message not sent back, it is tried again from memory");
                if let Some(again) = lock(&held.state).retry(generation, &message) {
                    let work = PulledWork { held: held.clone(), generation, messages: vec![again] };
                    lock(&core.later).push_back((core.now().add_ms(LOCAL_RETRY_MS), work));
                }
            }
        }
    }
    held.finished(generation, &done, &core.member.offsets, core.now());
}

/// Tells how the call with `count` messages went, which should not have taken as long as `timeout`.
pub(super) fn end_trace(
    core: &Core,
    trace: CallTrace,
    called: &Result<ConsumeStatus, Panicked>,
    count: usize,
    timeout: Duration,
) {
    let done = match called {
        Ok(ConsumeStatus::Success) => count,
        Ok(ConsumeStatus::FirstSucceeded(done)) => *done,
        _ => 0,
    };
    let outcome = match called {
        Err(Panicked) => TraceOutcome::Exception,
        Ok(_) if trace.elapsed() >= timeout => TraceOutcome::TimedOut,
        Ok(_) if done >= count => TraceOutcome::Success,
        Ok(_) => TraceOutcome::Failed,
    };
    trace.end(&core.member.session, outcome, done);
}

/// Those that are done with, those that failed, and the delay level for the latter.
pub(super) fn divide<M>(mut messages: Vec<M>, status: ConsumeStatus) -> (Vec<M>, Vec<M>, i32) {
    match status {
        ConsumeStatus::Success => (messages, Vec::new(), LEVEL_BY_TRIES),
        ConsumeStatus::RetryLater => (Vec::new(), messages, LEVEL_BY_TRIES),
        ConsumeStatus::RetryAtLevel(level) => (Vec::new(), messages, level),
        ConsumeStatus::FirstSucceeded(count) => {
            let failed = messages.split_off(count.min(messages.len()));
            (messages, failed, LEVEL_BY_TRIES)
        }
    }
}

/// Brings back what failed and could not be sent back, and sends back what takes too long.
pub(crate) async fn tick(core: Arc<Core>) {
    loop {
        tokio::time::sleep(TICK).await;
        requeue_due(&core);
        send_back_overdue(&core).await;
    }
}

fn requeue_due(core: &Core) {
    let now = core.now();
    let mut later = lock(&core.later);
    // Sorted by time: all wait equally long.
    while let Some((_, work)) = later.pop_front_if(|(due, _)| *due <= now) {
        // The receivers are gone while the consumer shuts down.
        let _ = core.work.send(Work::Pulled(work));
    }
}

async fn send_back_overdue(core: &Core) {
    let timeout_ms = millis(core.settings.consume_timeout);
    if core.member.is_broadcasting() {
        return;
    }
    for held in core.held() {
        let (generation, overdue) = lock(&held.state).overdue(timeout_ms, core.now(), MAX_OVERDUE);
        let mut done = Messages::new();
        for message in overdue {
            tracing::warn!(queue = %held.queue, id = %message.message_id(), timeout_ms, "the listener takes too long, the message is sent back");
            match core.send_back().send(&message, LEVEL_OVERDUE).await {
                Ok(()) => done.push(message),
                Err(error) => tracing::warn!(queue = %held.queue, %error, "overdue message not sent back"),
            }
        }
        if !done.is_empty() {
            held.finished(generation, &done, &core.member.offsets, core.now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{decode_messages, tests::record};

    #[test]
    fn a_partial_success_divides_the_batch() {
        let messages: Messages = (0..3)
            .flat_map(|offset| decode_messages(&record("t", offset, 0, b"x", b"")).unwrap())
            .map(Arc::new)
            .collect();
        let sizes = |status| {
            let (done, failed, level) = divide(messages.clone(), status);
            (done.len(), failed.len(), level)
        };
        assert_eq!(sizes(ConsumeStatus::Success), (3, 0, 0));
        assert_eq!(sizes(ConsumeStatus::RetryAtLevel(4)), (0, 3, 4));
        assert_eq!(sizes(ConsumeStatus::FirstSucceeded(1)), (1, 2, 0));
        assert_eq!(sizes(ConsumeStatus::FirstSucceeded(9)), (3, 0, 0));
    }
}
