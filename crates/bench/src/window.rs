//! The requests that one connection has under way.

/// The first opaque: all of them have ten digits, so that they have the same width in a JSON header.
const OPAQUE_FIRST: u32 = 1_000_000_000;
const OPAQUES: u32 = 1_000_000_000;

/// Numbers requests so that an answer finds its request without a table, in whatever order answers come.
///
/// An opaque is `OPAQUE_FIRST + round * slots + slot`: the slot is free or has one request, and the round tells that
/// request from earlier ones of the slot.
#[derive(Debug)]
pub(crate) struct Window {
    slots: Vec<Slot>,
    free: Vec<u32>,
    rounds: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    round: u32,
    /// What was told of the request under way.
    request: Option<InFlight>,
}

/// A request that has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InFlight {
    /// When it was due, in nanoseconds of the plan.
    pub(crate) due_ns: u64,
    /// A number of the caller's: how many messages it has, or which queue it asks.
    pub(crate) what: u32,
}

impl Window {
    /// A window of `slots` requests.
    pub(crate) fn new(slots: u32) -> Window {
        let slots = slots.clamp(1, OPAQUES);
        Window {
            slots: vec![Slot::default(); slots as usize],
            free: (0..slots).rev().collect(),
            rounds: OPAQUES / slots,
        }
    }

    /// Takes a slot; the opaque of its request. `None` while all are taken.
    pub(crate) fn open(&mut self, request: InFlight) -> Option<i32> {
        let number = self.free.pop()?;
        let len = self.slots.len() as u32;
        let slot = self.slots.get_mut(number as usize)?;
        slot.round = (slot.round + 1) % self.rounds;
        slot.request = Some(request);
        // At most 2,000,000,000: OPAQUES / len * len is not more than OPAQUES.
        Some((OPAQUE_FIRST + slot.round * len + number) as i32)
    }

    /// The request to which an answer with `opaque` belongs; its slot is free again. `None` for an answer that nobody
    /// waits for.
    pub(crate) fn close(&mut self, opaque: i32) -> Option<InFlight> {
        let len = self.slots.len() as u32;
        let number = u32::try_from(opaque).ok()?.checked_sub(OPAQUE_FIRST)?;
        let slot = self.slots.get_mut((number % len) as usize)?;
        if number / len != slot.round {
            return None;
        }
        let request = slot.request.take()?;
        self.free.push(number % len);
        Some(request)
    }

    /// Whether every slot is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// How many requests are under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(what: u32) -> InFlight {
        InFlight { due_ns: u64::from(what) * 10, what }
    }

    #[test]
    fn a_full_window_takes_no_request_until_one_is_answered() {
        let mut window = Window::new(2);
        let (first, second) = (window.open(request(1)).unwrap(), window.open(request(2)).unwrap());
        assert!(window.is_full() && window.open(request(3)).is_none());
        assert_eq!(window.close(first), Some(request(1)));
        assert!(window.open(request(4)).is_some());
        assert_eq!(window.close(second), Some(request(2)));
        assert_eq!(window.in_flight(), 1);
    }

    #[test]
    fn an_answer_that_comes_twice_finds_nothing_the_second_time() {
        let mut window = Window::new(1);
        let first = window.open(request(1)).unwrap();
        assert!(window.close(first).is_some());
        assert_eq!(window.close(first), None);
        let second = window.open(request(2)).unwrap();
        assert_ne!(first, second);
        assert_eq!(window.close(first), None);
        assert_eq!(window.close(second), Some(request(2)));
    }

    #[test]
    fn opaques_keep_their_width_over_all_rounds() {
        for slots in [1, 3, 65_535] {
            let mut window = Window::new(slots);
            window.slots[0].round = window.rounds - 2;
            for what in 0..4 {
                let opaque = window.open(request(what)).unwrap();
                assert_eq!(opaque.to_string().len(), 10, "{opaque}");
                assert_eq!(window.close(opaque), Some(request(what)));
            }
        }
    }

    proptest! {
        #[test]
        fn any_opaque_of_a_peer_is_borne(opaque in any::<i32>(), slots in 1u32..9) {
            let mut window = Window::new(slots);
            let open = window.open(request(1));
            prop_assert_eq!(window.close(opaque).is_some(), Some(opaque) == open);
        }
    }
}
