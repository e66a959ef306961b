//! What clients and operators ask.

use eruca_namesrv::NamesrvConfig;
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, ClusterInfo, GetBrokerMemberGroupResponseBody, KVTable, TopicList, TopicRouteData},
    request::{
        AddWritePermOfBrokerRequest, AddWritePermOfBrokerResponse, DeleteTopicInNamesrvRequest,
        GetBrokerMemberGroupRequest, GetKvlistByNamespaceRequest, GetRouteinfoByTopicRequest,
        GetTopicsByClusterRequest, PutKvConfigRequest, WipeWritePermOfBrokerRequest,
        WipeWritePermOfBrokerResponse,
    },
};
use eruca_remoting::Caller;

use crate::support::{Fixture, connection, registration, request};

fn with_broker(fixture: Fixture) -> Fixture {
    let mut registration = registration("b", 0, &["T", "Unit", "Sub", "Both"]);
    let table = &mut registration.1.topic_config_serialize_wrapper.topic_config_table;
    for (topic, flag) in [("Unit", 1), ("Sub", 2), ("Both", 3)] {
        table.get_mut(topic).unwrap().topic_sys_flag = flag;
    }
    let reply = fixture.call(&connection().0, request(&registration));
    assert_eq!(reply.response_code(), ResponseCode::SUCCESS);
    fixture
}

fn list(fixture: &Fixture, code: RequestCode) -> Result<Vec<String>, String> {
    let reply = fixture.call(&connection().0, RemotingCommand::request_without_header(code));
    match reply.remark {
        Some(remark) => Err(remark),
        None => Ok(body::from_json::<TopicList>(&reply.body).unwrap().topic_list),
    }
}

#[test]
fn topics_are_listed_by_kind() {
    let fixture = with_broker(Fixture::new(Default::default()));
    let all = list(&fixture, RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER).unwrap();
    assert_eq!(all, ["Both", "Sub", "T", "Unit"]);
    assert_eq!(list(&fixture, RequestCode::GET_UNIT_TOPIC_LIST).unwrap(), ["Both", "Unit"]);
    assert_eq!(list(&fixture, RequestCode::GET_HAS_UNIT_SUB_TOPIC_LIST).unwrap(), ["Both", "Sub"]);
    assert_eq!(list(&fixture, RequestCode::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST).unwrap(), ["Sub"]);
    assert_eq!(list(&fixture, RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS).unwrap(), ["C", "b"]);
    for (cluster, expected) in [("C", 4), ("D", 0)] {
        let reply = fixture.ask(&GetTopicsByClusterRequest { cluster: cluster.into() });
        assert_eq!(body::from_json::<TopicList>(&reply.body).unwrap().topic_list.len(), expected);
    }
}

#[test]
fn lists_can_be_switched_off() {
    let fixture = Fixture::with(|config| {
        config.keys.enable_all_topic_list = false;
        config.keys.enable_topic_list = false;
    });
    for code in [RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER, RequestCode::GET_UNIT_TOPIC_LIST] {
        assert_eq!(list(&fixture, code), Err("disable".to_owned()));
    }
    assert!(list(&fixture, RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS).is_ok());
}

