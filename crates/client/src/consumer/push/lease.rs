//! The right to consume a queue alone. Pure.

use eruca_message::Timestamp;

/// A broker gives a queue for 60 s; to be safe from a slow clock or network, we trust it for half of that.
const TRUSTED_MS: i64 = 30_000;

/// What we know of a queue's lock at its broker. An ordered consumer renews it every 20 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lease {
    granted: Option<Timestamp>,
}

impl Lease {
    /// The broker gave us the queue, answering a request that left at `asked`.
    pub(crate) fn grant(&mut self, asked: Timestamp) {
        self.granted = Some(asked);
    }

    /// The broker gave it to somebody else.
    pub(crate) fn lose(&mut self) {
        self.granted = None;
    }

    /// Whether we may consume.
    pub(crate) fn is_held(&self, now: Timestamp) -> bool {
        self.granted.is_some_and(|granted| now.ms_since(granted) <= TRUSTED_MS)
    }

    /// When it was last given.
    pub(crate) fn granted(&self) -> Option<Timestamp> {
        self.granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_by_time_or_by_loss() {
        let mut lease = Lease::default();
        assert!(!lease.is_held(Timestamp(0)));
        lease.grant(Timestamp(1_000));
        assert!(lease.is_held(Timestamp(31_000)));
        assert!(!lease.is_held(Timestamp(31_001)));
        lease.grant(Timestamp(31_001));
        lease.lose();
        assert!(!lease.is_held(Timestamp(31_001)));
    }
}
