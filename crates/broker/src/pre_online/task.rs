//! The course of a master's coming back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use eruca_message::Timestamp;
use eruca_protocol::request::ExchangeHaInfoRequest;
use eruca_replication::driver::Replicas;
use tokio::time::Instant;

use crate::{
    registration::{Identity, Membership},
    role::{Deeds, RoleSwitch},
    settings::Settings,
    slave_sync::{AskError, Member, Progress, SlaveTables},
};

/// How long a slave may take over one answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it may take to begin to copy the log (Java: `CONNECTION_ESTABLISH_TIMEOUT`).
const CONNECT: Duration = Duration::from_secs(10);
/// So long it is tried with name servers, and with each slave, until the master goes on without.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two tries, as in Java.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause between two looks whether a slave copies the log.
const LOOK: Duration = Duration::from_millis(100);

/// What a master does before it goes on.
#[derive(Debug)]
pub(crate) struct PreOnline {
    pub(crate) identity: Identity,
    pub(crate) membership: Arc<Membership>,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) tables: SlaveTables,
    pub(crate) role: Arc<RoleSwitch>,
    pub(crate) settings: Arc<Settings>,
}

/// Why a slave did not tell how far it is.
#[derive(Debug, thiserror::Error)]
enum NotTold {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("it did not answer within {} s", ANSWER.as_secs())]
    Late,
    #[error("it did not begin to copy the log from {from} within {} s", CONNECT.as_secs())]
    NoCopy { from: String },
}

impl PreOnline {
    /// Ends when the master may go on, and does: after some seconds at most where slaves answer, and in any case.
    pub(crate) async fn run(&self) {
        let slaves = self.slaves().await;
        for (others, addr) in slaves.values().enumerate() {
            self.patiently(addr, "does not follow", |slave| async move { self.join(&slave, others).await })
                .await;
        }
        let mut deeds = Vec::new();
        for addr in slaves.values() {
            let told = self
                .patiently(addr, "did not tell how far it is", |slave| async move { self.ask(&slave).await });
            match told.await {
                Some(told) => deeds.push(told),
                None => tracing::warn!(
                    slave = addr,
                    "what this slave delivered while it stood in for its master may be delivered a second time"
                ),
            }
        }
        let role = self.role.clone();
        match tokio::task::spawn_blocking(move || role.come_back(&deeds)).await {
            Ok(Ok(())) => tracing::info!(slaves = slaves.len(), "this master goes on"),
            Ok(Err(error)) => tracing::error!(%error, "this master takes no messages yet"),
            Err(error) => {
                tracing::error!(%error, "this master takes no messages: the thread ended with a panic")
            }
        }
    }

    /// The slaves that name servers know.
    async fn slaves(&self) -> BTreeMap<i64, String> {
        let until = Instant::now() + PATIENCE;
        let mut has_told = false;
        loop {
            if let Some(others) = self.membership.others().await {
                return others;
            }
            if !self.membership.has_name_servers() {
                return BTreeMap::new();
            }
            if Instant::now() >= until {
                tracing::warn!("no name server says who stood in for this master: it goes on");
                return BTreeMap::new();
            }
            if !std::mem::replace(&mut has_told, true) {
                tracing::warn!(
                    "no name server answers who stood in for this master: it waits for 30 s at most"
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Tries again until it is done, or patience is at an end, or the slave is gone.
    async fn patiently<T, F: Future<Output = Result<T, NotTold>>>(
        &self,
        addr: &str,
        what: &str,
        attempt: impl Fn(Member) -> F,
    ) -> Option<T> {
        let until = Instant::now() + PATIENCE;
        let mut has_told = false;
        loop {
            let slave = Member::at(addr.to_owned());
            let done = attempt(slave.clone()).await;
            slave.close();
            let error = match done {
                Ok(done) => return Some(done),
                Err(error) => error,
            };
            let is_over = Instant::now() >= until;
            if is_over || !std::mem::replace(&mut has_told, true) {
                tracing::warn!(slave = addr, %error, "a slave {what}, it is tried {}", if is_over { "no more" } else { "again" });
            }
            if is_over {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
            let is_gone = |others: BTreeMap<i64, String>| others.values().all(|other| other != addr);
            if self.membership.others().await.is_some_and(is_gone) {
                tracing::warn!(slave = addr, "the slave is gone");
                return None;
            }
        }
    }

    /// Tells the slave where the log is, and waits until it copies that, as `others` may do already.
    async fn join(&self, slave: &Member, others: usize) -> Result<(), NotTold> {
        // First, as it will follow this master's offsets.
        self.catch_up(self.progress(slave).await?).await;
        self.exchange(slave, false).await?;
        let until = Instant::now() + CONNECT;
        // Not by its address, as in Java: the one from which it comes need not be the one that it gives to clients.
        while self.replicas.copies() <= others {
            if Instant::now() >= until {
                return Err(NotTold::NoCopy { from: self.identity.ha_server_addr.clone() });
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Asks the slave to stand in no more, and how far it is then.
    async fn ask(&self, slave: &Member) -> Result<Deeds, NotTold> {
        let dealt_until = self.exchange(slave, true).await?;
        let progress = self.catch_up(self.progress(slave).await?).await;
        Ok(Deeds { timers: progress.and_then(|progress| progress.timers), dealt_until })
    }

    async fn exchange(&self, slave: &Member, stand_down: bool) -> Result<Option<Timestamp>, NotTold> {
        let header = ExchangeHaInfoRequest {
            master_ha_address: Some(self.identity.ha_server_addr.clone()),
            master_flush_offset: Some(self.tables.settled.store.watermarks().flushed.to_i64()),
            master_address: Some(self.identity.broker_addr.clone()),
            stand_down: stand_down.then_some(true),
        };
        let answer = in_time(slave.exchange(&header)).await?;
        Ok(answer.revived_until.map(Timestamp))
    }

    async fn progress(&self, slave: &Member) -> Result<Progress, NotTold> {
        in_time(slave.progress(self.settings.now().timer_wheel_enable)).await
    }

    /// Takes the slave's offsets over; what is left of its progress. Files are written: not on the runtime's thread.
    async fn catch_up(&self, mut progress: Progress) -> Option<Progress> {
        let tables = self.tables.clone();
        let done = tokio::task::spawn_blocking(move || {
            let offsets = tables.catch_up(&mut progress);
            (offsets, progress)
        });
        match done.await {
            Ok((offsets, progress)) => {
                tracing::info!(offsets, "offsets of a slave were taken over");
                Some(progress)
            }
            Err(error) => {
                tracing::error!(%error, "offsets of a slave were not taken over: the thread ended with a panic");
                None
            }
        }
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, AskError>>) -> Result<T, NotTold> {
    Ok(tokio::time::timeout(ANSWER, asked).await.map_err(|_| NotTold::Late)??)
}
