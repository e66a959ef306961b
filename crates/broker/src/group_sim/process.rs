//! One broker while it runs.

use std::{net::SocketAddr, sync::Arc};

use eruca_message::{
    QueueOffset, StoredMessage,
    names::{SCHEDULE_TOPIC, TRANS_GROUP},
};
use eruca_protocol::{Language, request::CheckTransactionStateRequest};
use eruca_remoting::{Caller, Outbox};
use eruca_sim::cluster::{Acks, Board};
use eruca_store::{AppendMessage, EveryMessage, ReadLimits, ReadStatus};
use tempfile::TempDir;

use super::{delayed, producers::id_of};
use crate::{
    BrokerConfig,
    broker::StartError,
    clients::ClientInfo,
    delay::NextStep,
    handler::test_parts::environment,
    parts::Parts,
    role::{Role, RoleState, RoleSwitch, Standing},
    slave_sync::{Progress, SlaveTables},
};

/// The group of consumers.
pub(super) const CONSUMERS: &str = "g";
const HOST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 10911);
/// A producer is asked so long after its half message came, and again as often, in ms.
const CHECK_MS: i64 = 300;
/// So often in a row a thread goes on at once.
const STEPS_MAX: u32 = 10;

/// What is gone with a process.
pub(super) struct Process {
    is_durable: bool,
    pub(super) parts: Parts,
    pub(super) switch: RoleSwitch,
    pub(super) tables: SlaveTables,
    /// Half messages that wait for their acknowledgement.
    pub(super) halves: Acks<usize>,
    /// The same of delayed messages.
    pub(super) delayed: Acks<usize>,
    /// A member of the producers' group.
    outbox: Outbox,
    _caller: Caller,
    /// What a master told, which waits for the log.
    pub(super) told: Option<(usize, Progress)>,
}

fn config(directory: &TempDir) -> BrokerConfig {
    BrokerConfig {
        store_path_root_dir: Some(directory.path().display().to_string()),
        broker_name: "b".to_owned(),
        enable_controller_mode: true,
        all_ack_in_sync_state_set: true,
        mapped_file_size_timer_log: 4_096,
        transaction_time_out: CHECK_MS,
        transaction_check_interval: CHECK_MS,
        transaction_check_max: 10_000,
        ..BrokerConfig::default()
    }
}

/// A message that a producer sends.
pub(super) fn message<'a>(
    board: Board<'_>,
    topic: &'a str,
    body: &'a str,
    properties: &'a str,
) -> AppendMessage<'a> {
    use eruca_message::Clock;
    AppendMessage {
        topic,
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: board.clock.now(),
        born_host: HOST,
        store_host: HOST,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: body.as_bytes(),
        properties: properties.as_bytes(),
    }
}

impl Process {
    /// Its tables lie in `directory`, which no power cut hurts: they may know more than the log.
    pub(super) fn start(directory: &TempDir, board: Board<'_>) -> Result<Process, StartError> {
        let environment = environment(board.clock.clone());
        let standing = Standing { role: Role::Slave, broker_id: board.at as i64, master: None, epoch: 0 };
        let role = Arc::new(RoleState::new(standing));
        let (store, group) = (board.store.clone(), Some(board.group.clone()));
        let parts = Parts::open(store, config(directory), &environment, HOST, role, group)?;
        let (caller, outbox) = Caller::detached(([10, 0, 0, 1], 4000).into(), HOST);
        let client = ClientInfo { client_id: "c".into(), language: Language::Java, version: 513 };
        parts.producers.heartbeat(&caller, &client, "p", parts.clock.now()).unwrap();
        Ok(Process {
            is_durable: board.is_durable,
            switch: parts.role_switch(),
            tables: parts.slave_tables(),
            parts,
            halves: Acks::default(),
            delayed: Acks::default(),
            outbox,
            _caller: caller,
            told: None,
        })
    }

    pub(super) fn is_master(&self) -> bool {
        self.parts.role.is_master()
    }

    /// As the dispatcher: whether answers may go out.
    pub(super) fn settle(&self) -> bool {
        self.parts.transactions.before_settle();
        let settled = self.parts.settled.store.settle();
        self.parts.transactions.after_settle(settled.is_ok());
        self.parts.settled.offsets.settle();
        settled.is_ok()
    }

