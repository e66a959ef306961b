//! Brokers of one group, a controller and the network between them in one process: random work, cut connections, crashes and
//! elections, from a seed. `HA_WORLDS=n` plays so many more worlds, `HA_SEED=n` one.

use std::collections::{BTreeMap, BTreeSet};

use eruca_message::{LogOffset, Timestamp};

use super::*;

const NODES: i64 = 3;
const STEPS: usize = 600;
const RECORD: u64 = 8;
const LAG_MAX_MS: i64 = 50;
/// So long a controller waits for a word of a master before it elects another one.
const CONTROLLER_PATIENCE_MS: i64 = 40;
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

struct Node {
    log: Log,
    member: Member,
    /// Of messages that nobody has been told of, where they end.
    open: Vec<LogOffset>,
    /// Whom it follows, and in which epoch.
    follows: Option<(i64, i32)>,
    link: Option<Link>,
    is_up: bool,
}

fn new_member(id: i64) -> Member {
    let times = MemberTimes {
        poll_ms: 5,
        check_set_ms: 5,
        retry_ms: 5,
        lag_max_ms: LAG_MAX_MS,
        lease_ms: CONTROLLER_PATIENCE_MS - 5,
    };
    Member::new(Identity::Own(id), format!("host{id}"), times)
}

/// What the controller knows. It never fails here: that is Raft's part.
struct Controller {
    view: GroupView,
    /// When brokers last said anything.
    heard: BTreeMap<i64, Timestamp>,
}

impl Controller {
    fn elect(&mut self, id: i64) {
        self.view.master = Some((id, format!("host{id}")));
        self.view.epoch += 1;
        self.view.members = [id].into();
        self.view.set_epoch += 1;
    }

    fn master(&self) -> i64 {
        self.view.master.as_ref().map_or(0, |(id, _)| *id)
    }

    fn answer(&mut self, from: i64, ask: &Ask, now: Timestamp) -> Answer {
        self.heard.insert(from, now);
        match ask {
            Ask::NextId | Ask::Apply { .. } => panic!("each has its number"),
            Ask::Register { .. } | Ask::View => Answer::View(self.view.clone()),
            // A master asks for itself only after a restart.
            Ask::Elect { id } => {
                if self.master() == *id || self.view.master.is_none() && self.view.members.contains(id) {
                    self.elect(*id);
                }
                Answer::View(self.view.clone())
            }
            Ask::Alter { id, epoch, proposal } => {
                let is_right = self.master() == *id
                    && self.view.epoch == *epoch
                    && self.view.set_epoch == proposal.set_epoch
                    && proposal.members.contains(id);
                if !is_right {
                    return Answer::Refused;
                }
                self.view.members = proposal.members.clone();
                self.view.set_epoch += 1;
                Answer::View(self.view.clone())
            }
        }
    }
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
    /// A master acknowledges what nobody else has, as long as it has its lease (ASYNC_MASTER).
    is_async: bool,
    /// Requests to the controller of which the senders expect no answer any more.
    lingering: Vec<(i64, Ask)>,
    /// The newest epoch in which a message was acknowledged.
    epoch_acknowledged: i32,
    last_error: String,
}

impl World {
    fn new(seed: u64) -> World {
        let node = |id| Node {
            log: Log::default(),
            member: new_member(id),
            open: Vec::new(),
            follows: None,
            link: None,
            is_up: true,
        };
        let nodes = (1..=NODES).map(|id| (id, node(id))).collect();
        let view = GroupView { members: (1..=NODES).collect(), ..GroupView::default() };
        World {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: Timestamp(1_000_000),
            nodes,
            controller: Controller { view, heard: BTreeMap::new() },
            cut: BTreeSet::new(),
            links: 0,
            records: 0,
            acknowledged: BTreeMap::new(),
            elections: 0,
            changes: 0,
            trusts_itself: false,
            is_async: false,
            lingering: Vec::new(),
            epoch_acknowledged: 0,
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
            60..80 => self.ask(id),
            80..85 => self.notify(id),
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
            95 => self.arrive(),
            _ => self.connect(id),
        }
        self.acknowledge();
    }

