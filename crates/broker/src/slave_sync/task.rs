//! When a slave asks its master.

use std::{sync::Arc, time::Duration};

use eruca_message::Clock;
use tokio::{sync::watch, time::Instant};

use super::{
    ask::{AskError, Member},
    tables::{Progress, SlaveTables},
};
use crate::{
    role::{Role, RoleState, Standing},
    settings::Settings,
};

/// Pause between two looks, as in Java for what must be fresh.
const TICK: Duration = Duration::from_secs(3);
/// The same where this slave is about to take its master's place.
const LAST_TICK: Duration = Duration::from_millis(10);
/// Tables that took long are asked for less often: of the time, a twentieth at most is spent asking.
const REST_FACTOR: u32 = 20;
/// But at least so often, as in Java.
const REST_MAX: Duration = Duration::from_secs(60);

/// Keeps a slave's tables those of its master, whoever that is; rests while the broker is no slave.
#[derive(Debug)]
pub(crate) struct SlaveSync {
    tables: SlaveTables,
    role: Arc<RoleState>,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
}

/// What is under way with one master.
#[derive(Default)]
struct Round {
    /// Progress that waits for the copy of the log.
    waiting: Option<Progress>,
    tables_due: Option<Instant>,
    progress_due: Option<Instant>,
    /// The last failure was told.
    has_told: bool,
}

impl SlaveSync {
    pub(crate) fn new(
        tables: SlaveTables,
        role: Arc<RoleState>,
        settings: Arc<Settings>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        SlaveSync { tables, role, settings, clock }
    }

    /// Runs until the broker stops.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut changes = self.role.watch();
        loop {
            let master = master_of(&changes.borrow_and_update());
            let ended = match master {
                Some(addr) => self.follow(addr, &mut changes).await,
                None => changes.changed().await.is_err(),
            };
            if ended {
                return;
            }
        }
    }

    /// Follows one master until there is another; true when the broker stops.
    async fn follow(&self, addr: String, changes: &mut watch::Receiver<Arc<Standing>>) -> bool {
        let master = Member::at(addr);
        let mut round = Round::default();
        loop {
            let stepped = self.step(&master, &mut round).await;
            self.role.note_master_answers(stepped.is_ok());
            match stepped {
                Ok(()) if round.has_told => {
                    round.has_told = false;
                    tracing::info!(master = master.addr, "topics, groups and offsets are the master's again");
                }
                Ok(()) => {}
                Err(error) if !round.has_told => {
                    round.has_told = true;
                    tracing::warn!(master = master.addr, %error, "topics, groups and offsets are not the master's; it is tried again every 3 s");
                }
                Err(_) => {}
            }
            let next = tokio::time::sleep(TICK);
            tokio::pin!(next);
            tokio::select! {
                () = &mut next => {}
                () = master.lost() => {
                    self.role.note_master_answers(false);
                    next.await;
                }
                changed = changes.changed() => {
                    if changed.is_err() {
                        master.client.close();
                        return true;
                    }
                }
            }
            if master_of(&changes.borrow()).as_ref() != Some(&master.addr) {
                self.role.note_master_answers(false);
                master.client.close();
                return false;
            }
        }
    }

    /// Asks the master once more, before this slave takes its place: what of topics, groups and offsets came since the last time. Whether
    /// it told in time.
    pub(crate) async fn last_look(&self, timeout: Duration) -> bool {
        let Some(addr) = master_of(&self.role.now()) else { return false };
        let master = Member::at(addr);
        let mut round = Round::default();
        let looked = tokio::time::timeout(timeout, async {
            self.step(&master, &mut round).await?;
            // The log is here, and the master says so in a moment.
            while round.waiting.is_some() {
                tokio::time::sleep(LAST_TICK).await;
                self.take_over(&master, &mut round).await?;
            }
            Ok::<(), AskError>(())
        });
        let has_looked = matches!(looked.await, Ok(Ok(())));
        master.client.close();
        has_looked
    }

    async fn step(&self, master: &Member, round: &mut Round) -> Result<(), AskError> {
        if is_due(round.tables_due) {
            let began = Instant::now();
            let (topics, version) = master.topics().await?;
            let groups = master.groups().await?;
            let modes = match master.request_modes().await {
                Ok(modes) => Some(modes),
                // A master before 5.0.
                Err(AskError::Refused { .. }) => None,
                Err(error) => return Err(error),
            };
            self.apply(move |tables| {
                tables.follow_topics(topics, version);
                tables.follow_groups(groups);
                modes.into_iter().for_each(|modes| tables.follow_modes(modes));
            })
            .await;
            round.tables_due = Some(rested(began));
        }
        if round.waiting.is_none() {
            let with_timers = self.settings.now().timer_wheel_enable;
            if is_due(round.progress_due) {
                let began = Instant::now();
                round.waiting = Some(master.progress(with_timers).await?);
                round.progress_due = Some(rested(began));
            } else if with_timers {
                round.waiting = Some(master.timer_progress().await?);
            }
        }
        self.take_over(master, round).await
    }

    async fn take_over(&self, master: &Member, round: &mut Round) -> Result<(), AskError> {
        let Some(progress) = round.waiting.take_if(|progress| self.tables.has_log_of(progress)) else {
            return Ok(());
        };
        let own = self.apply(move |tables| tables.follow_progress(progress)).await.unwrap_or_default();
        let may_create = self.settings.now().auto_create_subscription_group;
        for own in own {
            if master.bring(&own, may_create).await? {
                tracing::info!(
                    group = own.group,
                    topic = own.topic,
                    queue_id = own.queue_id,
                    offset = own.offset,
                    "the master was told an offset that a consumer brought here"
                );
            } else {
                self.tables.settled.offsets.give_up_own(&own);
            }
        }
        self.role.note_followed(self.clock.now());
        Ok(())
    }

    /// Files are written: not on the runtime's thread. Nothing is done when the broker became a master meanwhile.
    async fn apply<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SlaveTables) -> T + Send + 'static,
    ) -> Option<T> {
        let (tables, role) = (self.tables.clone(), self.role.clone());
        let done = tokio::task::spawn_blocking(move || role.while_slave(|| work(&tables)));
        match done.await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "what the master told was not taken over");
                None
            }
        }
    }
}

/// Whom to ask.
fn master_of(standing: &Standing) -> Option<String> {
    let addr = || standing.master.as_ref().map(|master| master.broker_addr.clone());
    (standing.role != Role::Master).then(addr).flatten().filter(|addr| !addr.is_empty())
}

fn is_due(due: Option<Instant>) -> bool {
    due.is_none_or(|due| due <= Instant::now())
}

/// When to ask again for what took as long as since `began`.
fn rested(began: Instant) -> Instant {
    let took = began.elapsed();
    Instant::now() + took.saturating_mul(REST_FACTOR).min(REST_MAX)
}
