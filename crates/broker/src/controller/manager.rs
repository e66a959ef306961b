//! Carries out what the controller decides (Java: `ReplicasManager`).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eruca_message::{Clock, LogOffset, Timestamp};
use eruca_replication::{
    auto_switch::{Answer, Ask, Effect, GroupView, Identity as Number, Member},
    driver::Replicas,
    group::GroupLog,
};
use tokio::sync::{Notify, watch};

use super::{ask::Controllers, hand_over::HandOver, heartbeat, identity::IdentityFiles};
use crate::{
    control::Control,
    dispatch::Settled,
    registration::{Identity, Membership},
    role::{MasterAddresses, RoleSwitch},
    settings::Settings,
    slave_sync::SlaveSync,
};

/// Pause before another try where the disk refused.
const DISK_RETRY: Duration = Duration::from_secs(1);
/// Pause before a master is asked again where its log is.
const MASTER_RETRY: Duration = Duration::from_millis(300);
/// Longest sleep: the wall clock may have been set.
const SLEEP_MAX_MS: i64 = 1_000;

/// What it works with.
#[derive(Debug)]
pub(crate) struct ManagerParts {
    pub(crate) identity: Identity,
    pub(crate) group: Arc<GroupLog>,
    pub(crate) files: IdentityFiles,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) role: Arc<RoleSwitch>,
    pub(crate) slave_sync: Arc<SlaveSync>,
    pub(crate) membership: Arc<Membership>,
    pub(crate) settled: Settled,
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) control: Arc<Control>,
}

/// The broker, member of its group.
#[derive(Debug)]
pub(crate) struct ReplicasManager {
    parts: ManagerParts,
    controllers: Controllers,
    /// What a controller said by itself and was not looked at yet.
    notice: Mutex<Option<GroupView>>,
    noticed: Notify,
    /// Rung when the in-sync set may have to change.
    set_changed: Arc<Notify>,
    /// A planned change of the master that was not begun yet.
    hand_over: Mutex<Option<HandOver>>,
    is_decided: watch::Sender<bool>,
    /// Rung when controllers should know at once how this broker is.
    beat: Notify,
    /// The last failure that was told.
    told: Mutex<Option<String>>,
}

impl ReplicasManager {
    /// For the controllers at these addresses; nothing is asked before [`ReplicasManager::start`].
    pub(crate) fn new(parts: ManagerParts, controllers: Vec<String>) -> Self {
        let set_changed = Arc::new(Notify::new());
        let rung = set_changed.clone();
        parts.group.on_change(Box::new(move || rung.notify_one()));
        ReplicasManager {
            parts,
            controllers: Controllers::new(controllers),
            notice: Mutex::default(),
            noticed: Notify::new(),
            set_changed,
            hand_over: Mutex::default(),
            is_decided: watch::Sender::new(false),
            beat: Notify::new(),
            told: Mutex::default(),
        }
    }