    fn send(&mut self, id: i64) {
        self.records += 1;
        let record = self.records.to_be_bytes();
        let node = self.node(id);
        if node.is_up && node.member.sync().is_some() {
            node.log.bytes.extend_from_slice(&record);
            let end = node.log.end();
            node.open.push(end);
        }
    }

    /// Every master acknowledges what it may.
    fn acknowledge(&mut self) {
        for id in 1..=NODES {
            let (trusts_itself, is_async, now) = (self.trusts_itself, self.is_async, self.now);
            let node = self.node(id);
            let (has_lease, epoch) = (node.member.has_lease(now), node.member.view().epoch);
            let end = node.log.end();
            let Some(sync) = node.member.sync().filter(|_| node.is_up) else { continue };
            let confirmed = sync.confirm(end);
            node.log.confirmed = node.log.confirmed.max(confirmed);
            let up_to = if trusts_itself || is_async && has_lease { end } else { confirmed };
            let (done, open): (Vec<LogOffset>, _) = node.open.drain(..).partition(|at| *at <= up_to);
            node.open = open;
            for at in done {
                let place = usize::try_from(at.0 - RECORD).unwrap();
                let record = *self.nodes[&id].log.bytes[place..].first_chunk().unwrap();
                let before = self.acknowledged.insert(at, record);
                if is_async {
                    assert!(
                        up_to <= confirmed || epoch >= self.epoch_acknowledged,
                        "epoch {epoch} acknowledges after epoch {}",
                        self.epoch_acknowledged
                    );
                    self.epoch_acknowledged = self.epoch_acknowledged.max(epoch);
                    continue;
                }
                assert_eq!(before, None, "offset {at} was given to two messages");
                // The controller's master of the moment has it, whoever acknowledged it.
                let (master, view) = (self.controller.master(), self.controller.view.clone());
                if let Some(there) = self.nodes.get_mut(&master)
                    && there.member.view().epoch == view.epoch
                    && there.member.sync().is_some()
                {
                    self.has_all_acknowledged(master);
                }
            }
        }
    }

