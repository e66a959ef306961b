//! Connections between slaves and masters.

use eruca_replication::{
    auto_switch::{Send, SlaveSession},
    classic::Outgoing,
    group::{GroupCopy, ToSlave},
};

use super::{
    Step, Violation,
    link::{Link, Watched},
    world::World,
};

const SIGN_OF_LIFE_MS: i64 = 300;
/// Most pieces that a master puts on a connection at once.
const PIECES_MAX: u32 = 4;

impl World<'_> {
    pub(super) fn connect(&mut self, at: usize) {
        let broker = &mut self.brokers[at];
        let Some(running) = &mut broker.running else { return };
        let Some(master) = running.follows.filter(|_| running.link.is_none()) else { return };
        let Some(id) = running.group.id() else { return };
        if self.scenario.is_durable && running.store.flush_step().is_err() {
            return;
        }
        let Ok(copy) = GroupCopy::begin(running.group.clone()) else { return };
        let (slave, hello) = SlaveSession::open(id, false, false, running.group.newest_epoch());
        self.links += 1;
        let number = self.links;
        running.link = Some(Link {
            number,
            master,
            slave,
            copy,
            at_master: None,
            to_master: hello,
            to_slave: Vec::new(),
        });
    }

    /// Some bytes move on the connection of a slave, and it and its master work on them.
    pub(super) fn transmit(&mut self, at: usize) -> Step {
        let Some(mut link) = self.brokers[at].running.as_mut().and_then(|running| running.link.take()) else {
            return Ok(());
        };
        let master = link.master;
        let mut lives = self.brokers[master].running.is_some();
        if lives && self.reaches(at, master) {
            lives = self.at_master(at, &mut link);
        }
        if lives && self.reaches(master, at) {
            lives = self.at_slave(at, &mut link)?;
        }
        if lives && let Some(running) = &mut self.brokers[at].running {
            running.link = Some(link);
        }
        Ok(())
    }

    /// The master takes what a slave sent, and sends on. Whether the connection lives.
    fn at_master(&mut self, at: usize, link: &mut Link) -> bool {
        let now = self.time_of(link.master);
        let some = self.random.below(link.to_master.len() as u64 + 1) as usize;
        let bytes: Vec<u8> = link.to_master.drain(..some).collect();
        let Some(running) = &self.brokers[link.master].running else { return false };
        let (group, number) = (&running.group, link.number);
        let slave = link.at_master.get_or_insert_with(|| ToSlave::open(group.clone(), number, now));
        if let Err(error) = slave.hear(&bytes, now) {
            self.trace.line(format_args!("{} gives {at} up: {error}", link.master));
            return false;
        }
        let read = |at, len, into: &mut Vec<u8>| running.store.read_raw_log(at, len, into);
        let mut outgoing = Outgoing::default();
        for _ in 0..PIECES_MAX {
            let next = slave.next(self.scenario.is_durable, self.scenario.batch_bytes, SIGN_OF_LIFE_MS, now);
            match next {
                Some(Ok(Some(Send::Bytes(bytes)))) => outgoing.push(&bytes),
                Some(Ok(Some(Send::Log { header, offset, len }))) => {
                    if !matches!(outgoing.push_log(&header, offset, len, read), Ok(true)) {
                        return false;
                    }
                }
                Some(Ok(None)) => break,
                Some(Err(error)) => {
                    self.trace.line(format_args!("{} gives {at} up: {error}", link.master));
                    return false;
                }
                None => {
                    self.trace.line(format_args!(
                        "{} gives {at} up: it is not the master that it came to",
                        link.master
                    ));
                    return false;
                }
            }
        }
        link.to_slave.extend_from_slice(outgoing.pending());
        true
    }

    /// The slave takes what its master sent, and reports. Whether the connection lives.
    fn at_slave(&mut self, at: usize, link: &mut Link) -> Result<bool, Violation> {
        let some = self.random.below(link.to_slave.len() as u64 + 1) as usize;
        let bytes: Vec<u8> = link.to_slave.drain(..some).collect();
        let is_due = self.random.percent(15);
        let broker = &self.brokers[at];
        let Some(running) = &broker.running else { return Ok(false) };
        let store = &running.store;
        let mut log = Watched { copy: &mut link.copy, store, lost: Vec::new() };
        let received = link.slave.receive(&mut log, &bytes);
        for cut in running.take_cuts() {
            self.cuts += 1;
            if let Some(board) = broker.board(self.scenario.is_durable) {
                self.crew.was_cut(board);
            }
            self.trace.line(format_args!("{at} cuts its log: {cut:?}, and with it {:?}", log.lost));
            if !broker.disk.is_dead() {
                self.oracle.check_cut(&broker.address, store, &cut, &log.lost)?;
            }
        }
        if let Err(error) = received {
            self.trace.line(format_args!("{at} gives its master up: {error}"));
            return Ok(false);
        }
        let has = match self.scenario.is_durable {
            true => store.flush_step().map_err(drop),
            false => Ok(store.log_range().1),
        };
        let Ok(has) = has else { return Ok(false) };
        link.to_master.extend(link.slave.report(link.copy.has(has), is_due).unwrap_or_default());
        Ok(true)
    }

    /// The end of a slave's connection; the master notices at once or later.
    pub(super) fn close(&mut self, at: usize) {
        let notices = self.random.percent(50);
        let link = self.brokers[at].running.as_mut().and_then(|running| running.link.take());
        if let Some(Link { master, at_master: Some(end), .. }) = link
            && !notices
        {
            self.unnoticed.push((master, end));
        }
    }

    /// The end of all connections of a broker.
    pub(super) fn close_all(&mut self, at: usize) {
        self.close(at);
        for broker in &mut self.brokers {
            let Some(running) = &mut broker.running else { continue };
            running.link.take_if(|link| link.master == at);
        }
        self.unnoticed.retain(|(master, _)| *master != at);
    }

    /// Masters notice so many ends of connections.
    pub(super) fn notice_ends(&mut self, most: usize) {
        self.unnoticed.drain(..most.min(self.unnoticed.len()));
    }
}
