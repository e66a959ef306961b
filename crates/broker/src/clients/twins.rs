//! Clients of a group that call themselves the same: two processes in containers that have the same host name and process
//! id, or an instance name that was copied.
//!
//! They share queues by their ids, so that two with one id take the same queues, and both consume each message. A
//! client that has come back on a new connection is none: its old connection says nothing any more. So twins are found
//! when the older connection sends a heartbeat after the younger one has come.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use eruca_message::Timestamp;

/// Pause between two warnings about a group.
const TELL_EVERY_MS: i64 = 60_000;

/// The connections of a group by the ids of its clients.
#[derive(Debug, Default)]
pub(super) struct ClientIds {
    /// In the order in which they came.
    connections: BTreeMap<Arc<str>, Vec<Connection>>,
    /// Ids with more than one connection, which are looked at.
    crowded: BTreeSet<Arc<str>>,
    told_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Connection {
    caller_id: u64,
    came: Timestamp,
    last_heartbeat: Timestamp,
}

impl Connection {
    fn is_older_and_alive(self, younger: Connection) -> bool {
        self.last_heartbeat > younger.came
    }
}

impl ClientIds {
    /// A heartbeat came from a client.
    pub(super) fn heard(&mut self, client_id: &Arc<str>, caller_id: u64, now: Timestamp) {
        let connections = self.connections.entry(Arc::clone(client_id)).or_default();
        match connections.iter_mut().find(|known| known.caller_id == caller_id) {
            Some(known) => known.last_heartbeat = now,
            None => connections.push(Connection { caller_id, came: now, last_heartbeat: now }),
        }
        if connections.len() > 1 {
            self.crowded.insert(Arc::clone(client_id));
        }
    }

    /// The connection is gone, or has another id now.
    pub(super) fn left(&mut self, client_id: &Arc<str>, caller_id: u64) {
        let Some(connections) = self.connections.get_mut(client_id) else { return };
        connections.retain(|known| known.caller_id != caller_id);
        if connections.len() < 2 {
            self.crowded.remove(client_id);
        }
        if connections.is_empty() {
            self.connections.remove(client_id);
        }
    }

    /// Ids that more than one living client has.
    pub(super) fn twins(&self) -> Vec<Arc<str>> {
        let are_twins = |id: &&Arc<str>| {
            let connections = self.connections.get(*id).map(Vec::as_slice).unwrap_or_default();
            connections.windows(2).any(|pair| matches!(pair, [a, b] if a.is_older_and_alive(*b)))
        };
        self.crowded.iter().filter(are_twins).cloned().collect()
    }

    /// Whether it is time to warn (again).
    pub(super) fn is_to_be_told(&mut self, now: Timestamp) -> bool {
        let is_due = self.told_at.is_none_or(|told| now.ms_since(told) >= TELL_EVERY_MS);
        if is_due {
            self.told_at = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(ids: &mut ClientIds, id: &str, caller_id: u64, now: i64) -> Vec<String> {
        ids.heard(&id.into(), caller_id, Timestamp(now));
        ids.twins().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn two_that_live_are_twins_and_one_that_came_back_is_none() {
        let mut ids = ClientIds::default();
        assert!(heard(&mut ids, "a", 1, 0).is_empty());
        assert!(heard(&mut ids, "a", 2, 1_000).is_empty(), "it may have come back on a new connection");
        assert!(heard(&mut ids, "a", 2, 31_000).is_empty(), "and goes on there");
        assert_eq!(heard(&mut ids, "a", 1, 31_500), ["a"], "the older one lives, too");
        assert_eq!(heard(&mut ids, "b", 3, 31_500), ["a"]);
        ids.left(&"a".into(), 1);
        assert!(ids.twins().is_empty() && ids.crowded.is_empty());
        ids.left(&"a".into(), 2);
        ids.left(&"b".into(), 3);
        assert!(ids.connections.is_empty());
    }

    #[test]
    fn it_is_told_once_a_minute() {
        let mut ids = ClientIds::default();
        let told: Vec<bool> =
            [0, 30_000, 60_000, 90_000, 120_000].map(|now| ids.is_to_be_told(Timestamp(now))).into();
        assert_eq!(told, [true, false, true, false, true]);
    }
}
