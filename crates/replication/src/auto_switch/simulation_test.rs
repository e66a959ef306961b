//! Brokers of one group, a controller and the network between them in one process: random work, cut connections, crashes and
//! elections, from a seed. `HA_WORLDS=n` plays so many more worlds, `HA_SEED=n` one.

use std::collections::{BTreeMap, BTreeSet};

use eruca_message::{LogOffset, Timestamp};

use super::*;

const NODES: i64 = 3;
const STEPS: usize = 600;
const RECORD: u64 = 8;
const LAG_MAX_MS: i64 = 50;
const BATCH: usize = 40;

/// xorshift
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % end
    }
    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
    fn node(&mut self) -> i64 {
        1 + i64::try_from(self.below(NODES as u64)).unwrap()
    }
}

/// What a broker has on its disk.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    epochs: Epochs,
    confirmed: LogOffset,
}

impl ReplicaLog for Log {
    type Error = EpochError;
    fn end(&self) -> LogOffset {
        LogOffset(self.bytes.len() as u64)
    }
    fn epochs(&self) -> &Epochs {
        &self.epochs
    }
    fn truncate(&mut self, end: LogOffset) -> Result<(), EpochError> {
        assert!(end >= self.confirmed, "confirmed up to {}, cut at {end}", self.confirmed);
        self.bytes.truncate(usize::try_from(end.0).unwrap());
        self.epochs.truncate(end);
        Ok(())
    }
    fn begin_epoch(&mut self, epoch: Epoch) -> Result<(), EpochError> {
        self.epochs.begin(epoch)
    }
    fn append(&mut self, at: LogOffset, bytes: &[u8]) -> Result<(), EpochError> {
        assert_eq!(at, self.end());
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
    fn confirm(&mut self, up_to: LogOffset) {
        self.confirmed = self.confirmed.max(up_to);
    }
}

/// A connection, and the bytes that are under way on it.
struct Link {
    number: u64,
    master: i64,
    slave: SlaveSession,
    at_master: Option<MasterSession>,
    to_master: Vec<u8>,
    to_slave: Vec<u8>,
}

/// The master as it knows itself.
struct Reign {
    epoch: i32,
    sync: SyncState,
    /// Of messages that nobody has been told of, where they end.
    open: Vec<LogOffset>,
}

#[derive(Default)]
struct Node {
    log: Log,
    reign: Option<Reign>,
    /// Whom it follows, and in which epoch.
    follows: Option<(i64, i32)>,
    link: Option<Link>,
    is_up: bool,
}

/// What the controller knows. It never fails here: that is Raft's part.
struct Controller {
    master: i64,
    epoch: i32,
    members: BTreeSet<i64>,
    set_epoch: i32,
}

struct World {
    random: Random,
    now: Timestamp,
    nodes: BTreeMap<i64, Node>,
    controller: Controller,
    /// Pairs that cannot talk, in this direction.
    cut: BTreeSet<(i64, i64)>,
    links: u64,
    records: u64,
    /// By the end of the message: its bytes.
    acknowledged: BTreeMap<LogOffset, [u8; 8]>,
    elections: u32,
    /// Elections of another one.
    changes: u32,
    /// Plants a fault: a master takes its own word for that of the set.
    trusts_itself: bool,
    last_error: String,
}

impl World {
    fn new(seed: u64) -> World {
        let nodes = (1..=NODES).map(|id| (id, Node { is_up: true, ..Node::default() })).collect();
        World {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: Timestamp(1_000_000),
            nodes,
            controller: Controller { master: 0, epoch: 0, members: (1..=NODES).collect(), set_epoch: 0 },
            cut: BTreeSet::new(),
            links: 0,
            records: 0,
            acknowledged: BTreeMap::new(),
            elections: 0,
            changes: 0,
            trusts_itself: false,
            last_error: String::new(),
        }
    }

    fn node(&mut self, id: i64) -> &mut Node {
        self.nodes.get_mut(&id).unwrap()
    }

