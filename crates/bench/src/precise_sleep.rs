//! A timer that is as exact as the kernel's; Tokio's own rounds up to milliseconds.

use std::{
    io,
    task::{Context, Poll},
    time::{Duration, Instant},
};

#[cfg(target_os = "linux")]
mod timer {
    use std::{
        io,
        os::fd::OwnedFd,
        task::{Context, Poll, ready},
        time::Duration,
    };

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::{Interest, unix::AsyncFd};

    /// A timer of the kernel.
    #[derive(Debug)]
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub(super) fn new() -> io::Result<Timer> {
            let timer =
                timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            #[expect(
                deprecated,
                reason = "its successor is unsafe; an OwnedFd keeps its descriptor open and to itself"
            )]
            let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
            Ok(Timer(timer))
        }

        pub(super) fn set(&mut self, wait: Duration) -> io::Result<()> {
            // Zero would disarm it.
            let wait = wait.max(Duration::from_nanos(1));
            let it_value =
                Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
            Ok(())
        }

        pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            loop {
                let mut guard = ready!(self.0.poll_read_ready(cx))?;
                let mut expirations = [0; 8];
                match guard.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?)) {
                    Ok(read) => return Poll::Ready(read.map(drop)),
                    Err(_would_block) => {}
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod timer {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    use tokio::time::{Instant, Sleep, sleep};

    /// Tokio's timer: exact to about a millisecond.
    #[derive(Debug)]
    pub(super) struct Timer(Pin<Box<Sleep>>);

    impl Timer {
        pub(super) fn new() -> io::Result<Timer> {
            Ok(Timer(Box::pin(sleep(Duration::ZERO))))
        }

        pub(super) fn set(&mut self, wait: Duration) -> io::Result<()> {
            self.0.as_mut().reset(Instant::now() + wait);
            Ok(())
        }

        pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.as_mut().poll(cx).map(Ok)
        }
    }
}

/// Waits for moments, one after the other.
#[derive(Debug)]
pub(crate) struct PreciseSleep {
    timer: timer::Timer,
    set_to: Option<Instant>,
}

impl PreciseSleep {
    /// A timer of its own. To be called inside a Tokio runtime.
    pub(crate) fn new() -> io::Result<PreciseSleep> {
        Ok(PreciseSleep { timer: timer::Timer::new()?, set_to: None })
    }

    /// Ready at `moment` or, where it has passed, at once.
    pub(crate) fn poll_until(&mut self, moment: Instant, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.set_to != Some(moment) {
            let wait = moment.saturating_duration_since(Instant::now());
            if wait == Duration::ZERO {
                return Poll::Ready(Ok(()));
            }
            self.timer.set(wait)?;
            self.set_to = Some(moment);
        }
        let poll = self.timer.poll(cx);
        if poll.is_ready() {
            self.set_to = None;
        }
        poll
    }

    /// Waits until `moment`.
    pub(crate) async fn until(&mut self, moment: Instant) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_until(moment, cx)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_moment_is_left_too_early() {
        let mut sleep = PreciseSleep::new().unwrap();
        for micros in [300, 0, 1200, 50] {
            let moment = Instant::now() + Duration::from_micros(micros);
            sleep.until(moment).await.unwrap();
            assert!(Instant::now() >= moment);
        }
    }

    #[tokio::test]
    async fn a_moment_that_was_given_up_does_not_end_the_next() {
        let mut sleep = PreciseSleep::new().unwrap();
        let soon = Instant::now() + Duration::from_micros(200);
        let _ = tokio::time::timeout(Duration::ZERO, sleep.until(soon)).await;
        let later = Instant::now() + Duration::from_millis(5);
        sleep.until(later).await.unwrap();
        assert!(Instant::now() >= later);
    }
}
