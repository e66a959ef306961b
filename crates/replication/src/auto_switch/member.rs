//! A broker of a group that has a controller (Java: `ReplicasManager`): it gets a number, registers, learns who is master, is
//! master or slave, and as a master keeps the in-sync set.
//!
//! Pure: [`Member::next`] says what the controller is to be asked, [`Member::answered`] what the broker has to do after an answer.

use eruca_message::{LogOffset, Timestamp};

use super::{
    SyncState,
    talk::{Answer, Ask, Effect, GroupView, Identity, MemberTimes},
};

/// What the broker is at the moment.
#[derive(Debug)]
enum Part {
    /// Not known yet.
    Nothing,
    /// It has to begin its epoch.
    Chosen,
    Master(Box<SyncState>),
    Slave,
}

/// One broker, as a member of its group.
#[derive(Debug)]
pub struct Member {
    addr: String,
    times: MemberTimes,
    identity: Identity,
    is_registered: bool,
    /// Since the start of the process an election was asked for, or another one was master.
    has_asked_to_reign: bool,
    view: GroupView,
    part: Part,
    poll_at: Timestamp,
    check_at: Timestamp,
    /// When the set was last looked over.
    checked: Timestamp,
    retry_at: Timestamp,
    /// When the last request was sent that a controller answered with how things are.
    heard: Option<Timestamp>,
}

impl Member {
    /// A broker that starts. `addr` is what clients and controllers know it by.
    pub fn new(identity: Identity, addr: String, times: MemberTimes) -> Self {
        let start = Timestamp(0);
        Member {
            addr,
            times,
            identity,
            is_registered: false,
            has_asked_to_reign: false,
            view: GroupView::default(),
            part: Part::Nothing,
            poll_at: start,
            check_at: start,
            checked: start,
            retry_at: start,
            heard: None,
        }
    }

    /// The own number, once the controller gave it.
    pub fn id(&self) -> Option<i64> {
        match self.identity {
            Identity::Own(id) => Some(id),
            Identity::None | Identity::Candidate { .. } => None,
        }
    }

    /// What the controller last said.
    pub fn view(&self) -> &GroupView {
        &self.view
    }

    /// The in-sync set of a master.
    pub fn sync(&mut self) -> Option<&mut SyncState> {
        match &mut self.part {
            Part::Master(sync) => Some(sync),
            Part::Nothing | Part::Chosen | Part::Slave => None,
        }
    }

    /// Whether a master may still acknowledge: no other can have been elected meanwhile. It is certain for a time after a
    /// controller's last word, and for ever where nobody else is in the set.
    ///
    /// What needs the acknowledgement of the whole set is safe without it, as a new master does not acknowledge to an old one.
    pub fn has_lease(&self, now: Timestamp) -> bool {
        self.lease_until().is_some_and(|until| now < until)
    }

    /// Until when [`Member::has_lease`], unless more is heard; `None` where it has none.
    pub fn lease_until(&self) -> Option<Timestamp> {
        let Part::Master(sync) = &self.part else { return None };
        match sync.electable().len() {
            1 => Some(Timestamp(i64::MAX)),
            _ => self.heard.map(|heard| heard.add_ms(self.times.lease_ms)),
        }
    }

    /// Whether its time as master has yet to begin: [`Member::reign`] was not called since [`Effect::Reign`].
    pub fn is_chosen(&self) -> bool {
        matches!(self.part, Part::Chosen)
    }

    /// What the controller is to be asked now, if anything. `end` is where the own log ends. The answer, also that none came, is
    /// told by [`Member::answered`] before the next call.
    pub fn next(&mut self, end: LogOffset, now: Timestamp) -> Option<Ask> {
        if now < self.retry_at {
            return None;
        }
        let id = match &self.identity {
            Identity::None => return Some(Ask::NextId),
            Identity::Candidate { id, check_code } => {
                return Some(Ask::Apply { id: *id, check_code: check_code.clone() });
            }
            Identity::Own(id) => *id,
        };
        if !self.is_registered {
            return Some(Ask::Register { id });
        }
        if self.must_elect(id) {
            return Some(Ask::Elect { id });
        }
        // First what may have become of an earlier proposal.
        if now >= self.poll_at {
            return Some(Ask::View);
        }
        let epoch = self.view.epoch;
        if let Part::Master(sync) = &mut self.part
            && (now >= self.check_at
                || sync.has_joiner()
                || sync.look_at().is_some_and(|at| (self.checked.0 + 1..=now.0).contains(&at.0)))
        {
            self.checked = now;
            self.check_at = Timestamp(now.0 + self.times.check_set_ms);
            if let Some(proposal) = sync.propose(end, now) {
                return Some(Ask::Alter { id, epoch, proposal });
            }
        }
        None
    }