    fn has_all_acknowledged(&self, id: i64) {
        if self.is_async {
            return;
        }
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
                    Ok(()) => {
                        let end = self.nodes[&id].log.end();
                        link.to_master.extend(link.slave.report(end, false).unwrap_or_default());
                    }
                    Err(SlaveError::Log(error)) => panic!("{error}"),
                    Err(error) => {
                        self.last_error = error.to_string();
                        break 'work true;
                    }
                }
            }
            if self.random.percent(10) {
                let end = self.nodes[&id].log.end();
                link.to_master.extend(link.slave.report(end, true).unwrap_or_default());
            }
            false
        };
        let node = self.node(master_id);
        if broken && let Some(sync) = node.member.sync() {
            sync.disconnected(id, link.number, now);
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
        let Some(sync) = node.member.sync() else { return false };
        let session = link.at_master.get_or_insert_with(|| MasterSession::open(now));
        let end = node.log.end();
        let Ok(said) = session.receive(&bytes, now) else { return false };
        for said in said {
            match said {
                Said::Hello { broker_id, is_learner } => sync.connected(broker_id, number, is_learner, now),
                Said::Has(offset) => sync.acknowledged(id, number, offset, end, now),
            }
        }
        let source = SourceLog {
            begin: LogOffset(0),
            last_segment: LogOffset(0),
            end,
            epochs: &node.log.epochs,
            confirmed: sync.confirm(end),
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

    /// A broker talks with the controller. The answer may be lost.
    fn ask(&mut self, id: i64) {
        let now = self.now;
        let reaches = !self.cut.contains(&(id, 0));
        let answers = !self.cut.contains(&(0, id)) && self.random.percent(90);
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(ask) = node.member.next(node.log.end(), now).filter(|_| node.is_up) else { return };
        let answer = match reaches {
            // It arrives when nobody waits for it any more.
            true if self.random.percent(3) => {
                self.lingering.push((id, ask.clone()));
                Answer::Silence
            }
            true => self.controller.answer(id, &ask, now),
            false => Answer::Silence,
        };
        let answer = if answers { answer } else { Answer::Silence };
        let effects = node.member.answered(&ask, answer, now, now);
        self.obey(id, effects);
    }

    /// A request arrives late.
    fn arrive(&mut self) {
        if let Some((from, ask)) = self.lingering.pop() {
            self.controller.answer(from, &ask, self.now);
        }
    }

    /// The controller tells a broker by itself.
    fn notify(&mut self, id: i64) {
        if self.nodes[&id].is_up && !self.cut.contains(&(0, id)) {
            let (view, now) = (self.controller.view.clone(), self.now);
            let effects = self.node(id).member.notified(view, now);
            self.obey(id, effects);
        }
    }

    fn obey(&mut self, id: i64, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Keep(_) | Effect::SetChanged => {}
                Effect::Reign(view) => self.reign(id, view.epoch),
                Effect::Follow(view) => {
                    self.close_all(id);
                    let node = self.node(id);
                    node.open.clear();
                    node.follows = view.master.map(|(master, _)| (master, view.epoch));
                }
            }
        }
    }

    fn reign(&mut self, id: i64, epoch: i32) {
        self.close_all(id);
        let now = self.now;
        let node = self.node(id);
        node.follows = None;
        node.open.clear();
        // A torn record at the end is nobody's.
        let whole = node.log.end().0 / RECORD * RECORD;
        if whole < node.log.end().0 {
            node.log.truncate(LogOffset(whole)).unwrap();
        }
        // The controller may have been told of the end of the last reign only, not of its own.
        if node.log.epochs.last_number() != epoch {
            let start = node.log.end();
            node.log.begin_epoch(Epoch { number: epoch, start }).unwrap();
        }
        let start = node.log.epochs.last().unwrap().start;
        let confirmed = node.log.confirmed;
        node.member.reign(start, confirmed, now);
        self.has_all_acknowledged(id);
    }

    /// The controller takes its master for dead, rightly or not, and elects another member of the in-sync set.
    fn elect(&mut self) {
        let (now, controller) = (self.now, &self.controller);
        if controller.view.members.len() == 1 && self.random.percent(90) {
            return;
        }
        let heard = controller.heard.get(&controller.master()).copied().unwrap_or(now);
        if self.is_async && controller.view.epoch > 0 && now.0 - heard.0 < CONTROLLER_PATIENCE_MS {
            return;
        }
        let alive: Vec<i64> =
            controller.view.members.iter().copied().filter(|id| self.nodes[id].is_up).collect();
        if alive.is_empty() {
            return;
        }
        let chosen = alive[usize::try_from(self.random.below(alive.len() as u64)).unwrap()];
        self.changes += u32::from(self.controller.master() != chosen);
        self.controller.elect(chosen);
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
            && let Some(sync) = self.node(link.master).member.sync()
            && notices
        {
            sync.disconnected(id, link.number, now);
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
        (node.member, node.follows, node.is_up) = (new_member(id), None, false);
        node.open.clear();
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
            self.ask(id);
            self.connect(id);
            self.network(id);
            self.acknowledge();
        }
        let master = self.controller.master();
        self.has_all_acknowledged(master);
        let view = self.controller.view.clone();
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
        assert!(view.members.len() as u64 == NODES as u64, "not all are in sync again: {view:?}");
    }
}

fn play(seed: u64, is_async: bool) -> World {
    let mut world = World::new(seed);
    world.is_async = is_async;
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
        play(seed, false);
        play(seed, true);
        return;
    }
    let (mut acknowledged, mut elections, mut changes) = (0, 0, 0);
    for seed in 1..=number("HA_WORLDS").unwrap_or(100) {
        let played = std::panic::catch_unwind(|| (play(seed, false), play(seed, true)));
        let Ok((world, _)) = played else { panic!("seed {seed}") };
        acknowledged += world.acknowledged.len();
        elections += world.elections;
        changes += world.changes;
    }
    let seen =
        format!("{acknowledged} messages acknowledged, {elections} elections, {changes} of another master");
    println!("{seen}");
    assert!(acknowledged > 1_000 && changes > 100, "{seen}");
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
