//! Signs of life and the members of the group, for slaves that stand in for a lost master (`enableSlaveActingMaster`).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eruca_message::Clock;
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, GetBrokerMemberGroupResponseBody},
    request::{
        BrokerHeartbeatRequest, ExchangeHaInfoRequest, ExchangeHaInfoResponse, GetBrokerMemberGroupRequest,
        NotifyMinBrokerIdChangeRequest, QueryDataVersionRequest,
    },
};
use eruca_remoting::{Caller, Reply};
use eruca_store::MessageStore;
use tokio::task::JoinSet;

use super::{AskRouteError, Identity, LazyClient, ask_route};
use crate::{
    HandlerError,
    control::Control,
    role::{Group, MasterAddresses, Minimum, Role, RoleSwitch, Step},
    settings::Settings,
    topics::TopicTable,
};

/// How long a name server or a member may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// By the route of this topic, members are known to name servers before version 5.
const MEMBER_TOPIC_PREFIX: &str = "rmq_sys_SYNC_BROKER_MEMBER_";

/// Watches the group.
#[derive(Debug)]
pub(crate) struct Membership {
    identity: Identity,
    name_servers: Vec<String>,
    role: Arc<RoleSwitch>,
    settings: Arc<Settings>,
    topics: Arc<TopicTable>,
    store: Arc<MessageStore>,
    clock: Arc<dyn Clock>,
    control: Arc<Control>,
    group: Mutex<Group>,
    client: LazyClient,
}

impl Membership {
    #[expect(clippy::too_many_arguments, reason = "each is a part of the broker that this needs")]
    pub(crate) fn new(
        identity: Identity,
        name_servers: Vec<String>,
        role: Arc<RoleSwitch>,
        settings: Arc<Settings>,
        topics: Arc<TopicTable>,
        store: Arc<MessageStore>,
        clock: Arc<dyn Clock>,
        control: Arc<Control>,
    ) -> Self {
        Membership {
            identity,
            name_servers,
            role,
            settings,
            topics,
            store,
            clock,
            control,
            group: Mutex::default(),
            client: LazyClient::new("membership"),
        }
    }

    /// Begins to watch, where the configuration asks for it.
    pub(crate) fn start(self: &Arc<Self>) {
        if !self.settings.now().enable_slave_acting_master {
            return;
        }
        for name_server in self.name_servers.clone() {
            let this = self.clone();
            self.control.spawn("heartbeats", async move { this.send_heartbeats(name_server).await });
        }
        let this = self.clone();
        self.control.spawn("members", async move { this.watch_members().await });
    }

    async fn send_heartbeats(&self, name_server: String) {
        let config = self.settings.now();
        let period = Duration::from_millis(config.broker_heartbeat_interval);
        let timeout = Duration::from_millis(config.send_heartbeat_timeout_millis);
        loop {
            tokio::time::sleep(period).await;
            // One that is lost is told by the registration's own connection.
            let _ = self.client.get().invoke(&name_server, self.heartbeat(), timeout).await;
        }
    }

    fn heartbeat(&self) -> RemotingCommand {
        let Identity { cluster_name, broker_name, broker_addr, .. } = self.identity.clone();
        let broker_id = self.role.state().now().broker_id;
        if self.settings.now().compatible_with_old_name_srv {
            let header = QueryDataVersionRequest { broker_name, broker_addr, cluster_name, broker_id };
            let version = body::to_json(&self.topics.data_version());
            return RemotingCommand::request(&header).with_body(version);
        }
        RemotingCommand::request(&BrokerHeartbeatRequest {
            cluster_name,
            broker_addr,
            broker_name,
            broker_id: Some(broker_id),
            ..BrokerHeartbeatRequest::default()
        })
    }

