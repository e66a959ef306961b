//! One session: a remoting client, the routes it knows, and the calls that every part makes.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_message::{Clock, MessageQueue, SystemClock, Timestamp, names};
use eruca_protocol::{
    HeaderFields, RemotingCommand, RequestCode, ResponseCode,
    body::{self, HeartbeatData, TopicRouteData},
    request::{GetRouteinfoByTopicRequest, HeartBeatRequest, UnregisterClientRequest},
};
use eruca_remoting::{Client, ClientConfig, CommandService, InvokeError};
use serde::de::DeserializeOwned;
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    CallError, ConfigError, TopicRoute,
    client_id::{local_ip, random_u64, unique_client_id},
    lock::lock,
    name_servers::NameServers,
    route_cache::{MASTER_ID, RouteCache},
    trace::DEFAULT_TRACE_TOPIC,
};

/// How long a call may take where nothing else is said.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// What every client is told.
#[derive(Clone)]
pub(crate) struct ClientSettings {
    pub(crate) name_servers: String,
    pub(crate) client_id: Option<String>,
    pub(crate) call_timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where traces go, if messages are traced.
    pub(crate) trace_topic: Option<String>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        ClientSettings {
            name_servers: String::new(),
            client_id: None,
            call_timeout: CALL_TIMEOUT,
            clock: Arc::new(SystemClock),
            trace_topic: None,
        }
    }
}

impl ClientSettings {
    /// Switches traces on, to the topic that was set before or the usual one, or off.
    pub(crate) fn trace(&mut self, trace: bool) {
        let topic = self.trace_topic.take().unwrap_or_else(|| DEFAULT_TRACE_TOPIC.to_owned());
        self.trace_topic = trace.then_some(topic);
    }
}

/// One client's connections and routes.
pub(crate) struct Session {
    client_id: String,
    local_ip: IpAddr,
    call_timeout: Duration,
    clock: Arc<dyn Clock>,
    remoting: Client,
    name_servers: Mutex<NameServers>,
    routes: Mutex<RouteCache>,
    /// One fetch at a time: a hundred senders to a new topic ask once.
    fetching: tokio::sync::Mutex<()>,
    /// There may be brokers that have not heard of us.
    pub(crate) heartbeat_due: Notify,
    /// What we know of routes was just proven wrong.
    pub(crate) routes_stale: Notify,
}

