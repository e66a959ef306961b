//! The in-sync set as its master sees it: who has the log up to where, who belongs to the set, and what the whole set has.
//!
//! The controller holds the set; the master proposes changes, one at a time. While a proposal is under way nobody knows which of
//! the two sets the controller has, so that what is confirmed has to be with the members of both: whichever of them is elected
//! next, it has everything that was confirmed.

use std::collections::{BTreeMap, BTreeSet};

use eruca_message::{LogOffset, Timestamp};

/// One slave, from its handshake to the end of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slave {
    /// Which connection, so that the end of an old one is not taken for that of the new one.
    session: u64,
    acknowledged: Option<LogOffset>,
    /// When it last had all that the master had.
    caught_up: Timestamp,
    is_learner: bool,
    /// When it may try again to come into the set.
    join_at: Timestamp,
}

/// A change of the set that the controller is asked for (request ALTER_SYNC_STATE_SET).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The set with the change.
    pub members: BTreeSet<i64>,
    /// Version of the set that it changes.
    pub set_epoch: i32,
    /// Why, for the log: `slave 3 has been behind for 15 s`.
    pub reason: String,
}

/// The in-sync set of one master in one epoch.
#[derive(Debug, Clone)]
pub struct SyncState {
    own_id: i64,
    /// Where the epoch of this master begins: a slave without it may hold other bytes.
    epoch_start: LogOffset,
    /// A slave that has not had all for longer leaves the set (`haMaxTimeSlaveNotCatchup`).
    lag_max_ms: i64,
    members: BTreeSet<i64>,
    set_epoch: i32,
    /// Whether a proposal is under way.
    is_asked: bool,
    /// Whether one had no answer.
    is_in_doubt: bool,
    /// Who is in a proposal of which nobody knows what became of it. It may still be on its way when a later view shows the old
    /// set: only another version of the set ends the doubt.
    doubtful: BTreeSet<i64>,
    /// Who is nearly up to date and about to come in, and until when that is waited for: nothing is confirmed meanwhile that it
    /// lacks, so that it can reach what is confirmed although the log grows.
    joining: BTreeMap<i64, Timestamp>,
    slaves: BTreeMap<i64, Slave>,
    /// Since when a member has no connection.
    missing: BTreeMap<i64, Timestamp>,
    confirmed: LogOffset,
}

impl SyncState {
    /// A new master: `members` and `set_epoch` are what the controller said when it elected it, `confirmed` is what the epoch
    /// before had confirmed, as far as this broker knows.
    pub fn new(
        own_id: i64,
        members: BTreeSet<i64>,
        set_epoch: i32,
        epoch_start: LogOffset,
        confirmed: LogOffset,
        lag_max_ms: i64,
        now: Timestamp,
    ) -> Self {
        let missing = members.iter().filter(|id| **id != own_id).map(|id| (*id, now)).collect();
        let slaves = BTreeMap::new();
        SyncState {
            own_id,
            epoch_start,
            lag_max_ms,
            members,
            set_epoch,
            is_asked: false,
            is_in_doubt: false,
            doubtful: BTreeSet::new(),
            joining: BTreeMap::new(),
            slaves,
            missing,
            confirmed,
        }
    }

    /// The set as the controller last confirmed it.
    pub fn members(&self) -> &BTreeSet<i64> {
        &self.members
    }

    /// Version of [`SyncState::members`].
    pub fn set_epoch(&self) -> i32 {
        self.set_epoch
    }

    /// Whether a slave belongs to the confirmed set.
    pub fn is_in_sync(&self, slave: i64) -> bool {
        self.members.contains(&slave)
    }

    /// A slave introduced itself on connection `session`, a number that is not given twice.
    pub fn connected(&mut self, slave: i64, session: u64, is_learner: bool, now: Timestamp) {
        self.missing.remove(&slave);
        self.slaves
            .insert(slave, Slave { session, acknowledged: None, caught_up: now, is_learner, join_at: now });
        self.joining.remove(&slave);
    }

    /// Whether this is the slave's newest connection, in this epoch.
    pub fn is_connected(&self, slave: i64, session: u64) -> bool {
        self.slaves.get(&slave).is_some_and(|known| known.session == session)
    }

    /// The connection ended. The slave stays a member until a proposal without it has been accepted: nothing is confirmed
    /// meanwhile.
    pub fn disconnected(&mut self, slave: i64, session: u64, now: Timestamp) {
        if self.is_connected(slave, session) {
            self.slaves.remove(&slave);
            self.joining.remove(&slave);
            if self.members.contains(&slave) {
                self.missing.insert(slave, now);
            }
        }
    }

