//! Whose heartbeats come. Every controller listens to all brokers, whether it leads or not.

use std::collections::{BTreeMap, BTreeSet};

use eruca_message::Timestamp;
use eruca_protocol::request::BrokerHeartbeatRequest;

use crate::state::{Candidate, Liveness};

/// Brokers that a controller listens to.
pub(crate) const BROKERS_MAX: usize = 100_000;
/// After so many milliseconds without a heartbeat a broker that names no time of its own is dead. Java: 10 s.
const TIMEOUT_MS: i64 = 10_000;
/// No broker stays alive longer without a heartbeat, whatever it says.
const TIMEOUT_MAX_MS: i64 = 600_000;

/// A broker: its group's name and its id.
pub type BrokerKey = (String, i64);

/// Last heartbeats. Pure: time is given.
#[derive(Debug)]
pub struct LivenessTable {
    groups: BTreeMap<String, BTreeMap<i64, Heard>>,
    len: usize,
    settle_ms: i64,
    /// The longest time that a broker ever named: one that another controller heard of may still count on it.
    longest_ms: i64,
    /// From then on who was not heard of is dead.
    settled_at: Timestamp,
    /// Term of the controllers' leader, and since when it is known here.
    term: u64,
    term_since: Timestamp,
    /// Who was heard of before that, and is gone.
    gone_early: BTreeSet<BrokerKey>,
}

#[derive(Debug)]
struct Heard {
    at: Timestamp,
    timeout_ms: i64,
    connection_id: u64,
    candidate: Candidate,
}

impl Heard {
    fn is_alive(&self, now: Timestamp) -> bool {
        now.ms_since(self.at) <= self.timeout_ms
    }
}

impl LivenessTable {
    /// Nobody was heard of yet.
    pub fn new(now: Timestamp) -> LivenessTable {
        Self::settling_for(now, TIMEOUT_MS)
    }

    /// Nobody was heard of yet, and nobody is taken for dead for so long who was not heard of.
    pub fn settling_for(now: Timestamp, settle_ms: i64) -> LivenessTable {
        LivenessTable {
            groups: BTreeMap::new(),
            len: 0,
            settle_ms,
            longest_ms: 0,
            settled_at: now.add_ms(settle_ms),
            term: 0,
            term_since: now,
            gone_early: BTreeSet::new(),
        }
    }

    /// Who leads the controllers is of this term. With another one it is as after a start: a master of which this controller does not
    /// hear may have heard from the leader before, and acknowledge alone for a while.
    pub fn heed_term(&mut self, term: u64, now: Timestamp) {
        if std::mem::replace(&mut self.term, term) != term {
            self.term_since = now;
            self.settled_at = now.add_ms(self.settle_ms.max(self.longest_ms));
            self.gone_early.clear();
        }
    }

    /// A heartbeat came. `false`: it was not noted, because the table is full.
    pub fn heartbeat(
        &mut self,
        header: &BrokerHeartbeatRequest,
        broker_id: i64,
        connection_id: u64,
        now: Timestamp,
    ) -> bool {
        let known = self.groups.get_mut(&header.broker_name).and_then(|group| group.get_mut(&broker_id));
        let said = Candidate {
            epoch: header.epoch.unwrap_or(-1),
            max_offset: header.max_offset.unwrap_or(-1),
            priority: header.election_priority.unwrap_or(i32::MAX),
        };
        let timeout_ms =
            header.heartbeat_timeout_mills.filter(|ms| *ms > 0).unwrap_or(TIMEOUT_MS).min(TIMEOUT_MAX_MS);
        if known.is_none() && self.len >= BROKERS_MAX {
            return false;
        }
        if !self.gone_early.is_empty() {
            self.gone_early.remove(&(header.broker_name.clone(), broker_id));
        }
        self.longest_ms = self.longest_ms.max(timeout_ms);
        let heard = Heard { at: now, timeout_ms, connection_id, candidate: said };
        match known {
            Some(known) => *known = heard,
            None => {
                self.groups.entry(header.broker_name.clone()).or_default().insert(broker_id, heard);
                self.len += 1;
            }
        }
        true
    }

    /// What is known of a group.
    pub fn view(&self, broker_name: &str, now: Timestamp) -> Liveness {
        let alive = self.groups.get(broker_name).into_iter().flatten();
        let alive = alive.filter(|(_, heard)| heard.is_alive(now)).map(|(id, heard)| (*id, heard.candidate));
        let is_settling = now < self.settled_at;
        let of_group = |key: &&BrokerKey| is_settling && key.0 == broker_name;
        let gone = self.gone_early.iter().filter(of_group).map(|(_, id)| *id).collect();
        Liveness { alive: alive.collect(), is_settling, gone }
    }

    /// Forgets the brokers that have been silent for too long, and says which.
    pub fn expire(&mut self, now: Timestamp) -> BTreeSet<BrokerKey> {
        // Who fell silent before may have talked to the leader of that time.
        let since = self.term_since;
        let long_gone = self.remove(|heard| !heard.is_alive(now) && heard.at < since);
        let gone = self.remove(|heard| !heard.is_alive(now));
        self.note_gone(&gone, now);
        &gone | &long_gone
    }