impl Session {
    /// A session that connects where it has something to say. `inbound` serves what brokers ask of us.
    pub(crate) async fn open(
        settings: ClientSettings,
        inbound: Option<Arc<dyn CommandService>>,
    ) -> Result<Session, ConfigError> {
        if settings.name_servers.trim().is_empty() {
            let remedy = "call name_servers(\"host:9876\") on the builder";
            return Err(ConfigError::Unset { setting: "name_servers", remedy });
        }
        let name_servers = NameServers::parse(&settings.name_servers, random_u64() as usize)?;
        let local_ip = local_ip(name_servers.current()).await;
        Ok(Session {
            client_id: settings.client_id.unwrap_or_else(|| unique_client_id(local_ip, random_u64())),
            local_ip,
            call_timeout: settings.call_timeout,
            clock: settings.clock,
            remoting: Client::new(ClientConfig::default(), inbound),
            name_servers: Mutex::new(name_servers),
            routes: Mutex::new(RouteCache::default()),
            fetching: tokio::sync::Mutex::new(()),
            heartbeat_due: Notify::new(),
            routes_stale: Notify::new(),
        })
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn local_ip(&self) -> IpAddr {
        self.local_ip
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn name_server_addrs(&self) -> Vec<String> {
        lock(&self.name_servers).addrs().to_vec()
    }

    /// Closes all connections; calls in flight fail.
    pub(crate) fn close(&self) {
        self.remoting.close();
    }

    /// Asks `addr` and returns its answer, whatever its code.
    pub(crate) async fn invoke(
        &self,
        addr: &str,
        request: RemotingCommand,
        timeout: Duration,
    ) -> Result<RemotingCommand, InvokeError> {
        self.remoting.invoke(addr, request, timeout).await
    }

    /// Tells `addr` something that it does not answer.
    pub(crate) async fn oneway(&self, addr: &str, request: RemotingCommand) -> Result<(), InvokeError> {
        self.remoting.oneway(addr, request.oneway()).await
    }

    /// Asks `addr`; an answer other than `SUCCESS` is an error.
    pub(crate) async fn call(&self, addr: &str, request: RemotingCommand) -> Result<Answer, CallError> {
        self.call_within(addr, request, self.call_timeout).await
    }

    /// As [`Session::call`] with a time limit of its own.
    pub(crate) async fn call_within(
        &self,
        addr: &str,
        request: RemotingCommand,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        self.ask(addr, request, timeout).await?.expect_success()
    }

    /// Asks `addr`; the answer may have any code.
    pub(crate) async fn ask(
        &self,
        addr: &str,
        request: RemotingCommand,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        let code = request.request_code();
        let reply = self.invoke(addr, request, timeout).await?;
        Ok(Answer { addr: addr.to_owned(), request: code, reply })
    }

    /// Asks the master of a group, whose name the request carries for proxies; the answer may have any code.
    pub(crate) async fn ask_master(
        &self,
        broker_name: &str,
        mut request: RemotingCommand,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        let addr = self.master_addr(broker_name)?;
        request.ext_fields.push("bname", broker_name);
        self.ask(&addr, request, timeout).await
    }

    /// Asks a name server, and the next one where it cannot be reached.
    pub(crate) async fn call_name_server(&self, request: RemotingCommand) -> Result<Answer, CallError> {
        let code = request.request_code();
        let attempts = lock(&self.name_servers).addrs().len();
        let mut last = CallError::ShutDown;
        for _ in 0..attempts {
            let addr = lock(&self.name_servers).current().to_owned();
            match self.call(&addr, request.clone()).await {
                Err(error @ CallError::Invoke(_)) => {
                    lock(&self.name_servers).failed(&addr);
                    last = error;
                }
                answered => return answered,
            }
        }
        let name_servers = lock(&self.name_servers).to_text();
        Err(CallError::NoNameServer { name_servers, request: code, last: Box::new(last) })
    }

    /// The route of `topic` as the name server has it now; the cache is not touched.
    pub(crate) async fn fetch_route_data(&self, topic: &str) -> Result<TopicRouteData, CallError> {
        let header = GetRouteinfoByTopicRequest { topic: topic.to_owned(), ..Default::default() };
        match self.call_name_server(RemotingCommand::request(&header)).await {
            Ok(answer) => answer.body(),
            Err(CallError::Refused { code: ResponseCode::TOPIC_NOT_EXIST, .. }) => {
                Err(CallError::TopicUnknown { topic: topic.to_owned() })
            }
            Err(error) => Err(error),
        }
    }

    /// The route of `topic`: from the cache, else from the name server.
    pub(crate) async fn route(&self, topic: &str) -> Result<Arc<TopicRoute>, CallError> {
        if let Some(route) = self.cached_route(topic) {
            return Ok(route);
        }
        let _one_at_a_time = self.fetching.lock().await;
        if let Some(route) = self.cached_route(topic) {
            return Ok(route);
        }
        self.refresh_route(topic).await?;
        self.cached_route(topic).ok_or_else(|| CallError::TopicUnknown { topic: topic.to_owned() })
    }

    /// As [`Session::route`]; a topic that does not exist gets the route of `template`, where the first send will
    /// create it, with at most `max_queues` queues per broker group.
    pub(crate) async fn route_or_template(
        &self,
        topic: &str,
        template: &str,
        max_queues: i32,
    ) -> Result<Arc<TopicRoute>, CallError> {
        match self.route(topic).await {
            Err(CallError::TopicUnknown { .. }) => {}
            answered => return answered,
        }
        let _one_at_a_time = self.fetching.lock().await;
        let data = match self.fetch_route_data(template).await {
            // The user's topic is the one to name, not the template.
            Err(CallError::TopicUnknown { .. }) => {
                return Err(CallError::TopicUnknown { topic: topic.to_owned() });
            }
            fetched => fetched?,
        };
        if lock(&self.routes).update_from_template(topic, data, max_queues, self.now()) {
            self.heartbeat_due.notify_one();
        }
        self.cached_route(topic).ok_or_else(|| CallError::TopicUnknown { topic: topic.to_owned() })
    }

    /// Makes the address of `queue`'s broker known, and keeps the routes to it in use. A light queue has no route: that of the
    /// topic to which its messages were sent must be known.
    pub(crate) async fn reach(&self, queue: &MessageQueue) -> Result<(), CallError> {
        if !names::is_lmq(&queue.topic) {
            return self.route(&queue.topic).await.map(drop);
        }
        match lock(&self.routes).keep(&queue.broker_name, self.now()) {
            true => Ok(()),
            false => Err(CallError::BrokerUnknown { broker_name: queue.broker_name.clone() }),
        }
    }

    /// Asks the name server where the route that is known is of no use: once for all who know no other one.
    pub(crate) async fn renew_route(&self, topic: &str, useless: &Arc<TopicRoute>) -> Result<(), CallError> {
        let _one_at_a_time = self.fetching.lock().await;
        if self.cached_route(topic).is_none_or(|route| Arc::ptr_eq(&route, useless)) {
            self.refresh_route(topic).await?;
        }
        Ok(())
    }

    fn cached_route(&self, topic: &str) -> Option<Arc<TopicRoute>> {
        lock(&self.routes).route(topic, self.now())
    }

    /// Asks the name server for the route of `topic`; whether it differs from what was known.
    pub(crate) async fn refresh_route(&self, topic: &str) -> Result<bool, CallError> {
        match self.fetch_route_data(topic).await {
            Ok(data) => {
                let changed = lock(&self.routes).update(topic, &data, self.now());
                if changed {
                    self.heartbeat_due.notify_one();
                }
                Ok(changed)
            }
            Err(error @ CallError::TopicUnknown { .. }) => {
                if lock(&self.routes).remove(topic) {
                    return Ok(true);
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Refreshes the routes in use; whether any changed.
    pub(crate) async fn refresh_routes(&self) -> bool {
        let topics = lock(&self.routes).topics_in_use(self.now());
        let mut changed = false;
        for topic in topics {
            match self.refresh_route(&topic).await {
                Ok(differs) => changed |= differs,
                Err(CallError::TopicUnknown { .. }) => {}
                Err(error) => {
                    tracing::warn!(%topic, %error, "route not refreshed, the known one stays");
                    // The other topics would fare the same: every name server was just tried.
                    break;
                }
            }
        }
        changed
    }

    /// The address of a group's master.
    pub(crate) fn master_addr(&self, broker_name: &str) -> Result<String, CallError> {
        lock(&self.routes)
            .broker_addr(broker_name, MASTER_ID)
            .ok_or_else(|| CallError::BrokerUnknown { broker_name: broker_name.to_owned() })
    }

    /// The address of the member `id` of a group, else the master's, else any other member's.
    pub(crate) fn addr_to_read(&self, broker_name: &str, id: i64) -> Result<String, CallError> {
        let routes = lock(&self.routes);
        routes
            .broker_addr(broker_name, id)
            .or_else(|| routes.any_addr(broker_name))
            .ok_or_else(|| CallError::BrokerUnknown { broker_name: broker_name.to_owned() })
    }

    /// The addresses of the brokers in use, or only of the masters among them.
    pub(crate) fn broker_addrs(&self, masters_only: bool) -> Vec<String> {
        lock(&self.routes).addrs(masters_only).into_iter().collect()
    }

    /// Tells the brokers in use that we are there; how many heard it.
    pub(crate) async fn heartbeat(&self, data: &HeartbeatData, masters_only: bool) -> usize {
        let request = RemotingCommand::request(&HeartBeatRequest {}).with_body(body::to_json(data));
        let told = self.tell(self.broker_addrs(masters_only), &request).await;
        for (addr, error) in &told.errors {
            tracing::warn!(%addr, %error, "heartbeat failed, the next one is due in 30 s");
        }
        told.heard
    }

    /// Takes leave of the brokers in use.
    pub(crate) async fn unregister(&self, producer_group: Option<&str>, consumer_group: Option<&str>) {
        let header = UnregisterClientRequest {
            client_id: self.client_id.clone(),
            producer_group: producer_group.map(str::to_owned),
            consumer_group: consumer_group.map(str::to_owned),
        };
        let told = self.tell(self.broker_addrs(false), &RemotingCommand::request(&header)).await;
        for (addr, error) in &told.errors {
            tracing::debug!(%addr, %error, "broker did not hear that we leave; it notices the closed connection");
        }
    }

    /// Sends `request` to all of `addrs` at the same time: one that does not answer must not keep the others waiting.
    async fn tell(&self, addrs: Vec<String>, request: &RemotingCommand) -> Told {
        let mut told = Told::default();
        let mut calls = JoinSet::new();
        for addr in addrs {
            let (remoting, request, timeout) = (self.remoting.clone(), request.clone(), self.call_timeout);
            calls.spawn(async move {
                let code = request.request_code();
                let heard = match remoting.invoke(&addr, request, timeout).await {
                    Ok(reply) => {
                        Answer { addr: addr.clone(), request: code, reply }.expect_success().map(drop)
                    }
                    Err(error) => Err(error.into()),
                };
                (addr, heard)
            });
        }
        while let Some(call) = calls.join_next().await {
            match call {
                Ok((_, Ok(()))) => told.heard += 1,
                Ok((addr, Err(error))) => told.errors.push((addr, error)),
                // Nothing in a call panics, and nobody aborts it.
                Err(error) => tracing::error!(%error, "call ended before its time"),
            }
        }
        told
    }
}

/// How many peers heard a message, and why the others did not.
#[derive(Debug, Default)]
struct Told {
    heard: usize,
    errors: Vec<(String, CallError)>,
}

/// An answer, with what is needed to say where it came from.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) addr: String,
    pub(crate) request: RequestCode,
    pub(crate) reply: RemotingCommand,
}

impl Answer {
    /// This answer, if its code is `SUCCESS`.
    pub(crate) fn expect_success(self) -> Result<Answer, CallError> {
        if self.reply.response_code() == ResponseCode::SUCCESS { Ok(self) } else { Err(self.refusal()) }
    }

    /// This answer to a pop, if it brings messages; `None` where there were none.
    pub(crate) fn with_messages(self) -> Result<Option<Answer>, CallError> {
        match self.reply.response_code() {
            ResponseCode::POLLING_TIMEOUT | ResponseCode::POLLING_FULL | ResponseCode::PULL_NOT_FOUND => {
                Ok(None)
            }
            _ => self.expect_success().map(Some),
        }
    }

    /// The error that this answer's code means.
    pub(crate) fn refusal(self) -> CallError {
        CallError::Refused {
            addr: self.addr,
            request: self.request,
            code: self.reply.response_code(),
            remark: self.reply.remark.unwrap_or_default(),
        }
    }

    /// The typed header.
    pub(crate) fn header<H: HeaderFields>(&self) -> Result<H, CallError> {
        self.reply.header().map_err(|source| CallError::BadHeader {
            addr: self.addr.clone(),
            request: self.request,
            source,
        })
    }

    /// The JSON body.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        body::from_json(&self.reply.body).map_err(|source| CallError::BadBody {
            addr: self.addr.clone(),
            request: self.request,
            source,
        })
    }
}