    async fn watch_members(self: Arc<Self>) {
        let period = Duration::from_millis(self.settings.now().sync_broker_member_group_period);
        loop {
            tokio::time::sleep(period).await;
            let Some(members) = self.members().await else { continue };
            if let Some((broker_id, broker_addr)) = members.into_iter().next() {
                self.told(Minimum { broker_id, broker_addr, offline_addr: None, ha_addr: None }).await;
            }
        }
    }

    /// Address by id, of the first name server that knows the group; empty where those that answer know nobody of it, `None` where
    /// none answers.
    pub(crate) async fn members(&self) -> Option<BTreeMap<i64, String>> {
        let mut known = None;
        for name_server in &self.name_servers {
            match self.members_of(name_server).await {
                Some(members) if !members.is_empty() => return Some(members),
                answered => known = known.or(answered),
            }
        }
        known
    }

    async fn members_of(&self, name_server: &str) -> Option<BTreeMap<i64, String>> {
        let header = GetBrokerMemberGroupRequest {
            cluster_name: self.identity.cluster_name.clone(),
            broker_name: self.identity.broker_name.clone(),
        };
        let client = self.client.get();
        let answer = client.invoke(name_server, RemotingCommand::request(&header), TIMEOUT).await.ok()?;
        if answer.response_code() == ResponseCode::SUCCESS {
            let group: GetBrokerMemberGroupResponseBody = body::from_json(&answer.body).ok()?;
            return Some(group.broker_member_group.map(|group| group.broker_addrs).unwrap_or_default());
        }
        let topic = format!("{MEMBER_TOPIC_PREFIX}{}", self.identity.broker_name);
        let route = match ask_route(&client, name_server, &topic).await {
            Ok(route) => route,
            Err(AskRouteError::Refused { .. }) => return Some(BTreeMap::new()),
            Err(_) => return None,
        };
        let own = route.broker_datas.into_iter().find(|data| data.broker_name == self.identity.broker_name);
        Some(own.map(|data| data.broker_addrs).unwrap_or_default())
    }

    /// Whether there is any name server to ask.
    pub(crate) fn has_name_servers(&self) -> bool {
        !self.name_servers.is_empty()
    }

    /// The other brokers of the group, by number, as name servers know them; `None` where none answers.
    pub(crate) async fn others(&self) -> Option<BTreeMap<i64, String>> {
        let own_id = self.role.state().now().broker_id;
        let mut members = self.members().await?;
        members.retain(|id, addr| *id != own_id && *addr != self.identity.broker_addr);
        Some(members)
    }

    /// What the other brokers of the group answer within `timeout`, with the name server's answer who they are.
    pub(crate) async fn ask_others(
        &self,
        request: &RemotingCommand,
        timeout: Duration,
    ) -> Vec<RemotingCommand> {
        let mut answers = Vec::new();
        let asking = async {
            let mut asked = JoinSet::new();
            for addr in self.others().await.unwrap_or_default().into_values() {
                let (client, request) = (self.client.get(), request.clone());
                asked.spawn(async move { client.invoke(&addr, request, timeout).await });
            }
            while let Some(answered) = asked.join_next().await {
                // One that does not answer is missed by whoever counts.
                answers.extend(answered.ok().and_then(Result::ok));
            }
        };
        // What was answered in time counts.
        let _ = tokio::time::timeout(timeout, asking).await;
        answers
    }

    /// A name server says which member has the smallest id.
    async fn told(self: &Arc<Self>, minimum: Minimum) {
        let standing = self.role.state().now();
        if standing.role == Role::Master {
            return;
        }
        let master = standing.master.as_ref().map(|master| master.broker_addr.as_str());
        let steps = {
            let mut group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
            group.told(minimum, standing.broker_id, master, self.clock.now())
        };
        for step in steps {
            match step {
                Step::Act(is_acting) => {
                    let role = self.role.clone();
                    // What waits is looked for in the store.
                    if tokio::task::spawn_blocking(move || role.act(is_acting)).await.is_err() {
                        tracing::error!("the role could not be changed: the thread ended with a panic");
                    }
                }
                Step::MasterGone => {
                    tracing::warn!("the master of this slave is gone");
                    self.role.state().set_master(None);
                }
                Step::MasterCame { broker_addr, ha_addr } => self.master_came(broker_addr, ha_addr).await,
            }
        }
    }