    /// A slave's log ends at `offset`; the master's own at `end`. A report of another connection than the slave's newest changes
    /// nothing.
    pub fn acknowledged(
        &mut self,
        slave: i64,
        session: u64,
        offset: LogOffset,
        end: LogOffset,
        now: Timestamp,
    ) {
        let Some(known) = self.slaves.get_mut(&slave).filter(|known| known.session == session) else {
            return;
        };
        known.acknowledged = Some(offset.min(end));
        if offset >= end {
            known.caught_up = now;
        }
        let is_near = end.0.saturating_sub(offset.0) <= JOIN_GAP_BYTES && offset >= self.epoch_start;
        let may_join = !known.is_learner && now >= known.join_at && !self.members.contains(&slave);
        if is_near && may_join && !self.joining.contains_key(&slave) {
            // Up to here all was confirmed without it.
            self.confirm(end);
            self.joining.insert(slave, Timestamp(now.0 + JOIN_MS));
        }
        self.end_joins(now);
    }

    /// Whoever did not get in within its time is not waited for any longer.
    fn end_joins(&mut self, now: Timestamp) {
        let (slaves, members) = (&mut self.slaves, &self.members);
        self.joining.retain(|id, until| {
            let goes_on = *until > now && !members.contains(id);
            if !goes_on && let Some(slave) = slaves.get_mut(id) {
                slave.join_at = Timestamp(now.0 + JOIN_PAUSE_MS);
            }
            goes_on
        });
    }

    /// Whether a slave waits to come into the set that has all it needs for that.
    pub fn has_joiner(&self) -> bool {
        let has_all = |id: &i64| self.acknowledged_by(*id).is_some_and(|has| has >= self.confirmed);
        !self.is_asked && self.joining.keys().any(has_all)
    }

    /// Whether a slave is waited for that is about to come in.
    pub fn is_joining(&self) -> bool {
        !self.joining.is_empty()
    }

    /// When the set has to be looked over: somebody did not get in, or did not come back.
    pub fn look_at(&self) -> Option<Timestamp> {
        let back = self.missing.values().map(|since| since.add_ms(self.missing_max_ms()));
        self.joining.values().copied().chain(back).min()
    }

    fn missing_max_ms(&self) -> i64 {
        self.lag_max_ms.min(MISSING_MS)
    }

    /// Up to where a slave has the log, as far as it said.
    pub fn acknowledged_by(&self, slave: i64) -> Option<LogOffset> {
        self.slaves.get(&slave)?.acknowledged
    }

    /// The connections of the members.
    pub fn sessions_in_sync(&self) -> BTreeSet<u64> {
        let members = self.slaves.iter().filter(|(id, _)| self.members.contains(id));
        members.map(|(_, slave)| slave.session).collect()
    }

    /// Members of the set, or of the proposed one, or of the one that is about to be proposed.
    pub fn electable(&self) -> BTreeSet<i64> {
        self.members.union(&self.doubtful).chain(self.joining.keys()).copied().collect()
    }

    /// How many members have the log up to `offset`, the master included.
    pub fn having(&self, offset: LogOffset) -> usize {
        let has = |slave: &Slave| slave.acknowledged.is_some_and(|end| end >= offset);
        1 + self.slaves.iter().filter(|(id, slave)| self.members.contains(id) && has(slave)).count()
    }

    /// Up to where everyone who may be elected next has the log (Java: `confirmOffset`). It never moves back.
    ///
    /// `end` is where the master's own log ends.
    pub fn confirm(&mut self, end: LogOffset) -> LogOffset {
        let slaves = self.electable().into_iter().filter(|id| *id != self.own_id);
        let all = slaves.map(|id| self.acknowledged_by(id)).try_fold(end, |least, has| Some(least.min(has?)));
        if let Some(all) = all {
            self.confirmed = self.confirmed.max(all);
        }
        self.confirmed
    }

    /// What was confirmed last.
    pub fn confirmed(&self) -> LogOffset {
        self.confirmed
    }

