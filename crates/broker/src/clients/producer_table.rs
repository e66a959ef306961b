//! Producer groups that are online.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use eruca_message::Timestamp;
use eruca_protocol::body::{ProducerInfo, ProducerTableInfo};
use eruca_remoting::Caller;

use super::{ClientInfo, Member, TableFull};

/// Most places in groups; more clients are refused, and told so.
const MEMBERS_MAX: usize = 1_000_000;

/// Most connections of a group that are tried for one question.
const ASKED_MAX: usize = 3;

/// Producer groups that are online (Java: `ProducerManager`).
#[derive(Debug, Default)]
pub struct ProducerTable {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Members by group and connection.
    groups: HashMap<String, BTreeMap<u64, Member>>,
    groups_of: HashMap<u64, Vec<String>>,
    /// The connection of each client id: the youngest, where several call themselves the same.
    callers: HashMap<Arc<str>, u64>,
    members: usize,
}

impl ProducerTable {
    /// Takes note of a client in a group.
    ///
    /// # Errors
    /// The table is full; nothing is changed.
    pub fn heartbeat(
        &self,
        caller: &Caller,
        client: &ClientInfo,
        group: &str,
        now: Timestamp,
    ) -> Result<(), TableFull> {
        let mut inner = self.lock();
        if let Some(member) = inner.groups.get_mut(group).and_then(|group| group.get_mut(&caller.id())) {
            member.last_update = now;
            return Ok(());
        }
        if inner.members >= MEMBERS_MAX {
            return Err(TableFull);
        }
        let member = Member { caller: caller.clone(), client: client.clone(), last_update: now };
        inner.groups.entry(group.to_owned()).or_default().insert(caller.id(), member);
        inner.groups_of.entry(caller.id()).or_default().push(group.to_owned());
        inner.callers.insert(Arc::clone(&client.client_id), caller.id());
        inner.members += 1;
        Ok(())
    }

    /// Removes the caller from a group. Whether it was a member.
    pub fn unregister(&self, group: &str, caller_id: u64) -> bool {
        let mut inner = self.lock();
        if let Some(groups) = inner.groups_of.get_mut(&caller_id) {
            groups.retain(|name| name != group);
            if groups.is_empty() {
                inner.groups_of.remove(&caller_id);
            }
        }
        inner.leave(group, caller_id)
    }

    /// Removes a connection that is gone.
    pub fn disconnected(&self, caller_id: u64) {
        let mut inner = self.lock();
        for group in inner.groups_of.remove(&caller_id).unwrap_or_default() {
            inner.leave(&group, caller_id);
        }
    }

    /// Removes members without heartbeat for longer than `timeout_ms`, and closes their connections.
    pub fn expire_step(&self, now: Timestamp, timeout_ms: i64) {
        let expired: Vec<(String, Member)> = {
            let inner = self.lock();
            let members =
                inner.groups.iter().flat_map(|(name, group)| group.values().map(move |m| (name, m)));
            let expired = members.filter(|(_, member)| member.is_expired(now, timeout_ms));
            expired.map(|(name, member)| (name.clone(), member.clone())).collect()
        };
        for (group, member) in expired {
            tracing::warn!(group, client = %member.client.client_id, peer = %member.caller.peer_addr(), "producer expired: no heartbeat");
            self.unregister(&group, member.caller.id());
            member.caller.close();
        }
    }

    /// The members of a group; empty where it is not online.
    pub fn members(&self, group: &str) -> Vec<Member> {
        self.lock().groups.get(group).map(|members| members.values().cloned().collect()).unwrap_or_default()
    }

    /// Whether somebody of a group is here.
    pub fn is_online(&self, group: &str) -> bool {
        self.lock().groups.get(group).is_some_and(|members| members.values().any(|m| m.caller.is_open()))
    }

    /// Some open connections of a group, beginning with the one whose `turn` it is.
    pub fn callers_from(&self, group: &str, turn: u64) -> Vec<Caller> {
        let inner = self.lock();
        let Some(members) = inner.groups.get(group) else { return Vec::new() };
        let first = usize::try_from(turn % (members.len().max(1) as u64)).unwrap_or(0);
        let in_turn = members.values().skip(first).chain(members.values().take(first));
        let open = in_turn.map(|member| &member.caller).filter(|caller| caller.is_open());
        open.take(ASKED_MAX).cloned().collect()
    }

    /// The connection of a client, in whatever group it is (Java: `findChannel`).
    pub fn by_client_id(&self, client_id: &str) -> Option<Member> {
        let inner = self.lock();
        let caller_id = inner.callers.get(client_id)?;
        let group = inner.groups_of.get(caller_id)?.first()?;
        inner.groups.get(group)?.get(caller_id).cloned()
    }

    /// All groups with their members, as the admin tools see them.
    pub fn table_info(&self) -> ProducerTableInfo {
        let info = |member: &Member| ProducerInfo {
            client_id: member.client.client_id.to_string(),
            // Java writes the address as its sockets do, with a slash.
            remote_ip: format!("/{}", member.caller.peer_addr()),
            language: member.client.language,
            version: member.client.version,
            last_update_timestamp: member.last_update.0,
        };
        let inner = self.lock();
        let groups =
            inner.groups.iter().map(|(name, group)| (name.clone(), group.values().map(info).collect()));
        ProducerTableInfo { data: groups.collect() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change leaves the table whole before anything can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn leave(&mut self, name: &str, caller_id: u64) -> bool {
        let Some(group) = self.groups.get_mut(name) else { return false };
        let was_member = group.remove(&caller_id);
        self.members -= usize::from(was_member.is_some());
        if let Some(member) = &was_member
            && !self.groups_of.contains_key(&caller_id)
            && self.callers.get(&member.client.client_id) == Some(&caller_id)
        {
            self.callers.remove(&member.client.client_id);
        }
        if group.is_empty() {
            self.groups.remove(name);
        }
        was_member.is_some()
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::Language;

    use super::*;

    #[test]
    fn producers_come_stay_and_go() {
        let table = ProducerTable::default();
        let client = ClientInfo { client_id: "c".into(), language: Language::Go, version: 1 };
        let connect = || Caller::detached(([10, 0, 0, 1], 4000).into(), ([127, 0, 0, 1], 10911).into());
        let ((a, _), (b, outbox)) = (connect(), connect());
        for caller in [&a, &b, &a] {
            table.heartbeat(caller, &client, "g", Timestamp(0)).unwrap();
            table.heartbeat(caller, &client, "h", Timestamp(0)).unwrap();
        }
        assert_eq!(table.members("g").len(), 2);
        assert_eq!(table.by_client_id("c").map(|member| member.caller.id()), Some(b.id()), "the youngest");
        assert!(table.by_client_id("d").is_none());
        assert_eq!(table.table_info().data["h"][0].remote_ip, "/10.0.0.1:4000");
        assert!(table.unregister("h", a.id()));
        table.disconnected(a.id());
        assert_eq!((table.members("g").len(), table.members("h").len()), (1, 1));
        table.expire_step(Timestamp(120_000), 120_000);
        assert_eq!(table.members("g").len(), 1);
        table.expire_step(Timestamp(120_001), 120_000);
        assert!(outbox.is_close_requested() && table.table_info().data.is_empty());
        assert!(table.lock().groups_of.is_empty() && table.lock().members == 0);
        assert!(table.lock().callers.is_empty());
    }
}