    fn step(&mut self) {
        self.now = Timestamp(self.now.0 + i64::try_from(self.random.below(4)).unwrap());
        let id = self.random.node();
        match self.random.below(100) {
            0..10 => self.send(id),
            10..60 => self.network(id),
            60..75 => self.master_work(id),
            75..85 => self.news(id),
            85..88 => self.elect(),
            // Node 0 is the controller.
            88 => {
                let other = self.random.below(NODES as u64 + 1).cast_signed();
                self.cut.insert((id, other));
            }
            89..91 => {
                self.cut.pop_last();
            }
            91 => self.crash(id),
            92..94 => self.node(id).is_up = true,
            94 => self.close(id),
            _ => self.connect(id),
        }
        self.acknowledge();
    }

    fn send(&mut self, id: i64) {
        self.records += 1;
        let record = self.records.to_be_bytes();
        let node = self.node(id);
        if let Some(reign) = node.reign.as_mut().filter(|_| node.is_up) {
            node.log.bytes.extend_from_slice(&record);
            reign.open.push(node.log.end());
        }
    }

    /// Every master acknowledges what it may.
    fn acknowledge(&mut self) {
        for id in 1..=NODES {
            let trusts_itself = self.trusts_itself;
            let node = self.node(id);
            let Some(reign) = node.reign.as_mut().filter(|_| node.is_up) else { continue };
            let end = node.log.end();
            let confirmed = if trusts_itself { end } else { reign.sync.confirm(end) };
            let (done, open) = reign.open.drain(..).partition(|at| *at <= confirmed);
            reign.open = open;
            node.log.confirmed = node.log.confirmed.max(confirmed);
            let done: Vec<LogOffset> = done;
            for at in done {
                let place = usize::try_from(at.0 - RECORD).unwrap();
                let record = *self.nodes[&id].log.bytes[place..].first_chunk().unwrap();
                let before = self.acknowledged.insert(at, record);
                assert_eq!(before, None, "offset {at} was given to two messages");
                // The controller's master of the moment has it, whoever acknowledged it.
                let master = self.controller.master;
                if self.nodes[&master]
                    .reign
                    .as_ref()
                    .is_some_and(|reign| reign.epoch == self.controller.epoch)
                {
                    self.has_all_acknowledged(master);
                }
            }
        }
    }

    fn has_all_acknowledged(&self, id: i64) {
        let log = &self.nodes[&id].log;
        for (at, record) in &self.acknowledged {
            let place = usize::try_from(at.0 - RECORD).unwrap();
            let there = log.bytes.get(place..place + 8);
            assert_eq!(
                there,
                Some(&record[..]),
                "master {id} lacks the acknowledged message that ends at {at}"
            );
        }
    }

    /// Some bytes move on the connection of a slave, and it and its master work on them.
    fn network(&mut self, id: i64) {
        let now = self.now;
        let Some(mut link) = self.node(id).link.take() else { return };
        let master_id = link.master;
        let broken = 'work: {
            if !self.nodes[&id].is_up || !self.nodes[&master_id].is_up {
                break 'work true;
            }
            if !self.cut.contains(&(id, master_id)) && !self.at_master(id, &mut link) {
                break 'work true;
            }
            if !self.cut.contains(&(master_id, id)) {
                let some = self.random.below(link.to_slave.len() as u64 + 1);
                let bytes: Vec<u8> = link.to_slave.drain(..usize::try_from(some).unwrap()).collect();
                match link.slave.receive(&mut self.node(id).log, &bytes) {
                    Ok(answer) => link.to_master.extend(answer),
                    Err(SlaveError::Log(error)) => panic!("{error}"),
                    Err(error) => {
                        self.last_error = error.to_string();
                        break 'work true;
                    }
                }
            }
            if self.random.percent(10) {
                let end = self.nodes[&id].log.end();
                link.to_master.extend(link.slave.heartbeat(end));
            }
            false
        };
        let node = self.node(master_id);
        if broken && let Some(reign) = &mut node.reign {
            reign.sync.disconnected(id, link.number, now);
        }
        if !broken {
            self.node(id).link = Some(link);
        }
    }