    pub(super) fn committed(&self, topic: &str) -> Option<i64> {
        self.parts.settled.offsets.committed(CONSUMERS, topic, 0)
    }

    pub(super) fn commit(&self, topic: &str, offset: i64) {
        self.parts.settled.offsets.commit(CONSUMERS, topic, 0, offset);
        self.parts.settled.offsets.settle();
    }

    /// Checks that are due; what producers were asked.
    pub(super) fn check(&self) -> Vec<(CheckTransactionStateRequest, usize)> {
        let now = self.parts.clock.now();
        (0..STEPS_MAX).find(|_| self.parts.transactions.check_step(now) != NextStep::Now);
        let asked = self.outbox.take().into_iter().map(|command| {
            let message = StoredMessage::decode(&command.body).unwrap().0;
            (command.header().unwrap(), id_of('t', &message.message.body).unwrap())
        });
        asked.collect()
    }

    /// Delivers what was delayed and is due.
    pub(super) fn deliver(&self) {
        let now = self.parts.clock.now();
        (0..STEPS_MAX).find(|_| self.parts.delay.deliver_step(now) != NextStep::Now);
        (0..STEPS_MAX).for_each(|_| self.parts.timers.step_by_hand(now));
    }

    /// Brings tables to the disk.
    pub(super) fn persist(&self) {
        // An error is the store's state.
        let _ = self.parts.delay.persist_step();
        self.parts.timers.flush_step();
    }

    /// What a slave is told.
    pub(super) fn tell(&self, log_end: u64) -> Progress {
        let delay = self.parts.delay.offsets().into_iter();
        Progress {
            consumers: Some(self.parts.settled.offsets.snapshot()),
            delay: Some(delay.map(|(level, (next, _))| (level, next.to_i64())).collect()),
            timers: self.parts.timers.checkpoint(None).map(Into::into),
            log_end,
        }
    }

    /// What a consumer gets from there on, by offset, and where it goes on. Where the power goes: as far as the disk has it, as a master
    /// that is alone shows more.
    pub(super) fn read(&self, topic: &str, from: u64) -> (Vec<(u64, Vec<u8>)>, u64) {
        let store = &self.parts.settled.store;
        let read = store.read(topic, 0, QueueOffset(from), &ReadLimits::default(), &EveryMessage);
        if read.status != ReadStatus::Found {
            return (Vec::new(), from);
        }
        let marks = store.watermarks();
        let up_to = if self.is_durable { marks.flushed } else { marks.written };
        let messages = StoredMessage::decode_all(&read.records).unwrap();
        let is_safe =
            |message: &StoredMessage| message.log_offset.add_bytes(message.store_size_bytes as u64) <= up_to;
        let safe = messages.into_iter().take_while(is_safe);
        let all: Vec<_> = safe.map(|message| (message.queue_offset.0, message.message.body)).collect();
        let next = all.last().map_or(from, |(offset, _)| offset + 1);
        (all, next)
    }

    /// How many half messages are open.
    pub(super) fn open(&self) -> usize {
        self.parts.transactions.counts().open
    }

    /// Up to where half messages are settled, as it is told.
    pub(super) fn settled(&self, half_topic: &str) -> i64 {
        self.parts.settled.offsets.committed(TRANS_GROUP, half_topic, 0).unwrap_or(0)
    }

    /// What is delayed and not delivered, in words.
    pub(super) fn undelivered(&self) -> Option<String> {
        let (noted, store) = (self.parts.delay.offsets(), &self.parts.settled.store);
        let level = delayed::LEVELS.into_iter().find_map(|level| {
            let max = store.queue_range(SCHEDULE_TOPIC, level - 1).max;
            let next = noted.get(&level).map_or(QueueOffset(0), |(next, _)| *next);
            (next < max).then_some((level, next, max))
        });
        let timers = self.parts.timers.info();
        let waits = level.is_some() || timers.congest_num > 0 || timers.offset_behind > 0;
        waits.then(|| format!("{level:?}, {timers:?}"))
    }
}