    /// When [`Member::next`] may have something to ask, unless a slave's acknowledgement or a connection's end makes
    /// [`Member::look_over`] worth a call before.
    pub fn wake_at(&self) -> Timestamp {
        let due = match &self.part {
            Part::Master(sync) => {
                let look_at = sync.look_at().filter(|at| *at > self.checked).unwrap_or(self.check_at);
                self.poll_at.min(self.check_at).min(look_at)
            }
            Part::Nothing | Part::Chosen | Part::Slave => self.poll_at,
        };
        let is_settled = self.id().is_some_and(|id| self.is_registered && !self.must_elect(id));
        if is_settled { due.max(self.retry_at) } else { self.retry_at }
    }

    /// The set is looked over with the next call of [`Member::next`].
    pub fn look_over(&mut self) {
        self.check_at = Timestamp(0);
    }

    /// A connection to the controller ended: it may take this broker for dead.
    pub fn lost_controller(&mut self) {
        self.heard = None;
        self.poll_at = Timestamp(0);
    }

    /// There is no master; or it is this broker, whose time as one was interrupted by a restart: it may have lost what slaves
    /// already had, so that what it writes now must not look like a continuation of it.
    fn must_elect(&self, id: i64) -> bool {
        match &self.view.master {
            None => true,
            Some((master, _)) => {
                let is_idle = matches!(self.part, Part::Nothing | Part::Slave);
                *master == id && is_idle && !self.has_asked_to_reign
            }
        }
    }

    /// What came of a request that was sent at `asked`.
    pub fn answered(&mut self, ask: &Ask, answer: Answer, asked: Timestamp, now: Timestamp) -> Vec<Effect> {
        // A refusal may be that of a controller that has elected another one.
        if matches!(answer, Answer::View(_)) {
            self.heard = Some(self.heard.map_or(asked, |heard| heard.max(asked)));
        }
        match (ask, answer) {
            (Ask::NextId, Answer::NextId(id)) => {
                let check_code = format!("{};{}", self.addr, now.0);
                self.keep(Identity::Candidate { id, check_code })
            }
            (Ask::Apply { id, .. }, Answer::Applied) => self.keep(Identity::Own(*id)),
            // Somebody was faster.
            (Ask::Apply { .. }, Answer::IdTaken) => self.keep(Identity::None),
            (Ask::Register { .. }, Answer::View(view)) => {
                self.is_registered = true;
                self.see(view, now)
            }
            (Ask::Elect { .. }, Answer::View(view)) => {
                self.has_asked_to_reign = true;
                self.see(view, now)
            }
            (Ask::View, Answer::View(view)) => {
                self.poll_at = Timestamp(now.0 + self.times.poll_ms);
                self.see(view, now)
            }
            (Ask::Alter { epoch, .. }, Answer::View(view)) => {
                // Its answer names the set alone.
                let Part::Master(sync) = &mut self.part else { return Vec::new() };
                if *epoch != self.view.epoch {
                    return Vec::new();
                }
                sync.accepted(view.members.clone(), view.set_epoch, now);
                (self.view.members, self.view.set_epoch) = (view.members, view.set_epoch);
                vec![Effect::SetChanged]
            }
            (Ask::Alter { .. }, Answer::Refused) => {
                if let Part::Master(sync) = &mut self.part {
                    sync.refused();
                }
                // Perhaps because another one is master.
                self.lost_controller();
                vec![Effect::SetChanged]
            }
            // Whether the controller has the set nobody knows: the next view tells.
            (Ask::Alter { .. }, Answer::Silence) => {
                if let Part::Master(sync) = &mut self.part {
                    sync.unanswered();
                }
                self.poll_at = Timestamp(0);
                self.check_at = Timestamp(0);
                self.retry_at = Timestamp(now.0 + self.times.retry_ms);
                Vec::new()
            }
            (_, Answer::Unknown) => {
                self.is_registered = false;
                self.retry_at = Timestamp(now.0 + self.times.retry_ms);
                Vec::new()
            }
            _ => {
                self.retry_at = Timestamp(now.0 + self.times.retry_ms);
                // Somebody else may have been elected meanwhile.
                self.poll_at = Timestamp(0);
                Vec::new()
            }
        }
    }

    /// The controller says by itself how things are (NOTIFY_BROKER_ROLE_CHANGED).
    pub fn notified(&mut self, view: GroupView, now: Timestamp) -> Vec<Effect> {
        if self.is_registered { self.see(view, now) } else { Vec::new() }
    }

