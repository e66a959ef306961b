//! Who becomes master.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{Group, Liveness};

/// The broker that is to be master: of those in sync, and only with `unclean` of the others.
///
/// `preferred` must not be another one; without it a master that is alive stays, or else it is the one whose log is
/// longest by (epoch, offset), then the one with the smallest priority, then the one with the smallest id. `None`: nobody
/// can be.
pub(super) fn elect(
    group: &Group,
    liveness: &Liveness,
    preferred: Option<i64>,
    unclean: bool,
) -> Option<i64> {
    let in_sync = among(group, &group.sync_state_set, liveness, preferred);
    let others = || among(group, &group.replicas.keys().copied().collect(), liveness, preferred);
    in_sync.or_else(|| if unclean { others() } else { None })
}

fn among(group: &Group, ids: &BTreeSet<i64>, liveness: &Liveness, preferred: Option<i64>) -> Option<i64> {
    let mut live = ids
        .iter()
        .filter(|id| group.replicas.contains_key(id))
        .filter_map(|id| Some((*id, liveness.alive.get(id)?)));
    match (preferred, group.master) {
        (Some(preferred), _) => live.map(|(id, _)| id).find(|id| *id == preferred),
        (None, Some(master)) if ids.contains(&master) && liveness.is_alive(master) => Some(master),
        (None, _) => live
            .by_ref()
            .max_by_key(|(id, candidate)| {
                (candidate.epoch, candidate.max_offset, Reverse(candidate.priority), Reverse(*id))
            })
            .map(|(id, _)| id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Candidate, Replica};

    fn group(sync_state_set: &[i64], master: Option<i64>) -> Group {
        let replica = |id: i64| Replica { address: format!("b:{id}"), register_check_code: String::new() };
        Group {
            replicas: (1..=4).map(|id| (id, replica(id))).collect(),
            sync_state_set: sync_state_set.iter().copied().collect(),
            master,
            ..Group::new("c")
        }
    }

    fn alive(candidates: &[(i64, i32, i64, i32)]) -> Liveness {
        let entry = |&(id, epoch, max_offset, priority): &(i64, i32, i64, i32)| {
            (id, Candidate { epoch, max_offset, priority })
        };
        Liveness { alive: candidates.iter().map(entry).collect(), ..Liveness::default() }
    }

    #[test]
    fn the_longest_log_wins_then_the_priority_then_the_id() {
        let group = group(&[1, 2, 3, 4], Some(1));
        let by_epoch = alive(&[(2, 1, 900, 0), (3, 2, 100, 0)]);
        assert_eq!(elect(&group, &by_epoch, None, false), Some(3));
        let by_offset = alive(&[(2, 1, 900, 9), (3, 1, 100, 0)]);
        assert_eq!(elect(&group, &by_offset, None, false), Some(2));
        let by_priority = alive(&[(2, 1, 900, 9), (3, 1, 900, 3)]);
        assert_eq!(elect(&group, &by_priority, None, false), Some(3));
        let by_id = alive(&[(4, 1, 900, 3), (3, 1, 900, 3)]);
        assert_eq!(elect(&group, &by_id, None, false), Some(3));
    }

    #[test]
    fn a_master_that_is_alive_stays_unless_another_one_is_named() {
        let group = group(&[1, 2], Some(1));
        let both = alive(&[(1, 1, 1, 9), (2, 1, 9, 0), (3, 5, 99, 0)]);
        assert_eq!(elect(&group, &both, None, true), Some(1));
        assert_eq!(elect(&group, &both, Some(2), false), Some(2));
        assert_eq!(elect(&group, &both, Some(3), false), None);
        assert_eq!(elect(&group, &both, Some(3), true), Some(3));
    }

    #[test]
    fn who_is_not_in_sync_only_becomes_master_where_that_is_allowed() {
        let group = group(&[1], Some(1));
        let others = alive(&[(2, 1, 9, 0), (3, 1, 5, 0)]);
        assert_eq!(elect(&group, &others, None, false), None);
        assert_eq!(elect(&group, &others, None, true), Some(2));
        assert_eq!(elect(&group, &alive(&[(9, 1, 9, 0)]), None, true), None);
    }
}
