//! A name server and a broker that answer from a list, on real sockets.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eruca_protocol::{RemotingCommand, ResponseCode};
use eruca_remoting::{Caller, CommandService, Reply, Server, ServerConfig};
use serde_json::Value;

/// A name server and a broker that give the same answers.
pub(crate) struct FakeCluster {
    name_server: Server,
    broker: Server,
    answers: Arc<std::sync::OnceLock<Answers>>,
}

/// What the captured data calls the two.
#[derive(Debug, Clone)]
pub(crate) struct CapturedAddrs {
    /// Of the name server.
    pub(crate) name_server: String,
    /// Of the broker.
    pub(crate) broker: String,
}

/// The answers, and what was asked.
struct Answers(Vec<Value>, Mutex<Vec<Asked>>);

/// Code and fields of a request.
pub(crate) type Asked = (i32, BTreeMap<String, String>);

impl FakeCluster {
    /// Starts both on free ports. Where answers name the captured addresses, they name ours instead.
    pub(crate) fn start(answers: &[Value], captured: &CapturedAddrs) -> FakeCluster {
        // The broker's answers name the broker, so that its port must be known first: a service that learns it later.
        let late = Arc::new(std::sync::OnceLock::new());
        let bind = |name| {
            let config = ServerConfig {
                listen: vec!["127.0.0.1:0".parse().unwrap()],
                name,
                ..ServerConfig::default()
            };
            Server::bind(config, Arc::new(Late(late.clone()))).unwrap()
        };
        let cluster =
            FakeCluster { name_server: bind("namesrv"), broker: bind("broker"), answers: Arc::clone(&late) };
        let answers = answers.iter().map(|answer| cluster.to_ours(&answer.to_string(), captured));
        let answers = answers.map(|answer| serde_json::from_str(&answer).unwrap()).collect();
        assert!(late.set(Answers(answers, Mutex::default())).is_ok());
        cluster
    }

    /// What was asked so far, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let asked = self.answers.get().map(|Answers(_, asked)| asked);
        asked.map(|asked| asked.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }

    pub(crate) fn name_server_addr(&self) -> String {
        self.name_server.local_addrs()[0].to_string()
    }

    pub(crate) fn broker_addr(&self) -> String {
        self.broker.local_addrs()[0].to_string()
    }

    /// Captured addresses replaced by ours, in texts, ids and records.
    pub(crate) fn to_ours(&self, text: &str, captured: &CapturedAddrs) -> String {
        text.replace(&captured.name_server, &self.name_server_addr())
            .replace(&captured.broker, &self.broker_addr())
            .replace(&id_prefix(&captured.broker), &id_prefix(&self.broker_addr()))
            .replace(
                &id_prefix(&captured.broker).to_lowercase(),
                &id_prefix(&self.broker_addr()).to_lowercase(),
            )
    }

    /// The way back.
    pub(crate) fn to_captured(&self, text: &str, captured: &CapturedAddrs) -> String {
        text.replace(&self.name_server_addr(), &captured.name_server)
            .replace(&self.broker_addr(), &captured.broker)
            .replace(&id_prefix(&self.broker_addr()), &id_prefix(&captured.broker))
    }

    pub(crate) fn stop(self) {
        self.name_server.shutdown(Duration::from_secs(1));
        self.broker.shutdown(Duration::from_secs(1));
    }
}

/// The start of all offset message ids of the broker at `addr`, which is one on 127.0.0.1.
fn id_prefix(addr: &str) -> String {
    let port: u16 = addr.rsplit(':').next().unwrap().parse().unwrap();
    format!("7F000001{port:08X}")
}

struct Late(Arc<std::sync::OnceLock<Answers>>);

impl CommandService for Late {
    fn call(&self, _caller: &Caller, request: RemotingCommand) -> Reply {
        let reply = match self.0.get().and_then(|answers| answers.find(&request)) {
            Some(answer) => reply(&request, answer),
            None => {
                let fields: Vec<_> = request.ext_fields.iter().collect();
                let remark = format!("the test has no answer to {} {fields:?}", request.request_code());
                request.reply_error(ResponseCode::SYSTEM_ERROR, remark)
            }
        };
        if request.is_oneway() { Reply::None } else { Reply::Now(reply) }
    }
}

impl Answers {
    fn find(&self, request: &RemotingCommand) -> Option<&Value> {
        let fields = request.ext_fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.1.lock().unwrap_or_else(PoisonError::into_inner).push((request.code, fields.collect()));
        self.0.iter().find(|answer| {
            let wanted = answer["where"].as_object();
            answer["code"].as_i64() == Some(request.code.into())
                && wanted.is_none_or(|wanted| {
                    wanted.iter().all(|(name, value)| request.ext_fields.get(name) == value.as_str())
                })
        })
    }
}

fn reply(request: &RemotingCommand, answer: &Value) -> RemotingCommand {
    let code = ResponseCode(answer["answer"].as_i64().unwrap_or_default() as i32);
    let mut reply = request.reply(code);
    reply.remark = answer["remark"].as_str().map(str::to_owned);
    for (name, value) in answer["fields"].as_object().into_iter().flatten() {
        reply.ext_fields.push(name, value.as_str().unwrap());
    }
    if let Some(text) = answer["body"].as_str() {
        reply.body = text.to_owned().into();
    }
    if let Some(hex) = answer["body_hex"].as_str() {
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        reply.body = hex.as_bytes().chunks(2).map(byte).collect::<Vec<u8>>().into();
    }
    reply
}