    /// The epoch that [`Effect::Reign`] asked for has begun at `start`; `confirmed` is what was confirmed before, as far as this
    /// broker knows.
    pub fn reign(&mut self, start: LogOffset, confirmed: LogOffset, now: Timestamp) {
        if let (Part::Chosen, Some(id)) = (&self.part, self.id()) {
            let (members, set_epoch) = (self.view.members.clone(), self.view.set_epoch);
            let sync = SyncState::new(id, members, set_epoch, start, confirmed, self.times.lag_max_ms, now);
            self.part = Part::Master(Box::new(sync));
            self.check_at = now;
        }
    }

    fn keep(&mut self, identity: Identity) -> Vec<Effect> {
        self.identity = identity.clone();
        vec![Effect::Keep(identity)]
    }

    fn see(&mut self, view: GroupView, now: Timestamp) -> Vec<Effect> {
        let is_older = view.epoch < self.view.epoch
            || view.epoch == self.view.epoch && view.set_epoch < self.view.set_epoch;
        if is_older {
            return Vec::new();
        }
        let is_new = view.epoch > self.view.epoch || view.master != self.view.master;
        self.view = view;
        let is_own = matches!((&self.view.master, self.id()), (Some((master, _)), Some(id)) if *master == id);
        match &mut self.part {
            Part::Master(sync) if is_own && !is_new => {
                let before = (sync.electable(), sync.set_epoch());
                sync.accepted(self.view.members.clone(), self.view.set_epoch, now);
                let is_changed = before != (sync.electable(), sync.set_epoch());
                if is_changed { vec![Effect::SetChanged] } else { Vec::new() }
            }
            Part::Slave | Part::Chosen if !is_new => Vec::new(),
            // Its epoch is not begun before an election was asked for, whoever tells of it.
            Part::Nothing | Part::Slave if is_own && !self.has_asked_to_reign => Vec::new(),
            _ if is_own => {
                self.part = Part::Chosen;
                vec![Effect::Reign(self.view.clone())]
            }
            _ => {
                // Where it is master after another one, it was elected since it started.
                self.has_asked_to_reign |= self.view.master.is_some();
                self.part = Part::Slave;
                vec![Effect::Follow(self.view.clone())]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Proposal, *};

    const NOW: Timestamp = Timestamp(1_000_000);
    const END: LogOffset = LogOffset(500);

    fn times() -> MemberTimes {
        MemberTimes {
            poll_ms: 5_000,
            check_set_ms: 5_000,
            retry_ms: 500,
            lag_max_ms: 15_000,
            lease_ms: 9_000,
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp(NOW.0 + ms)
    }

    fn view(master: Option<i64>, epoch: i32, members: &[i64], set_epoch: i32) -> GroupView {
        let master = master.map(|id| (id, format!("host{id}:10911")));
        GroupView { master, epoch, members: members.iter().copied().collect(), set_epoch }
    }

    fn member(id: i64) -> Member {
        Member::new(Identity::Own(id), "host:10911".to_owned(), times())
    }

    /// Asks and answers.
    fn talk(member: &mut Member, expected: &Ask, answer: Answer, now: Timestamp) -> Vec<Effect> {
        let ask = member.next(END, now);
        assert_eq!(ask.as_ref(), Some(expected));
        member.answered(expected, answer, now, now)
    }

    #[test]
    fn a_new_broker_gets_a_number_registers_and_is_elected() {
        let mut member = Member::new(Identity::None, "host:10911".to_owned(), times());
        let candidate = Identity::Candidate { id: 1, check_code: "host:10911;1000000".to_owned() };
        assert_eq!(talk(&mut member, &Ask::NextId, Answer::NextId(1), NOW), [Effect::Keep(candidate)]);
        let apply = Ask::Apply { id: 1, check_code: "host:10911;1000000".to_owned() };
        assert_eq!(talk(&mut member, &apply, Answer::IdTaken, NOW), [Effect::Keep(Identity::None)]);
        talk(&mut member, &Ask::NextId, Answer::NextId(2), NOW);
        let apply = Ask::Apply { id: 2, check_code: "host:10911;1000000".to_owned() };
        assert_eq!(talk(&mut member, &apply, Answer::Applied, NOW), [Effect::Keep(Identity::Own(2))]);
        talk(&mut member, &Ask::Register { id: 2 }, Answer::View(view(None, 0, &[], 0)), NOW);
        let chosen = view(Some(2), 1, &[2], 1);
        let effects = talk(&mut member, &Ask::Elect { id: 2 }, Answer::View(chosen.clone()), NOW);
        assert_eq!(effects, [Effect::Reign(chosen.clone())]);
        assert!(!member.has_lease(NOW), "its epoch has not begun");
        member.reign(END, LogOffset(0), NOW);
        assert!(member.has_lease(at(1_000_000)), "nobody else can be elected");
        assert_eq!(talk(&mut member, &Ask::View, Answer::View(chosen), NOW), []);
        assert_eq!(member.next(END, at(4_999)), None);
        assert_eq!(member.next(END, at(5_000)), Some(Ask::View));
    }

    #[test]
    fn a_master_that_was_replaced_follows_and_does_not_fall_back_to_older_news() {
        let mut member = member(1);
        talk(&mut member, &Ask::Register { id: 1 }, Answer::View(view(None, 0, &[], 0)), NOW);
        talk(&mut member, &Ask::Elect { id: 1 }, Answer::View(view(Some(1), 4, &[1, 2], 7)), NOW);
        member.reign(END, END, NOW);
        assert!(member.has_lease(at(8_999)) && !member.has_lease(at(9_000)));
        let newer = view(Some(2), 5, &[2], 8);
        assert_eq!(member.notified(newer.clone(), NOW), [Effect::Follow(newer.clone())]);
        assert!(!member.has_lease(NOW) && member.sync().is_none());
        assert_eq!(member.notified(view(Some(1), 4, &[1, 2], 9), NOW), [], "older");
        assert_eq!(member.notified(newer, NOW), [], "nothing new");
        let none = view(None, 6, &[2], 9);
        assert_eq!(member.notified(none.clone(), NOW), [Effect::Follow(none)]);
        assert_eq!(member.next(END, NOW), Some(Ask::Elect { id: 1 }));
    }

    #[test]
    fn a_master_that_restarts_asks_for_an_epoch_of_its_own() {
        let mut one = member(1);
        let old = view(Some(1), 4, &[1, 2], 7);
        assert_eq!(talk(&mut one, &Ask::Register { id: 1 }, Answer::View(old.clone()), NOW), []);
        assert_eq!(
            one.notified(old.clone(), NOW),
            [],
            "it has lost what it wrote since the last flush, perhaps"
        );
        let new = view(Some(1), 5, &[1], 8);
        assert_eq!(
            talk(&mut one, &Ask::Elect { id: 1 }, Answer::View(new.clone()), NOW),
            [Effect::Reign(new)]
        );
        let mut late = member(1);
        talk(&mut late, &Ask::Register { id: 1 }, Answer::View(view(None, 0, &[1], 7)), NOW);
        assert_eq!(late.notified(old.clone(), NOW), [], "the controller heard of it again meanwhile");
        assert_eq!(late.next(END, NOW), Some(Ask::Elect { id: 1 }));
        let mut javas = member(1);
        talk(&mut javas, &Ask::Register { id: 1 }, Answer::View(old.clone()), NOW);
        let effects = talk(&mut javas, &Ask::Elect { id: 1 }, Answer::View(old.clone()), NOW);
        assert_eq!(effects, [Effect::Reign(old)], "a Java controller leaves it as it is");
    }

    #[test]
    fn the_set_changes_as_the_controller_says() {
        let mut member = member(1);
        talk(&mut member, &Ask::Register { id: 1 }, Answer::View(view(None, 0, &[], 0)), NOW);
        talk(&mut member, &Ask::Elect { id: 1 }, Answer::View(view(Some(1), 1, &[1], 1)), NOW);
        member.reign(END, END, NOW);
        let sync = member.sync().unwrap();
        sync.connected(2, 1, false, NOW);
        sync.acknowledged(2, 1, END, END, NOW);
        let proposal =
            Proposal { members: [1, 2].into(), set_epoch: 1, reason: "slave 2 has caught up".to_owned() };
        talk(&mut member, &Ask::View, Answer::View(view(Some(1), 1, &[1], 1)), NOW);
        let ask = Ask::Alter { id: 1, epoch: 1, proposal };
        assert_eq!(talk(&mut member, &ask, Answer::Silence, NOW), []);
        assert_eq!(member.sync().unwrap().electable(), [1, 2].into(), "nobody knows");
        assert_eq!(member.next(END, NOW), None);
        talk(&mut member, &Ask::View, Answer::View(view(Some(1), 1, &[1], 1)), at(500));
        assert!(matches!(member.next(END, at(500)), Some(Ask::Alter { .. })), "it is proposed again");
        let lost = view(Some(1), 1, &[1, 2], 2);
        assert_eq!(member.notified(lost, at(500)), [Effect::SetChanged]);
        assert_eq!(member.sync().unwrap().members(), &[1, 2].into());
    }

    #[test]
    fn who_is_not_known_any_more_registers_again() {
        let mut member = member(1);
        talk(&mut member, &Ask::Register { id: 1 }, Answer::View(view(Some(2), 3, &[2], 4)), NOW);
        talk(&mut member, &Ask::View, Answer::Unknown, NOW);
        assert_eq!(member.wake_at(), at(500));
        assert_eq!(member.next(END, at(500)), Some(Ask::Register { id: 1 }));
        assert_eq!(talk(&mut member, &Ask::Register { id: 1 }, Answer::Silence, at(500)), []);
        assert_eq!(member.next(END, at(999)), None);
    }
}
