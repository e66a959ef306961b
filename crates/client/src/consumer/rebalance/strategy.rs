//! Who of a group consumes which queue: the strategies that Java's clients know.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use eruca_message::{MessageQueue, names};

use super::hash_ring::HashRing;

/// How the queues of a topic are shared by the members of a group. Every member computes this by itself, and they
/// agree because they all sort both lists: so all members of a group, Java's included, must have the same one.
///
/// ```
/// use eruca_client::{AllocationStrategy, MessageQueue};
///
/// let queues: Vec<_> = (0..5).map(|id| MessageQueue::new("t", "b", id)).collect();
/// let members = ["m1".to_owned(), "m2".to_owned()];
/// assert_eq!(AllocationStrategy::Average.allocate("m1", &queues, &members), queues[..3]);
/// assert_eq!(AllocationStrategy::Average.allocate("m2", &queues, &members), queues[3..]);
/// ```
#[derive(Clone, Default)]
pub enum AllocationStrategy {
    /// Neighbouring queues to one member: the queues are cut in as many runs as there are members, the first ones
    /// longer by one where it does not come out even (Java: `AllocateMessageQueueAveragely`, its default).
    #[default]
    Average,
    /// In turn, one by one (Java: `AllocateMessageQueueAveragelyByCircle`).
    AverageByCircle,
    /// By a ring of hashes: when a member comes or goes, few queues of the others move, but shares may differ widely
    /// (Java: `AllocateMessageQueueConsistentHash`).
    ConsistentHash {
        /// Places of each member on the ring; Java's default is 10. More make shares more even.
        virtual_nodes: usize,
    },
    /// Only queues of these machine rooms, where broker names are `room@name` (Java:
    /// `AllocateMessageQueueByMachineRoom`).
    MachineRoom {
        /// The rooms.
        rooms: BTreeSet<String>,
    },
    /// Queues go to members of their own machine room, averagely; those of rooms without members to all (Java:
    /// `AllocateMachineRoomNearby` around the average).
    MachineRoomNearby(RoomOf),
    /// These queues, whatever the others have (Java: `AllocateMessageQueueByConfig`). The group's retry topic, of which
    /// a configuration hardly knows, is shared averagely.
    Fixed(Vec<MessageQueue>),
}

/// Says in which machine rooms brokers and members are.
#[derive(Clone)]
pub struct RoomOf {
    broker: Name,
    member: Name,
}

type Name = Arc<dyn Fn(&str) -> String + Send + Sync>;

impl RoomOf {
    /// `broker` names the room of a broker name, `member` that of a client id.
    pub fn new(
        broker: impl Fn(&str) -> String + Send + Sync + 'static,
        member: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Self {
        RoomOf { broker: Arc::new(broker), member: Arc::new(member) }
    }
}

impl fmt::Debug for AllocationStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl AllocationStrategy {
    /// Its name, as Java's consumers tell it.
    pub fn name(&self) -> &'static str {
        match self {
            AllocationStrategy::Average => "AVG",
            AllocationStrategy::AverageByCircle => "AVG_BY_CIRCLE",
            AllocationStrategy::ConsistentHash { .. } => "CONSISTENT_HASH",
            AllocationStrategy::MachineRoom { .. } => "MACHINE_ROOM",
            AllocationStrategy::MachineRoomNearby(_) => "MACHINE_ROOM_NEARBY-AVG",
            AllocationStrategy::Fixed(_) => "CONFIG",
        }
    }

    /// The share of member `client_id` of `queues`, which are those of one topic, sorted. Empty where `client_id` is
    /// not among `client_ids`, or nothing is left for it.
    pub fn allocate(
        &self,
        client_id: &str,
        queues: &[MessageQueue],
        client_ids: &[String],
    ) -> Vec<MessageQueue> {
        let mut queues = queues.to_vec();
        queues.sort();
        queues.dedup();
        let mut members: Vec<&str> = client_ids.iter().map(String::as_str).collect();
        members.sort_unstable();
        members.dedup();
        let Ok(index) = members.binary_search(&client_id) else { return Vec::new() };
        match self {
            AllocationStrategy::Average => run(&queues, index, members.len()),
            AllocationStrategy::AverageByCircle => {
                queues.into_iter().skip(index).step_by(members.len()).collect()
            }
            AllocationStrategy::ConsistentHash { virtual_nodes } => {
                let ring = HashRing::new(&members, *virtual_nodes);
                queues.retain(|queue| ring.owner(queue) == Some(client_id));
                queues
            }
            AllocationStrategy::MachineRoom { rooms } => {
                queues.retain(|queue| {
                    let mut parts = queue.broker_name.split('@');
                    let room = parts.next().unwrap_or_default();
                    parts.next().is_some() && parts.next().is_none() && rooms.contains(room)
                });
                equal_run_and_one_of_the_rest(&queues, index, members.len())
            }
            AllocationStrategy::MachineRoomNearby(rooms) => nearby(rooms, client_id, queues, &members),
            AllocationStrategy::Fixed(fixed) => {
                if queues.first().is_some_and(|queue| names::is_retry_topic(&queue.topic)) {
                    return run(&queues, index, members.len());
                }
                queues.retain(|queue| fixed.contains(queue));
                queues
            }
        }
    }
}

/// One of `parts` runs, the first ones longer by one.
fn run(queues: &[MessageQueue], index: usize, parts: usize) -> Vec<MessageQueue> {
    let (each, rest) = (queues.len() / parts, queues.len() % parts);
    let start = index * each + index.min(rest);
    queues[start..start + each + usize::from(index < rest)].to_vec()
}

/// One of `parts` runs of equal length; what is left over at the end goes to the first members, one each.
fn equal_run_and_one_of_the_rest(queues: &[MessageQueue], index: usize, parts: usize) -> Vec<MessageQueue> {
    let each = queues.len() / parts;
    let rest = queues.get(each * parts + index);
    queues[index * each..(index + 1) * each].iter().chain(rest).cloned().collect()
}

fn nearby(rooms: &RoomOf, client_id: &str, queues: Vec<MessageQueue>, members: &[&str]) -> Vec<MessageQueue> {
    let mut members_in: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for member in members {
        members_in.entry((rooms.member)(member)).or_default().push(member);
    }
    let mut queues_in: BTreeMap<String, Vec<MessageQueue>> = BTreeMap::new();
    for queue in queues {
        queues_in.entry((rooms.broker)(&queue.broker_name)).or_default().push(queue);
    }
    let mut mine = Vec::new();
    for (room, queues) in queues_in {
        let sharing = members_in.get(&room).map_or(members, Vec::as_slice);
        if let Ok(index) = sharing.binary_search(&client_id) {
            mine.extend(run(&queues, index, sharing.len()));
        }
    }
    mine.sort();
    mine
}

#[cfg(test)]
#[path = "strategy_test.rs"]
mod tests;