    /// The master takes what a slave sent, and sends on. Whether the connection lives.
    fn at_master(&mut self, id: i64, link: &mut Link) -> bool {
        let (now, number) = (self.now, link.number);
        let some = usize::try_from(self.random.below(link.to_master.len() as u64 + 1)).unwrap();
        let bytes: Vec<u8> = link.to_master.drain(..some).collect();
        let node = self.nodes.get_mut(&link.master).unwrap();
        let Some(reign) = &mut node.reign else { return false };
        let session = link.at_master.get_or_insert_with(|| MasterSession::open(now));
        let end = node.log.end();
        let Ok(said) = session.receive(&bytes, now) else { return false };
        for said in said {
            match said {
                Said::Hello { broker_id, is_learner } => {
                    reign.sync.connected(broker_id, number, is_learner, now)
                }
                Said::Has(offset) => reign.sync.acknowledged(id, number, offset, end, now),
            }
        }
        let source = SourceLog {
            begin: LogOffset(0),
            last_segment: LogOffset(0),
            end,
            epochs: &node.log.epochs,
            confirmed: reign.sync.confirm(end),
        };
        match session.next(&source, BATCH, 10, now) {
            Ok(Some(Send::Bytes(bytes))) => link.to_slave.extend(bytes),
            Ok(Some(Send::Log { header, offset, len })) => {
                let from = usize::try_from(offset.0).unwrap();
                link.to_slave.extend(header);
                link.to_slave.extend(&node.log.bytes[from..from + len]);
            }
            Ok(None) => {}
            Err(_) => return false,
        }
        true
    }

    /// A master looks after its in-sync set. The answer of the controller may be lost.
    fn master_work(&mut self, id: i64) {
        let now = self.now;
        let reaches = !self.cut.contains(&(id, 0));
        let answered = reaches && self.random.percent(80);
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(reign) = node.reign.as_mut().filter(|_| node.is_up) else { return };
        let Some(proposal) = reign.sync.propose(node.log.end(), now) else { return };
        if !reaches {
            return;
        }
        let controller = &mut self.controller;
        let is_right = controller.master == id
            && controller.epoch == reign.epoch
            && controller.set_epoch == proposal.set_epoch
            && proposal.members.contains(&id);
        if is_right {
            controller.members = proposal.members;
            controller.set_epoch += 1;
        }
        match (answered, is_right) {
            (true, true) => reign.sync.accepted(controller.members.clone(), controller.set_epoch, now),
            (true, false) => reign.sync.refused(),
            (false, _) => {}
        }
    }

    /// A broker asks the controller who is master.
    fn news(&mut self, id: i64) {
        if !self.nodes[&id].is_up || self.cut.contains(&(id, 0)) || self.controller.epoch == 0 {
            return;
        }
        let now = self.now;
        let (master, epoch) = (self.controller.master, self.controller.epoch);
        let (members, set_epoch) = (self.controller.members.clone(), self.controller.set_epoch);
        let node = self.node(id);
        if master == id {
            match &mut node.reign {
                Some(reign) if reign.epoch == epoch => reign.sync.accepted(members, set_epoch, now),
                _ => self.reign(id, epoch, members, set_epoch),
            }
        } else if node.follows != Some((master, epoch)) {
            node.reign = None;
            self.close(id);
            self.node(id).follows = Some((master, epoch));
        }
    }

    fn reign(&mut self, id: i64, epoch: i32, members: BTreeSet<i64>, set_epoch: i32) {
        self.close_all(id);
        let now = self.now;
        let node = self.node(id);
        node.follows = None;
        // A torn record at the end is nobody's.
        let whole = node.log.end().0 / RECORD * RECORD;
        if whole < node.log.end().0 {
            node.log.truncate(LogOffset(whole)).unwrap();
        }
        // It may have crashed, and be master still.
        if node.log.epochs.last_number() != epoch {
            let start = node.log.end();
            node.log.begin_epoch(Epoch { number: epoch, start }).unwrap();
        }
        let start = node.log.epochs.last().unwrap().start;
        let sync = SyncState::new(id, members, set_epoch, start, node.log.confirmed, LAG_MAX_MS, now);
        node.reign = Some(Reign { epoch, sync, open: Vec::new() });
        self.has_all_acknowledged(id);
    }

    /// The controller takes its master for dead, rightly or not, and elects another member of the in-sync set.
    fn elect(&mut self) {
        if self.controller.members.len() == 1 && self.random.percent(90) {
            return;
        }
        let alive: Vec<i64> =
            self.controller.members.iter().copied().filter(|id| self.nodes[id].is_up).collect();
        if alive.is_empty() {
            return;
        }
        let chosen = alive[usize::try_from(self.random.below(alive.len() as u64)).unwrap()];
        self.changes += u32::from(self.controller.master != chosen);
        let controller = &mut self.controller;
        (controller.master, controller.epoch) = (chosen, controller.epoch + 1);
        (controller.members, controller.set_epoch) = ([chosen].into(), controller.set_epoch + 1);
        self.elections += 1;
    }

