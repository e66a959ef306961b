//! The first bytes of a body whose way is measured.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | run: a number that no other run has |
//! | 8 | 1 | purpose: 0 probe, 1 warm-up, 2 measurement |
//! | 9 | 8 | when the message was due, in nanoseconds of the run's clock |
//!
//! Integers are big-endian.

/// Length of a stamp in bytes.
pub(crate) const STAMP_LEN: usize = 17;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To find out whether its queue is consumed.
    Probe,
    /// Load before the measurement.
    WarmUp,
    /// To be measured.
    Measurement,
}

/// What a body says of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) run: u64,
    pub(crate) purpose: Purpose,
    pub(crate) due_ns: u64,
}

impl Stamp {
    /// Writes the stamp over the beginning of `body`; a shorter body is left alone.
    pub(crate) fn write(self, body: &mut [u8]) {
        if let Some(bytes) = body.get_mut(..STAMP_LEN) {
            let (run, rest) = bytes.split_at_mut(8);
            run.copy_from_slice(&self.run.to_be_bytes());
            let (purpose, due) = rest.split_at_mut(1);
            purpose.copy_from_slice(&[self.purpose as u8]);
            due.copy_from_slice(&self.due_ns.to_be_bytes());
        }
    }

    /// The stamp of a body; `None` where it has none.
    pub(crate) fn read(body: &[u8]) -> Option<Stamp> {
        let (run, rest) = body.split_first_chunk::<8>()?;
        let (purpose, rest) = rest.split_first()?;
        let due_ns = rest.first_chunk::<8>()?;
        let purpose = match purpose {
            0 => Purpose::Probe,
            1 => Purpose::WarmUp,
            2 => Purpose::Measurement,
            _ => return None,
        };
        Some(Stamp { run: u64::from_be_bytes(*run), purpose, due_ns: u64::from_be_bytes(*due_ns) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut body = vec![9; 20];
        for purpose in [Purpose::Probe, Purpose::WarmUp, Purpose::Measurement] {
            let stamp = Stamp { run: u64::MAX - 1, purpose, due_ns: 12_345_678_901 };
            stamp.write(&mut body);
            assert_eq!(Stamp::read(&body), Some(stamp));
        }
        assert_eq!(body[STAMP_LEN..], [9; 3]);
    }

    #[test]
    fn a_body_that_is_too_short_has_no_stamp() {
        let mut body = [2; STAMP_LEN - 1];
        Stamp { run: 1, purpose: Purpose::Probe, due_ns: 1 }.write(&mut body);
        assert_eq!(Stamp::read(&body), None);
        assert_eq!(body, [2; STAMP_LEN - 1]);
    }

    proptest! {
        #[test]
        fn any_body_is_borne(body in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Stamp::read(&body);
        }
    }
}
