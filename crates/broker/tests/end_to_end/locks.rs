//! Queue locks of a group of brokers.

use std::{collections::BTreeMap, sync::Mutex, time::Instant};

use eruca_broker::config::BrokerRole;
use eruca_protocol::{
    RequestCode,
    body::{
        self, BrokerMemberGroup, GetBrokerMemberGroupResponseBody, LockBatchRequestBody,
        LockBatchResponseBody, MessageQueue, UnlockBatchRequestBody,
    },
    request::RegisterBrokerRequest,
};
use eruca_remoting::{Caller, Reply};

use super::*;

/// A name server that knows the brokers of a group.
#[derive(Default)]
struct Members(Mutex<BTreeMap<i64, String>>);

impl CommandService for Members {
    fn call(&self, _caller: &Caller, request: RemotingCommand) -> Reply {
        let mut known = self.0.lock().unwrap();
        let reply = request.reply(ResponseCode::SUCCESS);
        match request.request_code() {
            RequestCode::REGISTER_BROKER => {
                let header: RegisterBrokerRequest = request.header().unwrap();
                known.insert(header.broker_id, header.broker_addr);
                Reply::Now(reply)
            }
            RequestCode::GET_BROKER_MEMBER_GROUP => {
                let group = BrokerMemberGroup { broker_addrs: known.clone(), ..BrokerMemberGroup::default() };
                let content = GetBrokerMemberGroupResponseBody { broker_member_group: Some(group) };
                Reply::Now(reply.with_body(body::to_json(&content)))
            }
            _ => Reply::Now(reply),
        }
    }
}

#[test]
fn in_strict_mode_most_brokers_of_the_group_lock_a_queue() {
    let members: Arc<Members> = Arc::default();
    let server = name_server(&members);
    let address = server.local_addrs()[0].to_string();
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [master, slave] = [0, 1].map(|broker_id| {
        let role = if broker_id == 0 { BrokerRole::AsyncMaster } else { BrokerRole::Slave };
        let broker = start(BrokerConfig {
            broker_id,
            broker_role: role,
            lock_in_strict_mode: true,
            total_replicas: 2,
            ..config(dirs[usize::from(broker_id > 0)].path(), &address)
        });
        assert!(broker.name_servers().wait_registered(BOUND));
        broker
    });
    let (to_master, to_slave) = (Peer::of(&master), Peer::of(&slave));
    let queue =
        |queue_id| MessageQueue { topic: "T".to_owned(), broker_name: "broker-a".to_owned(), queue_id };
    let lock = |peer: &Peer, client: &str, only_this_broker| {
        let content = LockBatchRequestBody {
            client_id: client.to_owned(),
            consumer_group: "g".to_owned(),
            mq_set: vec![queue(1)],
            only_this_broker,
        };
        let request = RemotingCommand::request_without_header(RequestCode::LOCK_BATCH_MQ);
        let reply = peer.ask(request.with_body(body::to_json(&content)));
        let locked: LockBatchResponseBody = body::from_json(&reply.body).unwrap();
        locked.lock_ok_mq_set == [queue(1)]
    };
    let unlock = |peer: &Peer, client: &str| {
        let content = UnlockBatchRequestBody {
            client_id: client.to_owned(),
            consumer_group: "g".to_owned(),
            mq_set: vec![queue(1)],
            only_this_broker: false,
        };
        let request = RemotingCommand::request_without_header(RequestCode::UNLOCK_BATCH_MQ);
        peer.ask(request.with_body(body::to_json(&content)));
    };
    assert!(lock(&to_master, "a", false));
    assert!(!lock(&to_slave, "b", true), "the slave has it, too");
    assert!(!lock(&to_master, "b", false));
    unlock(&to_master, "a");
    let end = Instant::now() + BOUND;
    while !lock(&to_slave, "b", true) {
        assert!(Instant::now() < end, "the slave was not told that the queue was given back");
    }
    assert!(!lock(&to_master, "a", false), "one of two is not most of them");
    assert!(lock(&to_master, "c", true), "what did not suffice went back");
    slave.shutdown();
    assert!(!lock(&to_master, "c", false));
    master.shutdown();
}