#[test]
fn old_and_new_clients_get_their_dialect_and_their_field() {
    let fixture = with_broker(Fixture::new(Default::default()));
    let text = |version: i32, standard: Option<bool>| {
        let header = GetRouteinfoByTopicRequest { topic: "T".into(), accept_standard_json_only: standard };
        let mut request = RemotingCommand::request(&header);
        request.version = version;
        String::from_utf8(fixture.call(&connection().0, request).body.to_vec()).unwrap()
    };
    assert!(text(400, None).contains(r#"{0:"10.1.1.1:10911"}"#));
    assert!(text(401, None).contains(r#"{"0":"10.1.1.1:10911"}"#));
    assert!(text(0, Some(true)).contains(r#"{"0":"10.1.1.1:10911"}"#));
    for version in [0, 513] {
        assert!(text(version, None).contains(r#""topicSynFlag":0"#));
        assert!(text(version, None).contains(r#""topicSysFlag":0"#));
    }
}

#[test]
fn the_broker_of_this_process_is_where_the_client_came_in() {
    let fixture = with_broker(Fixture::with(|config| config.local_broker = Some("10.1.1.1:10911".into())));
    let addrs = |local: &str| {
        let caller = Caller::detached("1.2.3.4:5".parse().unwrap(), local.parse().unwrap()).0;
        let header = GetRouteinfoByTopicRequest { topic: "T".into(), ..Default::default() };
        let reply = fixture.call(&caller, RemotingCommand::request(&header));
        let route: TopicRouteData = body::from_json(&reply.body).unwrap();
        let request = RemotingCommand::request_without_header(RequestCode::GET_BROKER_CLUSTER_INFO);
        let info: ClusterInfo = body::from_json(&fixture.call(&caller, request).body).unwrap();
        assert_eq!(route.broker_datas[0].broker_addrs, info.broker_addr_table["b"].broker_addrs);
        route.broker_datas[0].broker_addrs[&0].clone()
    };
    assert_eq!(addrs("127.0.0.1:9876"), "127.0.0.1:10911");
    assert_eq!(addrs("[::ffff:192.168.0.4]:9876"), "192.168.0.4:10911");
    assert_eq!(addrs("[fe80::1]:9876"), "[fe80::1]:10911");
}

#[test]
fn a_zone_sees_its_own_brokers() {
    let fixture = with_broker(Fixture::new(Default::default()));
    let mut far = request(&registration("far", 0, &["T", "U"]));
    far.ext_fields.push("__ZONE_NAME", "z2");
    fixture.call(&connection().0, far);
    let header = GetRouteinfoByTopicRequest { topic: "T".into(), ..Default::default() };
    let mut request = RemotingCommand::request(&header);
    request.ext_fields.push("__ZONE_MODE", "true");
    request.ext_fields.push("__ZONE_NAME", "Z2");
    let route: TopicRouteData = body::from_json(&fixture.call(&connection().0, request).body).unwrap();
    assert_eq!((route.broker_datas.len(), route.queue_datas.len()), (1, 1));
    assert_eq!(route.queue_datas[0].broker_name, "far");
}

#[test]
fn write_permission_is_wiped_and_given_back() {
    let fixture = with_broker(Fixture::new(Default::default()));
    let reply = fixture.ask(&WipeWritePermOfBrokerRequest { broker_name: "b".into() });
    assert_eq!(reply.header(), Ok(WipeWritePermOfBrokerResponse { wipe_topic_count: 4 }));
    assert_eq!(fixture.route("T").unwrap().queue_datas[0].perm, 4);
    fixture.call(&connection().0, request(&registration("b", 0, &["T", "U"])));
    assert_eq!(
        fixture.route("T").unwrap().queue_datas[0].perm,
        4,
        "a registration of the same version keeps it"
    );
    let reply = fixture.ask(&AddWritePermOfBrokerRequest { broker_name: "b".into() });
    assert_eq!(reply.header(), Ok(AddWritePermOfBrokerResponse { add_topic_count: 5 }));
    assert_eq!(fixture.route("T").unwrap().queue_datas[0].perm, 6);
    let reply = fixture.ask(&WipeWritePermOfBrokerRequest { broker_name: "stranger".into() });
    assert_eq!(reply.header(), Ok(WipeWritePermOfBrokerResponse { wipe_topic_count: 0 }));
}

#[test]
fn topics_are_deleted_everywhere_or_in_one_cluster() {
    let fixture = with_broker(Fixture::new(Default::default()));
    let delete = |topic: &str, cluster: Option<&str>| {
        let header =
            DeleteTopicInNamesrvRequest { topic: topic.into(), cluster_name: cluster.map(Into::into) };
        assert_eq!(fixture.ask(&header).response_code(), ResponseCode::SUCCESS);
        fixture.route(topic).is_none()
    };
    assert!(!delete("T", Some("D")));
    assert!(delete("T", Some("C")));
    assert!(delete("Unit", Some("")));
    assert!(delete("Sub", None));
    assert!(delete("unknown", None));
}

#[test]
fn members_of_a_group_are_listed() {
    let fixture = with_broker(Fixture::new(Default::default()));
    fixture.call(&connection().0, request(&registration("b", 3, &["T", "U"])));
    let members = |name: &str| {
        let header = GetBrokerMemberGroupRequest { cluster_name: "C".into(), broker_name: name.into() };
        let content: GetBrokerMemberGroupResponseBody = body::from_json(&fixture.ask(&header).body).unwrap();
        content.broker_member_group.unwrap().broker_addrs.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(members("b"), [0, 3]);
    assert!(members("stranger").is_empty());
}

#[test]
fn the_order_configuration_is_in_routes_if_configured() {
    for (enabled, expected) in [(true, Some("b:4")), (false, None)] {
        let fixture = with_broker(Fixture::with(|config| config.keys.order_message_enable = enabled));
        fixture.ask(&PutKvConfigRequest {
            namespace: "ORDER_TOPIC_CONFIG".into(),
            key: "T".into(),
            value: "b:4".into(),
        });
        assert_eq!(fixture.route("T").unwrap().order_topic_conf.as_deref(), expected);
    }
}

#[test]
fn a_namespace_is_listed() {
    let fixture = Fixture::new(Default::default());
    for key in ["k", "j"] {
        let put = PutKvConfigRequest { namespace: "NS".into(), key: key.into(), value: "v=1".into() };
        fixture.ask(&put);
    }
    let reply = fixture.ask(&GetKvlistByNamespaceRequest { namespace: "NS".into() });
    let table: KVTable = body::from_json(&reply.body).unwrap();
    assert_eq!(
        table.table.into_iter().collect::<Vec<_>>(),
        [("j".into(), "v=1".into()), ("k".into(), "v=1".into())]
    );
}

#[test]
fn routes_wait_for_brokers_if_configured() {
    let fixture = with_broker(Fixture::with(|config| config.keys.need_wait_for_service = true));
    let header = GetRouteinfoByTopicRequest { topic: "T".into(), ..Default::default() };
    let reply = fixture.ask(&header);
    assert_eq!(
        (reply.response_code(), reply.remark.as_deref()),
        (ResponseCode::SYSTEM_ERROR, Some("name server not ready"))
    );
    fixture.clock.advance_ms(45_000);
    assert_eq!(fixture.ask(&header).response_code(), ResponseCode::SUCCESS);
}

fn update(fixture: &Fixture, text: &str) -> (ResponseCode, String) {
    let request = RemotingCommand::request_without_header(RequestCode::UPDATE_NAMESRV_CONFIG);
    let reply = fixture.call(&connection().0, request.with_body(text.to_owned()));
    (reply.response_code(), reply.remark.unwrap_or_default())
}

#[test]
fn the_configuration_is_changed_remotely_within_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("namesrv.properties");
    std::fs::write(&path, "# mine\norderMessageEnable=false\nlistenPort=1\n").unwrap();
    let mut config = NamesrvConfig::default().with_files_in(directory.path());
    config.keys.config_black_list = "enableTopicList".into();
    let fixture = Fixture::new(config);
    assert_eq!(update(&fixture, "orderMessageEnable=true\nserverWorkerThreads=9\n").0, ResponseCode::SUCCESS);
    assert!(fixture.namesrv.keys().order_message_enable);
    let stored = std::fs::read_to_string(&path).unwrap();
    assert_eq!(stored, "# mine\norderMessageEnable=true\nlistenPort=1\n");
    for key in ["configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome", "enableTopicList"] {
        let (code, remark) = update(&fixture, &format!("{key}=x\n"));
        assert_eq!(
            (code, remark.as_str()),
            (ResponseCode::NO_PERMISSION, "Can not update config in black list.")
        );
    }
    for (text, said) in [
        ("listenPort=9", "the key 'listenPort' is read at start only"),
        ("orderMessagEnable=true", "did you mean 'orderMessageEnable'?"),
        ("enableAllTopicList=yes", "it must be true or false"),
    ] {
        let (code, remark) = update(&fixture, text);
        assert_eq!(code, ResponseCode::INVALID_PARAMETER);
        assert!(remark.contains(said), "{remark}");
    }
    let request = RemotingCommand::request_without_header(RequestCode::GET_NAMESRV_CONFIG);
    let listed = String::from_utf8(fixture.call(&connection().0, request).body.to_vec()).unwrap();
    assert!(listed.contains("orderMessageEnable=true\n") && listed.contains("listenPort=9876\n"));
}
