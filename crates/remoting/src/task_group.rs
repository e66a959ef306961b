//! Every spawned task has an owner that can stop it and wait for it.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
};

use tokio::{sync::watch, task::JoinSet};
use tracing::error;

/// Owns the tasks spawned through it: [`TaskGroup::shutdown`] stops them and waits; dropping the group aborts them.
#[derive(Debug)]
pub struct TaskGroup {
    tasks: Mutex<JoinSet<()>>,
    cancel: watch::Sender<bool>,
}

/// Tells a task that its group is shutting down.
#[derive(Debug, Clone)]
pub struct CancelToken(watch::Receiver<bool>);

impl Default for TaskGroup {
    fn default() -> Self {
        TaskGroup { tasks: Mutex::new(JoinSet::new()), cancel: watch::Sender::new(false) }
    }
}

impl TaskGroup {
    /// A group without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `future` until it ends or the group shuts down, which drops it at the point where it waits.
    ///
    /// `name` is for the log, should the task panic. A group that was shut down drops the future unpolled.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn_graceful(name, |token| async move {
            tokio::select! {
                biased;
                () = token.cancelled() => {}
                () = future => {}
            }
        });
    }

    /// Runs the future that `start` makes until it ends by itself, which it should do soon after the token says so:
    /// for tasks that have something to finish first.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn spawn_graceful<F>(&self, name: &'static str, start: impl FnOnce(CancelToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let future = start(self.token());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Ended tasks are let go of here, so that a long-lived group does not grow.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(Named { name, future: Box::pin(future) });
    }

    /// A token that is cancelled when this group shuts down.
    pub fn token(&self) -> CancelToken {
        CancelToken(self.cancel.subscribe())
    }

    /// Stops all tasks and waits until they have ended. May be called more than once.
    pub async fn shutdown(&self) {
        self.cancel.send_replace(true);
        loop {
            let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
            if tasks.is_empty() {
                return;
            }
            while tasks.join_next().await.is_some() {}
        }
    }
}

impl CancelToken {
    /// Whether the group is shutting down.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the group shuts down or is dropped.
    pub async fn cancelled(&self) {
        // An error means that the group is gone, which is as good a reason to stop.
        let _ = self.0.clone().wait_for(|cancelled| *cancelled).await;
    }
}

/// A task that names itself in the log when it panics, and then panics on (its group sees it end).
struct Named<F> {
    name: &'static str,
    future: std::pin::Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Future for Named<F> {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        let name = self.name;
        let poll = std::panic::AssertUnwindSafe(|| self.future.as_mut().poll(cx));
        std::panic::catch_unwind(poll).unwrap_or_else(|_| {
            error!(task = name, "task panicked and ended");
            std::task::Poll::Ready(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn shutdown_drops_waiting_tasks_and_waits_for_graceful_ones() {
        let group = TaskGroup::new();
        let finished = Arc::new(AtomicBool::new(false));
        group.spawn("waits forever", std::future::pending());
        let flag = finished.clone();
        group.spawn_graceful("finishes", |token| async move {
            token.cancelled().await;
            tokio::task::yield_now().await;
            flag.store(true, Ordering::Relaxed);
        });
        group.spawn("panics", async { panic!("for the test") });
        group.shutdown().await;
        assert!(finished.load(Ordering::Relaxed));
        group.shutdown().await;
    }
}
