//! Brokers come, change, and go.

use std::io::Write;

use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, DataVersion, KVTable, RegisterBrokerBody, TopicConfigSerializeWrapper, TopicRouteData},
    request::{
        BrokerHeartbeatRequest, NotifyMinBrokerIdChangeRequest, PutKvConfigRequest, QueryDataVersionRequest,
        QueryDataVersionResponse, RegisterBrokerResponse, RegisterTopicInNamesrvRequest,
        UnregisterBrokerRequest,
    },
};
use eruca_remoting::CommandService;

use crate::support::{Fixture, connection, registration, request};

fn ok(reply: &RemotingCommand) {
    assert_eq!((reply.response_code(), &reply.remark), (ResponseCode::SUCCESS, &None));
}

#[test]
fn a_slave_is_told_its_master() {
    let fixture = Fixture::new(Default::default());
    let (master, slave) = (connection().0, connection().0);
    let reply = fixture.call(&master, request(&registration("b", 0, &["T", "U"])));
    assert_eq!(reply.header::<RegisterBrokerResponse>().unwrap(), RegisterBrokerResponse::default());
    let reply = fixture.call(&slave, request(&registration("b", 1, &["T", "U"])));
    let answer: RegisterBrokerResponse = reply.header().unwrap();
    assert_eq!(answer.master_addr.as_deref(), Some("10.1.1.1:10911"));
    assert_eq!(answer.ha_server_addr.as_deref(), Some("10.1.1.1:20911"));
}

#[test]
fn a_wrong_checksum_is_refused() {
    let fixture = Fixture::new(Default::default());
    let (mut header, content) = registration("b", 0, &["T", "U"]);
    header.body_crc32 = Some(RegisterBrokerBody::crc32(&body::to_json(&content)));
    ok(&fixture.call(&connection().0, request(&(header.clone(), content.clone()))));
    header.body_crc32 = Some(1);
    let reply = fixture.call(&connection().0, request(&(header, content)));
    assert_eq!(
        (reply.response_code(), reply.remark.as_deref()),
        (ResponseCode::SYSTEM_ERROR, Some("crc32 not match"))
    );
}

