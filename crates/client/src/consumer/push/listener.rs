//! What the user gives to be called.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use eruca_message::{Message, StoredMessage, names, properties};

/// Messages of one queue, in its order. Their topic is the one that was subscribed, also where they come back through
/// the group's retry topic.
pub type Messages = Vec<Arc<StoredMessage>>;

/// How the consumption of messages ended, where messages of a queue are consumed at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumeStatus {
    /// They are done with.
    Success,
    /// They shall come again, each time after a longer delay, until they end in the dead letter queue (Java:
    /// `RECONSUME_LATER`).
    RetryLater,
    /// They shall come again after the delay of this level: 1 and up; -1: they go to the dead letter queue at once.
    RetryAtLevel(i32),
    /// So many from the first are done with, the rest shall come again.
    FirstSucceeded(usize),
}

/// How the consumption of messages ended, where messages of a queue are consumed one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderedConsumeStatus {
    /// They are done with.
    Success,
    /// They shall be tried again in a moment; the rest of the queue waits (Java: `SUSPEND_CURRENT_QUEUE_A_MOMENT`).
    Suspend,
    /// They shall be tried again after this time, 10 ms to 30 s.
    SuspendFor(Duration),
}

/// A message that comes back tells where it came from: the listener knows that topic, not those of retries.
pub(super) fn name_as_subscribed(message: &mut Message, group: &str) {
    if message.topic == names::retry_topic(group)
        && let Some(topic) = message.properties.get(properties::RETRY_TOPIC)
    {
        message.topic = topic.to_owned();
    }
    // It may have been popped before.
    message.topic = names::pop_origin_topic(&message.topic, group).to_owned();
}

type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;
type Call<T> = Arc<dyn Fn(Messages) -> Future<T> + Send + Sync>;

/// A user's function.
#[derive(Clone)]
pub(crate) enum Listener {
    Concurrent(Call<ConsumeStatus>),
    Ordered(Call<OrderedConsumeStatus>),
}

impl Listener {
    pub(crate) fn concurrent<F>(call: impl Fn(Messages) -> F + Send + Sync + 'static) -> Self
    where
        F: std::future::Future<Output = ConsumeStatus> + Send + 'static,
    {
        Listener::Concurrent(Arc::new(move |messages| Box::pin(call(messages))))
    }

    pub(crate) fn ordered<F>(call: impl Fn(Messages) -> F + Send + Sync + 'static) -> Self
    where
        F: std::future::Future<Output = OrderedConsumeStatus> + Send + 'static,
    {
        Listener::Ordered(Arc::new(move |messages| Box::pin(call(messages))))
    }

    pub(crate) fn is_ordered(&self) -> bool {
        matches!(self, Listener::Ordered(_))
    }
}

/// The user's function panicked; the panic was reported by the panic hook.
#[derive(Debug, thiserror::Error)]
#[error("the listener panicked")]
pub(crate) struct Panicked;

/// Calls the user's function. A panic of it is an outcome like any other: it must not end the task that calls.
pub(crate) async fn call<T>(function: &Call<T>, messages: Messages) -> Result<T, Panicked> {
    let mut future = catch_unwind(AssertUnwindSafe(|| function(messages))).map_err(|_| Panicked)?;
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(status)) => Poll::Ready(Ok(status)),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panics_before_and_after_the_first_wait_are_caught() {
        let at_once: Call<ConsumeStatus> = Arc::new(|_| panic!("for the test"));
        assert!(call(&at_once, Vec::new()).await.is_err());
        let later: Call<ConsumeStatus> = Arc::new(|_| {
            Box::pin(async {
                tokio::task::yield_now().await;
                panic!("for the test")
            })
        });
        assert!(call(&later, Vec::new()).await.is_err());
        let Listener::Concurrent(fine) = Listener::concurrent(|_| async { ConsumeStatus::Success }) else {
            unreachable!("made as concurrent");
        };
        assert_eq!(call(&fine, Vec::new()).await.unwrap(), ConsumeStatus::Success);
    }
}