    async fn master_came(&self, broker_addr: String, ha_addr: Option<String>) {
        let ha_addr = match ha_addr {
            Some(ha_addr) => Some(ha_addr),
            None => self.ask_ha_addr(&broker_addr).await,
        };
        // Where it does not say, the next registration does.
        let Some(ha_addr) = ha_addr else { return };
        if self.role.state().set_master(Some(MasterAddresses { broker_addr: broker_addr.clone(), ha_addr })) {
            tracing::info!(master = broker_addr, "the master of this slave is there");
        }
    }

    pub(crate) async fn ask_ha_addr(&self, master: &str) -> Option<String> {
        let request = RemotingCommand::request(&ExchangeHaInfoRequest::default());
        let answer = self.client.get().invoke(master, request, TIMEOUT).await.ok()?;
        let answer: ExchangeHaInfoResponse = answer.header().ok()?;
        answer.master_ha_address.filter(|addr| !addr.is_empty())
    }

    /// `NOTIFY_MIN_BROKER_ID_CHANGE`, one-way from a name server.
    pub(crate) fn notified(self: &Arc<Self>, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: NotifyMinBrokerIdChangeRequest = request.header()?;
        let is_ours = header.broker_name.as_ref().is_none_or(|name| *name == self.identity.broker_name);
        if let (Some(broker_id), Some(broker_addr), true) = (
            header.min_broker_id,
            header.min_broker_addr,
            is_ours && self.settings.now().enable_slave_acting_master,
        ) {
            let this = self.clone();
            let minimum = Minimum {
                broker_id,
                broker_addr,
                offline_addr: header.offline_broker_addr,
                ha_addr: header.ha_broker_addr,
            };
            self.control.spawn("minimum", async move { this.told(minimum).await });
        }
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// `EXCHANGE_BROKER_HA_INFO`: a master that comes tells where its log is, and may ask this slave to stand in for it no more; or a
    /// slave asks.
    pub(crate) fn exchange(
        self: &Arc<Self>,
        caller: &Caller,
        request: &RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        let header: ExchangeHaInfoRequest = request.header()?;
        let mut answer = ExchangeHaInfoResponse::default();
        let state = self.role.state();
        if let (Some(ha_addr), Some(broker_addr)) = (header.master_ha_address, header.master_address) {
            state.set_master(Some(MasterAddresses { broker_addr, ha_addr }));
        } else if state.is_master() {
            answer.master_ha_address = Some(self.identity.ha_server_addr.clone());
            answer.master_address = Some(self.identity.broker_addr.clone());
            answer.master_flush_offset = i64::try_from(self.store.watermarks().flushed.0).ok();
        }
        if header.stand_down == Some(true) && !state.is_master() {
            let (this, responder, request) = (self.clone(), caller.responder(request), request.clone());
            self.control.spawn("stand-down", async move {
                answer.revived_until = this.stand_down().await;
                responder.send(request.reply_with(&answer));
            });
            return Ok(Reply::Later);
        }
        Ok(Reply::Now(request.reply_with(&answer)))
    }

    /// Until when, in ms since 1970, this slave revived what was popped, where it stood in.
    async fn stand_down(&self) -> Option<i64> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner).stand_down(self.clock.now());
        let role = self.role.clone();
        // What is under way is waited for.
        match tokio::task::spawn_blocking(move || role.stand_down()).await {
            Ok(until) => until.map(|until| until.0),
            Err(error) => {
                tracing::error!(%error, "this slave could not stand down: the thread ended with a panic");
                None
            }
        }
    }
}
