//! A name server without a socket, and brokers that register with it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use eruca_message::{ManualClock, Timestamp};
use eruca_namesrv::{BrokerNotifier, Namesrv, NamesrvConfig};
use eruca_protocol::{
    RemotingCommand, RequestHeader, ResponseCode,
    body::{self, RegisterBrokerBody, TopicConfig, TopicRouteData},
    request::{GetRouteinfoByTopicRequest, RegisterBrokerRequest},
};
use eruca_remoting::{Caller, CommandService, Outbox, Reply};

pub(crate) const LOCAL: ([u8; 4], u16) = ([10, 0, 0, 7], 9876);

/// Remembers who was told what.
#[derive(Default)]
pub(crate) struct Told(pub(crate) Mutex<Vec<(String, RemotingCommand)>>);

impl BrokerNotifier for Told {
    fn notify(&self, addr: &str, request: RemotingCommand) {
        self.0.lock().unwrap().push((addr.to_owned(), request));
    }
}

pub(crate) struct Fixture {
    pub(crate) namesrv: Namesrv,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) told: Arc<Told>,
}

impl Fixture {
    pub(crate) fn new(config: NamesrvConfig) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp(1_000_000)));
        let told = Arc::new(Told::default());
        let namesrv = Namesrv::new(config, clock.clone(), told.clone()).unwrap();
        Fixture { namesrv, clock, told }
    }

    pub(crate) fn with(change: impl FnOnce(&mut NamesrvConfig)) -> Self {
        let mut config = NamesrvConfig::default();
        change(&mut config);
        Self::new(config)
    }

    pub(crate) fn call(&self, caller: &Caller, request: RemotingCommand) -> RemotingCommand {
        match self.namesrv.call(caller, request) {
            Reply::Now(reply) => reply,
            other => panic!("a name server answers at once, not {other:?}"),
        }
    }

    pub(crate) fn ask<H: RequestHeader>(&self, header: &H) -> RemotingCommand {
        self.call(&connection().0, RemotingCommand::request(header))
    }

    pub(crate) fn route(&self, topic: &str) -> Option<TopicRouteData> {
        let header = GetRouteinfoByTopicRequest { topic: topic.into(), ..Default::default() };
        let reply = self.ask(&header);
        match reply.response_code() {
            ResponseCode::SUCCESS => Some(body::from_json(&reply.body).unwrap()),
            ResponseCode::TOPIC_NOT_EXIST => None,
            other => panic!("{other}"),
        }
    }
}

pub(crate) fn connection() -> (Caller, Outbox) {
    Caller::detached(SocketAddr::from(([10, 0, 0, 1], 4242)), SocketAddr::from(LOCAL))
}

/// A registration of broker `id` of group `name` at port 10911 + id, with these topics of 4 queues.
pub(crate) fn registration(
    name: &str,
    id: i64,
    topics: &[&str],
) -> (RegisterBrokerRequest, RegisterBrokerBody) {
    let header = RegisterBrokerRequest {
        broker_name: name.into(),
        broker_addr: format!("10.1.1.1:{}", 10911 + id),
        cluster_name: "C".into(),
        ha_server_addr: format!("10.1.1.1:{}", 20911 + id),
        broker_id: id,
        enable_acting_master: Some(false),
        ..Default::default()
    };
    let mut content = RegisterBrokerBody::default();
    let table = &mut content.topic_config_serialize_wrapper.topic_config_table;
    table.extend(topics.iter().map(|topic| ((*topic).to_owned(), TopicConfig::new(*topic, 4))));
    (header, content)
}

pub(crate) fn request((header, content): &(RegisterBrokerRequest, RegisterBrokerBody)) -> RemotingCommand {
    RemotingCommand::request(header).with_body(body::to_json(content))
}