    /// Begins.
    pub(crate) fn start(self: &Arc<Self>) {
        let role = self.parts.role.clone();
        self.parts.group.before_cut(Box::new(move |end| role.log_will_be_cut(end)));
        let role = self.parts.role.clone();
        self.parts.group.on_cut(Box::new(move |cut| {
            role.log_was_cut();
            tracing::info!(log_offset = %cut.end, "what consumers have consumed ends no later than the queues");
        }));
        for controller in self.controllers.addresses() {
            self.parts
                .control
                .spawn("controller heartbeats", heartbeat::beat(self.clone(), controller.clone()));
        }
        let this = self.clone();
        self.parts.control.spawn("controller", async move { this.run().await });
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    pub(super) fn group(&self) -> &GroupLog {
        &self.parts.group
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.parts.identity
    }

    pub(super) fn log_end(&self) -> LogOffset {
        self.parts.settled.store.log_range().1
    }

    /// Why no controller has said yet what this broker is, where none has.
    pub(crate) fn undecided(&self) -> Option<String> {
        if *self.is_decided.borrow() {
            return None;
        }
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let addresses = self.controllers.addresses().join(";");
        Some(format!(
            "no controller has said what this broker is in its group (controllerAddr={addresses}): {}",
            told.unwrap_or_else(|| "they did not answer yet".to_owned())
        ))
    }

    /// Returns when a controller has said what this broker is: name servers must not hear of it before.
    pub(crate) async fn decided(&self) {
        // An error means that the broker is going.
        let _ = self.is_decided.subscribe().wait_for(|is_decided| *is_decided).await;
    }

    /// Returns when the set of in-sync brokers may have to change.
    pub(super) async fn set_changes(&self) {
        self.set_changed.notified().await;
    }

    /// Whether a master may acknowledge what only it has.
    pub(super) fn has_lease(&self) -> bool {
        self.parts.group.has_lease(self.now())
    }

    /// Returns when a sign of life is due at once.
    pub(super) async fn beat_now(&self) {
        self.beat.notified().await;
    }

    /// A connection to a controller ended.
    pub(super) fn lost_controller(&self) {
        self.with_member(Member::lost_controller);
        self.parts.replicas.tell_group();
        self.noticed.notify_one();
    }

    /// A controller says by itself how things are.
    pub(crate) fn notify(&self, view: GroupView) {
        let mut notice = self.notice.lock().unwrap_or_else(PoisonError::into_inner);
        let version = |view: &GroupView| (view.epoch, view.set_epoch);
        if notice.as_ref().is_none_or(|known| version(known) <= version(&view)) {
            *notice = Some(view);
        }
        drop(notice);
        self.noticed.notify_one();
    }

    /// A controller plans another master. An earlier plan that was not begun is given up.
    pub(crate) fn hand_over(&self, hand_over: HandOver) {
        let given_up = self.hand_over.lock().unwrap_or_else(PoisonError::into_inner).replace(hand_over);
        if let Some(given_up) = given_up {
            (given_up.answer)(None);
        }
        self.noticed.notify_one();
    }

    pub(super) fn slave_sync(&self) -> &SlaveSync {
        &self.parts.slave_sync
    }

    pub(super) fn role(&self) -> &Arc<RoleSwitch> {
        &self.parts.role
    }

    /// Whether a controller said something that was not looked at yet.
    pub(super) fn has_news(&self) -> bool {
        self.notice.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Returns when a controller has said something.
    pub(super) async fn news(&self) {
        while !self.has_news() {
            self.noticed.notified().await;
        }
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    fn with_member<T>(&self, change: impl FnOnce(&mut Member) -> T) -> T {
        self.parts.group.with_member(change)
    }

    async fn run(self: Arc<Self>) {
        loop {
            if self.heed_news().await {
                continue;
            }
            let hand_over = self.hand_over.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(hand_over) = hand_over {
                self.do_hand_over(hand_over).await;
                continue;
            }
            if self.with_member(|member| member.is_chosen()) {
                // It could not begin; perhaps another one was elected meanwhile.
                tokio::time::sleep(DISK_RETRY).await;
                let view = self.with_member(|member| member.view().clone());
                self.reign(view).await;
            }
            let (now, end) = (self.now(), self.log_end());
            let ask = self.with_member(|member| member.next(end, now));
            self.parts.replicas.tell_group();
            match ask {
                Some(ask) => self.talk(ask, now).await,
                None => self.sleep(now).await,
            }
        }
    }

    /// Does what follows from what a controller said by itself; whether it had said something.
    pub(super) async fn heed_news(&self) -> bool {
        let notice = self.notice.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(view) = notice else { return false };
        let now = self.now();
        let effects = self.with_member(|member| member.notified(view, now));
        self.carry_out(effects).await;
        true
    }

    async fn sleep(&self, now: Timestamp) {
        let left_ms = self.with_member(|member| member.wake_at()).ms_since(now).clamp(1, SLEEP_MAX_MS);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(left_ms.unsigned_abs())) => {}
            () = self.noticed.notified() => {}
            () = self.set_changes() => {}
        }
    }

    async fn talk(&self, ask: Ask, asked: Timestamp) {
        if let Ask::Alter { proposal, .. } = &ask {
            tracing::info!(members = ?proposal.members, reason = proposal.reason, "another in-sync set is proposed");
        }
        let (answer, why) = tokio::select! {
            answer = self.controllers.ask(&ask, &self.parts.identity, asked.0) => answer,
            // News are worth more than an answer, of which nobody knows when it comes.
            () = self.noticed.notified() => (Answer::Silence, None),
        };
        self.tell(&ask, &answer, why);
        let now = self.now();
        let effects = self.with_member(|member| member.answered(&ask, answer, asked, now));
        self.carry_out(effects).await;
    }

    /// Says once what is wrong, and when it is no more.
    fn tell(&self, ask: &Ask, answer: &Answer, why: Option<String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match (answer, why) {
            (Answer::View(_) | Answer::NextId(_) | Answer::Applied, _) => *told = None,
            (_, Some(why)) if told.as_ref() != Some(&why) => {
                let asked = name(ask);
                tracing::warn!(
                    asked,
                    why,
                    "the controller does not do what this broker asks; it is tried again"
                );
                *told = Some(why);
            }
            _ => {}
        }
    }

    async fn carry_out(&self, effects: Vec<Effect>) {
        // Whoever is master no more acknowledges nothing from here on.
        self.parts.replicas.tell_group();
        for effect in effects {
            match effect {
                Effect::Keep(number) => self.keep(&number).await,
                Effect::Reign(view) => self.reign(view).await,
                Effect::Follow(view) => self.follow(view).await,
                Effect::SetChanged => {}
            }
        }
        self.parts.replicas.tell_group();
    }

    async fn keep(&self, number: &Number) {
        while let Err(error) = self.parts.files.keep(number) {
            tracing::error!(%error, "the number that the controller gave cannot be kept, it is tried again");
            tokio::time::sleep(DISK_RETRY).await;
        }
        if let Number::Own(id) = number {
            tracing::info!(broker_id = id, "the controller gave this broker its number");
            // It is not alive, and nothing is given to it, before its first sign of life.
            self.beat.notify_waiters();
        }
    }

    async fn reign(&self, view: GroupView) {
        let (group, role) = (self.parts.group.clone(), self.parts.role.clone());
        let reigned = blocking(move || group.reign(view.epoch, || role.become_master(view.epoch.into())));
        match reigned.await {
            Some(Ok(())) => {
                self.is_decided.send_replace(true);
                self.beat.notify_waiters();
            }
            Some(Err(error)) => {
                tracing::error!(%error, "this broker was elected and cannot be master");
            }
            None => {}
        }
    }

    async fn follow(&self, view: GroupView) {
        let (group, role) = (self.parts.group.clone(), self.parts.role.clone());
        let Some(id) = group.id() else { return };
        let epoch = view.epoch;
        let master = view.master.map(|(_, address)| address);
        match &master {
            Some(master) => tracing::info!(master, epoch, "the controller says who is master"),
            None if epoch > 0 => {
                tracing::warn!(epoch, "the group has no master: no broker of the in-sync set is alive")
            }
            // Nobody was elected yet.
            None => {}
        }
        let known = master.clone().map(|broker_addr| MasterAddresses { broker_addr, ha_addr: String::new() });
        let followed = blocking(move || {
            let closed = role.become_slave(id, known, epoch.into());
            group.follow(epoch);
            closed
        });
        if let Some(Err(error)) = followed.await {
            tracing::error!(%error, "what was appended could not all be written");
        }
        if epoch > 0 {
            self.is_decided.send_replace(true);
        }
        if let Some(master) = master {
            self.find_log_of(master, epoch.into());
        }
    }

    /// Asks a master where its log is copied from, until it says so or there is another one.
    fn find_log_of(&self, broker_addr: String, epoch: i64) {
        let (role, membership) = (self.parts.role.clone(), self.parts.membership.clone());
        self.parts.control.spawn("address of the log", async move {
            loop {
                let standing = role.state().now();
                let is_his = standing.master.as_ref().is_some_and(|master| master.broker_addr == broker_addr);
                if standing.epoch != epoch || !is_his {
                    return;
                }
                if let Some(ha_addr) = membership.ask_ha_addr(&broker_addr).await {
                    role.state().set_master(Some(MasterAddresses { broker_addr, ha_addr }));
                    return;
                }
                tokio::time::sleep(MASTER_RETRY).await;
            }
        });
    }
}

/// For people.
fn name(ask: &Ask) -> &'static str {
    match ask {
        Ask::NextId => "the next broker id",
        Ask::Apply { .. } => "a broker id",
        Ask::Register { .. } => "to be registered",
        Ask::Elect { .. } => "an election",
        Ask::View => "who is master",
        Ask::Alter { .. } => "another in-sync set",
    }
}

/// What `work` gives, on a thread that may wait for the disk; `None` after a panic, which is told.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.inspect_err(|_| tracing::error!("the role could not be changed: the thread ended with a panic")).ok()
}
