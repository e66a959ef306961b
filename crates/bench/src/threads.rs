//! The threads of a raw load, each with a runtime and connections of its own.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{runtime, sync::oneshot, task::JoinSet, time::Sleep};

use crate::error::BenchError;

/// A connection that has requests under way and gets no answer for so long is given up.
const NO_ANSWER: Duration = Duration::from_secs(30);

/// One connection's work, to be run on the thread that it is given to.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Spreads `work` over `threads`; done when all of it is.
///
/// # Errors
/// The system gives no thread or event queue.
pub(crate) fn spread(
    threads: u32,
    work: Vec<Box<dyn FnOnce() -> Work + Send>>,
) -> Result<impl Future<Output = ()>, BenchError> {
    let mut shares: Vec<Vec<_>> = (0..threads.max(1)).map(|_| Vec::new()).collect();
    let count = shares.len();
    for (number, one) in work.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(number % count) {
            share.push(one);
        }
    }
    let mut ends = Vec::new();
    for (number, share) in shares.into_iter().enumerate().filter(|(_, share)| !share.is_empty()) {
        let failed = |what| move |source| BenchError::System { what, source };
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(failed("event queue"))?;
        let (ended, end) = oneshot::channel();
        std::thread::Builder::new()
            .name(format!("load-{number}"))
            .spawn(move || {
                runtime.block_on(async {
                    let mut tasks: JoinSet<()> = JoinSet::new();
                    for one in share {
                        tasks.spawn(one());
                    }
                    while tasks.join_next().await.is_some() {}
                });
                // Nobody waits any more: the load was given up.
                let _ = ended.send(());
            })
            .map_err(failed("thread"))?;
        ends.push(end);
    }
    Ok(async move {
        for end in ends {
            // An error is the panic of that thread, which has said so.
            let _ = end.await;
        }
    })
}

/// Notices that a peer has stopped answering.
#[derive(Debug)]
pub(crate) struct Patience {
    answered: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    pub(crate) fn new() -> Patience {
        Patience { answered: Instant::now(), timer: Box::pin(tokio::time::sleep(NO_ANSWER)) }
    }

    /// The peer has answered, or owes nothing.
    pub(crate) fn renew(&mut self, now: Instant) {
        self.answered = now;
    }

    /// Ready when the peer has owed an answer for too long. The timer is moved only when it fires.
    pub(crate) fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while pin!(&mut self.timer).poll(cx).is_ready() {
            let end = self.answered + NO_ANSWER;
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(end.into());
        }
        Poll::Pending
    }
}