/// The compressed form, written as its table in the reference says.
fn compressed(parts_after_topics: &[&str]) -> Vec<u8> {
    let mut plain = Vec::new();
    let part = |plain: &mut Vec<u8>, text: &str| {
        plain.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        plain.extend(text.as_bytes());
    };
    part(&mut plain, r#"{"counter":3,"stateVersion":0,"timestamp":5}"#);
    plain.extend(2u32.to_be_bytes());
    part(&mut plain, r#"T 8 4 6 SINGLE_TAG {"message.type":"NORMAL"}"#);
    part(&mut plain, "U 1 1 7 SINGLE_TAG");
    part(&mut plain, "[]");
    plain.extend(u32::try_from(parts_after_topics.len()).unwrap().to_be_bytes());
    parts_after_topics.iter().for_each(|text| part(&mut plain, text));
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(&plain).unwrap();
    zlib.finish().unwrap()
}

#[test]
fn a_compressed_registration_is_unfolded() {
    let fixture = Fixture::new(Default::default());
    let (mut header, _) = registration("b", 0, &[]);
    header.compressed = true;
    let mapping =
        r#"{"bname":"b","currIdMap":{0:0},"epoch":1,"scope":"__global__","topic":"T","totalQueues":1}"#;
    let bytes = compressed(&[mapping]);
    ok(&fixture.call(&connection().0, RemotingCommand::request(&header).with_body(bytes.clone())));
    let route = fixture.route("T").unwrap();
    let queues = &route.queue_datas[0];
    assert_eq!((queues.read_queue_nums, queues.write_queue_nums, queues.perm), (8, 4, 6));
    assert!(route.topic_queue_mapping_by_broker.unwrap().contains_key("b"));
    assert_eq!(fixture.route("U").unwrap().queue_datas[0].perm, 7);
    for cut in [0, 10, bytes.len() - 8] {
        let request = RemotingCommand::request(&header).with_body(bytes[..cut].to_vec());
        let code = fixture.call(&connection().0, request).response_code();
        assert_eq!(code, if cut == 0 { ResponseCode::SUCCESS } else { ResponseCode::SYSTEM_ERROR });
    }
}

#[test]
fn the_oldest_brokers_send_their_topics_alone() {
    let fixture = Fixture::new(Default::default());
    let (header, content) = registration("b", 0, &["T", "U"]);
    let wrapper = TopicConfigSerializeWrapper {
        topic_config_table: content.topic_config_serialize_wrapper.topic_config_table,
        ..Default::default()
    };
    let mut old = RemotingCommand::request(&header).with_body(body::to_json(&wrapper));
    old.version = 36;
    ok(&fixture.call(&connection().0, old));
    assert!(fixture.route("T").is_some());
}

#[test]
fn one_topic_before_all_others_is_refused() {
    let fixture = Fixture::new(Default::default());
    let single = request(&registration("b", 0, &["T"]));
    let reply = fixture.call(&connection().0, single.clone());
    assert_eq!(reply.remark.as_deref(), Some("register broker failed"));
    ok(&fixture.call(&connection().0, request(&registration("b", 0, &["A", "B"]))));
    ok(&fixture.call(&connection().0, single));
    assert!(fixture.route("T").is_some() && fixture.route("A").is_some());
}

#[test]
fn garbage_names_do_not_enter_the_table() {
    let fixture = Fixture::new(Default::default());
    let long = "x".repeat(256);
    ok(&fixture.call(&connection().0, request(&registration("b", 0, &["T", "", "\u{7}", &long]))));
    assert!(fixture.route("T").is_some());
    assert!(fixture.route("\u{7}").is_none() && fixture.route(&long).is_none());
    for name in ["", " ", "a\nb", &long] {
        let reply = fixture.call(&connection().0, request(&registration(name, 0, &["T", "U"])));
        assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR);
        assert!(reply.remark.unwrap().contains("the broker name"));
    }
}

#[test]
fn a_broker_leaves_by_request_and_takes_its_topics_along() {
    let fixture = Fixture::new(Default::default());
    fixture.call(&connection().0, request(&registration("a", 0, &["T", "U"])));
    fixture.call(&connection().0, request(&registration("b", 0, &["T", "V"])));
    let (header, _) = registration("b", 0, &[]);
    ok(&fixture.ask(&UnregisterBrokerRequest {
        broker_name: header.broker_name,
        broker_addr: header.broker_addr,
        cluster_name: header.cluster_name,
        broker_id: 0,
    }));
    assert!(fixture.route("V").is_none());
    assert_eq!(fixture.route("T").unwrap().broker_datas.len(), 1);
}

#[test]
fn a_broker_whose_connection_closes_is_gone_at_once() {
    let fixture = Fixture::new(Default::default());
    let (first, second) = (connection().0, connection().0);
    fixture.call(&first, request(&registration("b", 0, &["T", "U"])));
    fixture.call(&second, request(&registration("b", 0, &["T", "U"])));
    fixture.namesrv.disconnected(&first);
    assert!(fixture.route("T").is_some(), "it has come back by another connection");
    fixture.namesrv.disconnected(&second);
    assert!(fixture.route("T").is_none());
}

#[test]
fn a_silent_broker_expires_and_its_connection_is_closed() {
    let fixture = Fixture::new(Default::default());
    let (caller, outbox) = connection();
    let (mut header, content) = registration("b", 0, &["T", "U"]);
    header.heartbeat_timeout_millis = Some(10_000);
    fixture.call(&caller, request(&(header.clone(), content)));
    fixture.clock.advance_ms(9_000);
    ok(&fixture.ask(&BrokerHeartbeatRequest {
        cluster_name: "C".into(),
        broker_addr: header.broker_addr,
        broker_name: "b".into(),
        ..Default::default()
    }));
    fixture.clock.advance_ms(10_000);
    let now = eruca_message::Clock::now(&*fixture.clock);
    fixture.namesrv.expire_step(now);
    assert!(fixture.route("T").is_some(), "not later than allowed");
    fixture.namesrv.expire_step(now.add_ms(1));
    assert!(fixture.route("T").is_none());
    assert!(outbox.is_close_requested());
}

#[test]
fn the_data_version_tells_whether_to_register_again() {
    let fixture = Fixture::new(Default::default());
    let (header, mut content) = registration("b", 0, &["T", "U"]);
    let version = DataVersion { counter: 7, state_version: 0, timestamp: 5 };
    content.topic_config_serialize_wrapper.data_version = version;
    let query = |version: DataVersion| {
        let query = QueryDataVersionRequest {
            broker_name: "b".into(),
            broker_addr: header.broker_addr.clone(),
            cluster_name: "C".into(),
            broker_id: 0,
        };
        let reply = fixture
            .call(&connection().0, RemotingCommand::request(&query).with_body(body::to_json(&version)));
        let known = (!reply.body.is_empty()).then(|| body::from_json::<DataVersion>(&reply.body).unwrap());
        (reply.header::<QueryDataVersionResponse>().unwrap().changed, known)
    };
    assert_eq!(query(version), (true, None));
    fixture.call(&connection().0, request(&(header.clone(), content)));
    assert_eq!(query(version), (false, Some(version)));
    assert_eq!(query(DataVersion { counter: 8, ..version }), (true, Some(version)));
}

#[test]
fn topics_missing_in_a_registration_stay_unless_configured() {
    for (drops, expected) in [(false, true), (true, false)] {
        let fixture = Fixture::with(|config| config.keys.delete_topic_with_broker_registration = drops);
        fixture.call(&connection().0, request(&registration("b", 0, &["T", "U"])));
        fixture.call(&connection().0, request(&registration("b", 0, &["T", "V"])));
        assert_eq!(fixture.route("U").is_some(), expected);
        assert!(fixture.route("T").is_some() && fixture.route("V").is_some());
    }
}

#[test]
fn a_late_comer_with_older_state_does_not_displace_a_broker() {
    let fixture = Fixture::new(Default::default());
    let (mut header, mut content) = registration("b", 0, &["T", "U"]);
    content.topic_config_serialize_wrapper.data_version.state_version = 2;
    fixture.call(&connection().0, request(&(header.clone(), content.clone())));
    header.broker_addr = "10.9.9.9:1".into();
    content.topic_config_serialize_wrapper.data_version.state_version = 1;
    ok(&fixture.call(&connection().0, request(&(header.clone(), content.clone()))));
    assert_eq!(fixture.route("T").unwrap().broker_datas[0].broker_addrs[&0], "10.1.1.1:10911");
    content.topic_config_serialize_wrapper.data_version.state_version = 2;
    fixture.call(&connection().0, request(&(header, content)));
    assert_eq!(fixture.route("T").unwrap().broker_datas[0].broker_addrs[&0], "10.9.9.9:1");
}

#[test]
fn registrations_are_answered_with_the_order_configuration() {
    let fixture = Fixture::new(Default::default());
    let put =
        PutKvConfigRequest { namespace: "ORDER_TOPIC_CONFIG".into(), key: "T".into(), value: "b:4".into() };
    ok(&fixture.ask(&put));
    let reply = fixture.call(&connection().0, request(&registration("b", 0, &["T", "U"])));
    let table: KVTable = body::from_json(&reply.body).unwrap();
    assert_eq!(table.table.get("T").map(String::as_str), Some("b:4"));
}

#[test]
fn a_single_topic_is_added_on_known_brokers_only() {
    let fixture = Fixture::new(Default::default());
    fixture.call(&connection().0, request(&registration("b", 0, &["T", "U"])));
    let mut route = fixture.route("T").unwrap();
    let add = |topic: &str, route: &TopicRouteData| {
        let header = RegisterTopicInNamesrvRequest { topic: topic.into() };
        ok(&fixture.call(&connection().0, RemotingCommand::request(&header).with_body(body::to_json(route))));
    };
    add("New", &route);
    assert_eq!(fixture.route("New").unwrap().queue_datas, route.queue_datas);
    route.queue_datas[0].broker_name = "stranger".into();
    add("Newer", &route);
    assert!(fixture.route("Newer").is_none());
}

/// A group in which slaves act as master, on a name server that shows them and tells of them.
fn acting_group() -> (Fixture, Vec<eruca_remoting::Caller>) {
    let fixture = Fixture::with(|config| {
        config.keys.support_acting_master = true;
        config.keys.notify_min_broker_id_changed = true;
    });
    let callers: Vec<_> = [2, 1, 0]
        .into_iter()
        .map(|id| {
            let (mut header, content) = registration("b", id, &["T", "U"]);
            header.enable_acting_master = Some(true);
            let caller = connection().0;
            ok(&fixture.call(&caller, request(&(header, content))));
            caller
        })
        .collect();
    (fixture, callers)
}

fn told(fixture: &Fixture) -> Vec<(String, NotifyMinBrokerIdChangeRequest)> {
    let told = std::mem::take(&mut *fixture.told.0.lock().unwrap());
    told.into_iter().map(|(addr, request)| (addr, request.header().unwrap())).collect()
}

#[test]
fn members_are_told_when_the_smallest_id_of_their_group_changes() {
    let (fixture, callers) = acting_group();
    let on_arrival: Vec<_> =
        told(&fixture).into_iter().map(|(addr, notice)| (addr, notice.min_broker_id.unwrap())).collect();
    let expected = [("10.1.1.1:10913", 1), ("10.1.1.1:10912", 0), ("10.1.1.1:10913", 0)];
    assert_eq!(on_arrival, expected.map(|(addr, id)| (addr.to_owned(), id)));
    fixture.namesrv.disconnected(&callers[2]);
    let on_leave = told(&fixture);
    assert_eq!(on_leave.len(), 2);
    assert_eq!(on_leave[0].1.min_broker_id, Some(1));
    assert_eq!(on_leave[0].1.offline_broker_addr.as_deref(), Some("10.1.1.1:10911"));
}

#[test]
fn a_lost_master_is_replaced_by_its_smallest_slave_for_reading() {
    let (fixture, callers) = acting_group();
    assert_eq!(fixture.route("T").unwrap().queue_datas[0].perm, 6);
    fixture.namesrv.disconnected(&callers[2]);
    let route = fixture.route("T").unwrap();
    assert_eq!(route.queue_datas[0].perm, 4);
    let addrs: Vec<_> = route.broker_datas[0].broker_addrs.clone().into_iter().collect();
    assert_eq!(addrs, [(0, "10.1.1.1:10912".to_owned()), (2, "10.1.1.1:10913".to_owned())]);
}
