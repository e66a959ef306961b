//! Which member of the group has the smallest id, and what follows from that for a slave (`enableSlaveActingMaster`).
//!
//! Pure: what name servers say comes in, what is to be done goes out.

use eruca_message::Timestamp;

/// A slave that stood down for its master stands in again when no name server has told of that one for so long.
const STANDS_DOWN_MS: i64 = 10_000;

/// What a slave has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// To stand in for the master from now on, or not any more.
    Act(bool),
    /// The master is gone: nobody is followed.
    MasterGone,
    /// The master is there: for clients at `broker_addr`; for slaves at `ha_addr`, where that was told.
    MasterCame { broker_addr: String, ha_addr: Option<String> },
}

/// What a name server says of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Minimum {
    pub(crate) broker_id: i64,
    pub(crate) broker_addr: String,
    /// Who left, if that is why it is told.
    pub(crate) offline_addr: Option<String>,
    /// The address for replication of who came, if that is why it is told.
    pub(crate) ha_addr: Option<String>,
}

/// The smallest id as it was last known (Java: `minBrokerIdInGroup`).
#[derive(Debug, Default)]
pub(crate) struct Group {
    known: Option<(i64, String)>,
    /// The master that is coming back asked this slave to stand down: it does not stand in for it before this time.
    stands_down_until: Option<Timestamp>,
}

impl Group {
    /// The master is coming back, and takes over what this slave did.
    pub(crate) fn stand_down(&mut self, now: Timestamp) {
        self.stands_down_until = Some(now.add_ms(STANDS_DOWN_MS));
        // Where it does not come after all, that this slave has the smallest id is news again.
        self.known = None;
    }

    /// News of the group, for the member `own_id`, which follows `master` (its address for clients).
    pub(crate) fn told(
        &mut self,
        minimum: Minimum,
        own_id: i64,
        master: Option<&str>,
        now: Timestamp,
    ) -> Vec<Step> {
        let Minimum { broker_id, broker_addr, offline_addr, ha_addr } = minimum;
        let stands_down =
            self.stands_down_until.is_some_and(|until| (0..=STANDS_DOWN_MS).contains(&until.ms_since(now)));
        if stands_down && broker_id == own_id {
            return Vec::new();
        }
        self.stands_down_until = None;
        let before = self.known.replace((broker_id, broker_addr.clone()));
        if before.as_ref() == Some(&(broker_id, broker_addr.clone())) {
            return Vec::new();
        }
        let mut steps = vec![Step::Act(broker_id == own_id)];
        // Who had the smallest id, and has it no more, is gone where the one that has it now is larger.
        let gone = offline_addr.or_else(|| before.filter(|(id, _)| *id < broker_id).map(|(_, addr)| addr));
        if broker_id != 0 && (gone.is_none() || gone.as_deref() == master) && master.is_some() {
            steps.push(Step::MasterGone);
        }
        if broker_id == 0 {
            steps.push(Step::MasterCame { broker_addr, ha_addr });
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimum(broker_id: i64, addr: &str) -> Minimum {
        Minimum { broker_id, broker_addr: addr.to_owned(), offline_addr: None, ha_addr: None }
    }

    const NOW: Timestamp = Timestamp(1_000);

    #[test]
    fn who_stood_down_stands_in_again_where_the_master_does_not_come() {
        let mut group = Group::default();
        assert_eq!(group.told(minimum(1, "a:1"), 1, Some("m:1"), NOW), [Step::Act(true), Step::MasterGone]);
        group.stand_down(NOW);
        assert_eq!(group.told(minimum(1, "a:1"), 1, Some("m:1"), NOW.add_ms(9_999)), [], "it is coming");
        let late = NOW.add_ms(10_001);
        assert_eq!(group.told(minimum(1, "a:1"), 1, Some("m:1"), late), [Step::Act(true), Step::MasterGone]);
        group.stand_down(late);
        let back = group.told(minimum(0, "m:1"), 1, Some("m:1"), late);
        assert_eq!(back.first(), Some(&Step::Act(false)));
        let again = group.told(minimum(1, "a:1"), 1, Some("m:1"), late.add_ms(1));
        assert_eq!(again, [Step::Act(true), Step::MasterGone], "it was there, and is gone");
    }

    #[test]
    fn the_smallest_of_those_who_are_left_acts_until_the_master_is_back() {
        let (mut one, mut two) = (Group::default(), Group::default());
        let came = |ha: Option<&str>| Step::MasterCame {
            broker_addr: "m:1".to_owned(),
            ha_addr: ha.map(str::to_owned),
        };
        assert_eq!(one.told(minimum(0, "m:1"), 1, None, NOW), [Step::Act(false), came(None)]);
        assert_eq!(one.told(minimum(0, "m:1"), 1, Some("m:1"), NOW), [], "no news");
        assert_eq!(one.told(minimum(1, "a:1"), 1, Some("m:1"), NOW), [Step::Act(true), Step::MasterGone]);
        two.told(minimum(0, "m:1"), 2, None, NOW);
        assert_eq!(two.told(minimum(1, "a:1"), 2, Some("m:1"), NOW), [Step::Act(false), Step::MasterGone]);
        // The other slave goes, too.
        assert_eq!(two.told(minimum(2, "b:1"), 2, None, NOW), [Step::Act(true)]);
        let back = Minimum { ha_addr: Some("m:2".to_owned()), ..minimum(0, "m:1") };
        assert_eq!(two.told(back, 2, None, NOW), [Step::Act(false), came(Some("m:2"))]);
    }

    #[test]
    fn a_slave_that_starts_alone_acts() {
        assert_eq!(Group::default().told(minimum(3, "a:1"), 3, None, NOW), [Step::Act(true)]);
        // It was told of a master by another name server, which does not know yet.
        let mut group = Group::default();
        assert_eq!(group.told(minimum(3, "a:1"), 3, Some("m:1"), NOW), [Step::Act(true), Step::MasterGone]);
    }
}