    fn connect(&mut self, id: i64) {
        let number = self.links;
        self.links += 1;
        let node = self.nodes.get_mut(&id).unwrap();
        let Some((master, epoch)) = node.follows.filter(|_| node.is_up && node.link.is_none()) else {
            return;
        };
        let (slave, hello) = SlaveSession::open(id, false, false, epoch);
        let (to_master, to_slave) = (hello, Vec::new());
        node.link = Some(Link { number, master, slave, at_master: None, to_master, to_slave });
    }

    /// The end of a slave's connection; the master notices at once or later.
    fn close(&mut self, id: i64) {
        let now = self.now;
        let notices = self.random.percent(50);
        if let Some(link) = self.node(id).link.take()
            && let Some(reign) = &mut self.node(link.master).reign
            && notices
        {
            reign.sync.disconnected(id, link.number, now);
        }
    }

    /// The end of all connections of a broker.
    fn close_all(&mut self, id: i64) {
        self.close(id);
        for node in
            self.nodes.values_mut().filter(|node| node.link.as_ref().is_some_and(|link| link.master == id))
        {
            node.link = None;
        }
    }

    /// Everything in memory is gone, the page cache is not.
    fn crash(&mut self, id: i64) {
        self.close_all(id);
        let node = self.node(id);
        (node.reign, node.follows, node.is_up) = (None, None, false);
        let confirmed = node.log.confirmed;
        node.log.confirmed = LogOffset(0).max(LogOffset(confirmed.0 / 2));
    }

    /// All connections work again: the logs become one.
    fn heal(&mut self) {
        self.cut.clear();
        self.nodes.values_mut().for_each(|node| node.is_up = true);
        for _ in 0..4_000 {
            self.now = Timestamp(self.now.0 + 1);
            let id = self.random.node();
            self.news(id);
            self.connect(id);
            self.network(id);
            self.master_work(id);
            self.acknowledge();
        }
        let master = self.controller.master;
        self.has_all_acknowledged(master);
        let whole = &self.nodes[&master].log;
        for (id, node) in &self.nodes {
            let (ends, epochs) = ((node.log.end(), whole.end()), (&node.log.epochs, &whole.epochs));
            let text = format!(
                "log of {id} and of master {master}: {ends:?}, {epochs:?}, {:?} {}",
                node.follows, self.last_error
            );
            assert!(node.log.bytes == whole.bytes, "{text}");
            assert_eq!(node.log.confirmed, whole.end(), "{id}");
        }
        let members = &self.controller.members;
        let reign = self.nodes[&master].reign.as_ref().map(|reign| &reign.sync);
        assert!(members.len() as u64 == NODES as u64, "not all are in sync again: {members:?} {reign:?}");
    }
}

fn play(seed: u64) -> World {
    let mut world = World::new(seed);
    world.elect();
    for _ in 0..STEPS {
        world.step();
    }
    world.heal();
    world
}

#[test]
fn nothing_acknowledged_is_lost_and_logs_become_one() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("HA_SEED") {
        play(seed);
        return;
    }
    let (mut acknowledged, mut elections, mut changes) = (0, 0, 0);
    for seed in 1..=number("HA_WORLDS").unwrap_or(300) {
        let played = std::panic::catch_unwind(|| play(seed));
        let Ok(world) = played else { panic!("seed {seed}") };
        acknowledged += world.acknowledged.len();
        elections += world.elections;
        changes += world.changes;
    }
    let seen =
        format!("{acknowledged} messages acknowledged, {elections} elections, {changes} of another master");
    println!("{seen}");
    assert!(acknowledged > 1_000 && changes > 500, "{seen}");
}

#[test]
fn a_master_that_trusts_itself_is_found() {
    let found = (1..200).any(|seed| {
        std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.trusts_itself = true;
            world.elect();
            (0..STEPS).for_each(|_| world.step());
            world.heal();
        })
        .is_err()
    });
    assert!(found);
}