    /// What should change in the set, if anything; nothing while a change is under way. The caller sends it, and says what became
    /// of it by [`SyncState::accepted`] or [`SyncState::refused`].
    ///
    /// A slave leaves that has no connection, or was behind for longer than `haMaxTimeSlaveNotCatchup`. One comes in that has all
    /// that is confirmed, and the beginning of this epoch: so its log is this master's and not another's.
    ///
    /// `end` is where the master's own log ends: whoever has all of it is not behind, however long ago it said so.
    pub fn propose(&mut self, end: LogOffset, now: Timestamp) -> Option<Proposal> {
        for slave in self.slaves.values_mut().filter(|slave| slave.acknowledged.is_some_and(|has| has >= end))
        {
            slave.caught_up = now;
        }
        self.end_joins(now);
        self.confirm(end);
        if self.is_asked {
            return None;
        }
        let mut members = self.members.clone();
        let mut reasons = Vec::new();
        for id in self.members.iter().filter(|id| **id != self.own_id) {
            match self.slaves.get(id) {
                // It has a moment to connect after an election.
                None => {
                    let gone = self.missing.get(id).map_or(self.lag_max_ms, |since| now.0 - since.0);
                    if gone >= self.missing_max_ms() {
                        members.remove(id);
                        reasons.push(format!("slave {id} has had no connection for {gone} ms"));
                    }
                }
                Some(slave) if now.0 - slave.caught_up.0 > self.lag_max_ms => {
                    members.remove(id);
                    reasons.push(format!("slave {id} has been behind for {} ms", now.0 - slave.caught_up.0));
                }
                Some(_) => {}
            }
        }
        for (id, slave) in &self.slaves {
            let has_all =
                slave.acknowledged.is_some_and(|end| end >= self.confirmed && end >= self.epoch_start);
            let in_time = now.0 - slave.caught_up.0 <= self.lag_max_ms;
            if has_all && in_time && !slave.is_learner && !self.members.contains(id) {
                members.insert(*id);
                reasons.push(format!("slave {id} has caught up"));
            }
        }
        if members == self.members && self.doubtful.is_empty() {
            return None;
        }
        if reasons.is_empty() {
            reasons.push("an earlier change had no answer".to_owned());
        }
        self.is_asked = true;
        self.doubtful.extend(&members);
        Some(Proposal { members, set_epoch: self.set_epoch, reason: reasons.join(", ") })
    }

    /// The controller has this set now: the answer to a proposal, or news that came by themselves. Older ones change nothing.
    pub fn accepted(&mut self, members: BTreeSet<i64>, set_epoch: i32, now: Timestamp) {
        if set_epoch < self.set_epoch {
            return;
        }
        if set_epoch > self.set_epoch {
            (self.is_asked, self.is_in_doubt) = (false, false);
            self.doubtful.clear();
        }
        for id in members.iter().filter(|id| **id != self.own_id && !self.slaves.contains_key(id)) {
            self.missing.entry(*id).or_insert(now);
        }
        self.missing.retain(|id, _| members.contains(id));
        (self.members, self.set_epoch) = (members, set_epoch);
    }

    /// The controller refused the proposal. Perhaps because an earlier one, of which no answer came, has changed the set.
    pub fn refused(&mut self) {
        self.is_asked = false;
        // Whoever was to come in has had its chance.
        self.joining.values_mut().for_each(|until| *until = Timestamp(i64::MIN));
        if !self.is_in_doubt {
            self.doubtful.clear();
        }
    }

    /// No answer to the proposal came: it is made again, in the shape that is right then, and until the set has another version
    /// nothing is confirmed that not all have who may be in it.
    pub fn unanswered(&mut self) {
        (self.is_asked, self.is_in_doubt) = (false, true);
    }
}