    /// Forgets the brokers of a connection that is gone, and says which.
    pub fn disconnected(&mut self, connection_id: u64, now: Timestamp) -> BTreeSet<BrokerKey> {
        let gone = self.remove(|heard| heard.connection_id == connection_id);
        self.note_gone(&gone, now);
        gone
    }

    fn note_gone(&mut self, gone: &BTreeSet<BrokerKey>, now: Timestamp) {
        if now < self.settled_at {
            let room = BROKERS_MAX.saturating_sub(self.gone_early.len());
            self.gone_early.extend(gone.iter().take(room).cloned());
        } else {
            self.gone_early.clear();
        }
    }

    fn remove(&mut self, is_gone: impl Fn(&Heard) -> bool) -> BTreeSet<BrokerKey> {
        let mut gone = BTreeSet::new();
        self.groups.retain(|name, group| {
            group.retain(|id, heard| {
                let keep = !is_gone(heard);
                if !keep {
                    gone.insert((name.clone(), *id));
                }
                keep
            });
            !group.is_empty()
        });
        self.len -= gone.len();
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(name: &str, timeout: Option<i64>, max_offset: i64) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker_name: name.to_owned(),
            heartbeat_timeout_mills: timeout,
            max_offset: Some(max_offset),
            ..BrokerHeartbeatRequest::default()
        }
    }

    #[test]
    fn a_broker_lives_as_long_as_it_says() {
        let mut table = LivenessTable::new(Timestamp(0));
        assert!(table.heartbeat(&beat("a", Some(3_000), 5), 1, 7, Timestamp(1_000)));
        assert!(table.heartbeat(&beat("a", None, 6), 2, 8, Timestamp(1_000)));
        let view = table.view("a", Timestamp(4_000));
        assert!(view.is_alive(1) && view.is_settling);
        let view = table.view("a", Timestamp(10_500));
        assert!(!view.is_alive(1) && view.is_alive(2) && !view.is_settling);
        assert_eq!(view.alive[&2].max_offset, 6);
        assert_eq!(table.expire(Timestamp(10_500)), BTreeSet::from([("a".to_owned(), 1)]));
        assert_eq!(table.expire(Timestamp(10_500)), BTreeSet::new());
    }

    #[test]
    fn a_connection_that_closes_takes_the_brokers_that_last_used_it() {
        let mut table = LivenessTable::new(Timestamp(0));
        table.heartbeat(&beat("a", None, 5), 1, 7, Timestamp(0));
        table.heartbeat(&beat("a", None, 5), 1, 8, Timestamp(1));
        assert_eq!(table.disconnected(7, Timestamp(1)), BTreeSet::new());
        assert_eq!(table.disconnected(8, Timestamp(1)), BTreeSet::from([("a".to_owned(), 1)]));
        let view = table.view("a", Timestamp(1));
        assert!(!view.is_alive(1) && !view.is_unheard(1), "it was there, and it is gone");
        assert!(view.is_unheard(2), "nobody can know yet");
    }

    #[test]
    fn with_another_leader_nobody_is_dead_who_may_have_talked_to_the_one_before() {
        let mut table = LivenessTable::new(Timestamp(0));
        table.heed_term(1, Timestamp(0));
        for id in 1..=3 {
            table.heartbeat(&beat("a", None, 5), id, id.unsigned_abs(), Timestamp(20_000));
        }
        table.disconnected(2, Timestamp(25_000));
        assert!(!table.view("a", Timestamp(25_000)).is_unheard(2), "it leads all the time");
        table.heed_term(2, Timestamp(29_000));
        table.heartbeat(&beat("a", None, 5), 3, 3, Timestamp(29_500));
        assert_eq!(table.expire(Timestamp(30_001)), BTreeSet::from([("a".to_owned(), 1)]));
        let view = table.view("a", Timestamp(30_001));
        assert!(view.is_unheard(1) && view.is_unheard(2) && view.is_alive(3));
        table.disconnected(3, Timestamp(31_000));
        let view = table.view("a", Timestamp(31_000));
        assert!(!view.is_alive(3) && !view.is_unheard(3), "it was heard of in this term, and is gone");
        table.heed_term(2, Timestamp(38_000));
        assert!(
            !table.view("a", Timestamp(39_000)).is_unheard(1),
            "no word of the one before counts any more"
        );
    }

    #[test]
    fn a_new_leader_waits_as_long_as_the_most_patient_broker() {
        let mut table = LivenessTable::new(Timestamp(0));
        table.heed_term(1, Timestamp(0));
        table.heartbeat(&beat("a", Some(30_000), 5), 1, 1, Timestamp(20_000));
        table.disconnected(1, Timestamp(25_000));
        table.heed_term(2, Timestamp(26_000));
        assert!(table.view("a", Timestamp(55_999)).is_unheard(1), "its lease may be from 26 s");
        assert!(!table.view("a", Timestamp(56_000)).is_unheard(1));
    }

    #[test]
    fn a_full_table_takes_no_more_brokers_and_keeps_those_it_has() {
        let mut table = LivenessTable::new(Timestamp(0));
        for id in 0..BROKERS_MAX as i64 {
            assert!(table.heartbeat(&beat("a", None, 0), id, 1, Timestamp(0)));
        }
        assert!(!table.heartbeat(&beat("b", None, 0), 1, 1, Timestamp(0)));
        assert!(table.heartbeat(&beat("a", None, 1), 5, 1, Timestamp(9)));
    }
}