/// A member without a connection has so long to come back: one that restarts its connection is not thrown out.
const MISSING_MS: i64 = 3_000;
/// A slave that lacks no more than this is waited for when it comes into the set.
const JOIN_GAP_BYTES: u64 = 1 << 20;
/// So long, in ms.
const JOIN_MS: i64 = 1_000;
/// And not again before this time has passed.
const JOIN_PAUSE_MS: i64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn at(ms: i64) -> Timestamp {
        Timestamp(NOW.0 + ms)
    }

    fn state(members: &[i64]) -> SyncState {
        let members = members.iter().copied().collect();
        SyncState::new(1, members, 5, LogOffset(100), LogOffset(90), 15_000, NOW)
    }

    #[test]
    fn what_all_members_have_is_confirmed() {
        let mut state = state(&[1, 2]);
        assert_eq!(state.confirm(LogOffset(200)), LogOffset(90), "2 has not said anything");
        state.connected(2, 1, false, NOW);
        state.acknowledged(2, 1, LogOffset(150), LogOffset(200), NOW);
        assert_eq!(state.confirm(LogOffset(200)), LogOffset(150));
        assert_eq!((state.having(LogOffset(150)), state.having(LogOffset(151))), (2, 1));
        state.acknowledged(2, 1, LogOffset(140), LogOffset(200), NOW);
        assert_eq!(state.confirm(LogOffset(200)), LogOffset(150), "never back");
        state.acknowledged(2, 0, LogOffset(200), LogOffset(200), NOW);
        assert_eq!(state.confirm(LogOffset(200)), LogOffset(150), "an old connection");
    }

    #[test]
    fn a_newcomer_counts_from_its_proposal_on_and_a_leaver_until_the_controller_agrees() {
        let mut state = state(&[1, 2]);
        state.connected(2, 1, false, NOW);
        state.acknowledged(2, 1, LogOffset(200), LogOffset(200), NOW);
        state.connected(3, 2, false, NOW);
        state.acknowledged(3, 2, LogOffset(200), LogOffset(200), NOW);
        assert_eq!(state.confirm(LogOffset(200)), LogOffset(200));
        let proposal = state.propose(LogOffset(200), NOW).unwrap();
        assert_eq!((proposal.members, proposal.set_epoch), ([1, 2, 3].into(), 5));
        assert_eq!(state.propose(LogOffset(200), NOW), None, "one at a time");
        state.acknowledged(2, 1, LogOffset(300), LogOffset(300), NOW);
        assert_eq!(state.confirm(LogOffset(300)), LogOffset(200), "3 may be a member already");
        state.accepted([1, 2, 3].into(), 6, NOW);
        state.acknowledged(3, 2, LogOffset(300), LogOffset(300), NOW);
        assert_eq!(state.confirm(LogOffset(300)), LogOffset(300));
        state.disconnected(3, 2, at(1));
        assert_eq!(state.propose(LogOffset(300), at(2_000)), None, "it may come back");
        let proposal = state.propose(LogOffset(300), at(3_001)).unwrap();
        assert_eq!(proposal.reason, "slave 3 has had no connection for 3000 ms");
        state.acknowledged(2, 1, LogOffset(400), LogOffset(400), at(3_001));
        assert_eq!(state.confirm(LogOffset(400)), LogOffset(300));
        state.accepted([1, 2].into(), 7, at(3_002));
        assert_eq!(state.confirm(LogOffset(400)), LogOffset(400));
    }

    #[test]
    fn who_is_behind_for_long_leaves_and_a_learner_never_comes_in() {
        let mut state = state(&[1, 2]);
        state.connected(2, 1, false, NOW);
        state.connected(3, 2, true, NOW);
        state.acknowledged(3, 2, LogOffset(200), LogOffset(200), NOW);
        state.acknowledged(2, 1, LogOffset(150), LogOffset(200), at(1));
        assert_eq!(state.propose(LogOffset(200), at(15_000)), None);
        let proposal = state.propose(LogOffset(200), at(15_001)).unwrap();
        assert_eq!(
            (proposal.reason.as_str(), proposal.members),
            ("slave 2 has been behind for 15001 ms", [1].into())
        );
        state.refused();
        assert!(state.propose(LogOffset(200), at(15_001)).is_some(), "and again");
    }

    #[test]
    fn who_does_not_get_in_is_waited_for_only_for_a_while() {
        let mut state = state(&[1]);
        state.connected(2, 1, false, NOW);
        state.acknowledged(2, 1, LogOffset(150), LogOffset(200), NOW);
        assert_eq!((state.confirm(LogOffset(300)), state.look_at()), (LogOffset(200), Some(at(1_000))));
        assert_eq!(state.propose(LogOffset(300), at(1_000)), None);
        assert_eq!((state.confirm(LogOffset(300)), state.look_at()), (LogOffset(300), None));
        state.acknowledged(2, 1, LogOffset(250), LogOffset(300), at(5_999));
        assert_eq!(state.confirm(LogOffset(400)), LogOffset(400));
        state.acknowledged(2, 1, LogOffset(350), LogOffset(400), at(6_000));
        assert_eq!(state.confirm(LogOffset(500)), LogOffset(400));
        state.disconnected(2, 1, at(6_001));
        assert_eq!(state.confirm(LogOffset(500)), LogOffset(500));
    }

    #[test]
    fn a_log_that_ends_before_this_epoch_may_be_another_masters() {
        let mut state = state(&[1]);
        state.connected(2, 1, false, NOW);
        state.acknowledged(2, 1, LogOffset(99), LogOffset(99), NOW);
        assert_eq!(state.propose(LogOffset(99), NOW), None);
        state.acknowledged(2, 1, LogOffset(100), LogOffset(120), NOW);
        assert!(!state.has_joiner() && state.propose(LogOffset(150), NOW).is_none());
        assert_eq!(state.confirm(LogOffset(200)), LogOffset(120), "what comes waits for it");
        state.acknowledged(2, 1, LogOffset(130), LogOffset(200), NOW);
        assert!(state.has_joiner() && state.propose(LogOffset(200), NOW).is_some());
        state.accepted([1].into(), 4, NOW);
        assert_eq!(state.electable(), [1, 2].into(), "older news say nothing");
        state.unanswered();
        state.accepted([1].into(), 5, NOW);
        assert_eq!(state.electable(), [1, 2].into(), "it may be on its way yet");
        state.disconnected(2, 1, NOW);
        let again = state.propose(LogOffset(100), NOW).unwrap();
        assert_eq!((again.members, again.reason.as_str()), ([1].into(), "an earlier change had no answer"));
        state.accepted([1].into(), 6, NOW);
        assert_eq!(state.electable(), [1].into());
    }
}
