use proptest::prelude::*;

use super::{table::live_key, *};
use crate::NamesrvKeys;
use eruca_message::Timestamp;
use eruca_protocol::body::{DataVersion, TopicConfig};

fn broker(group: u8, id: i64) -> BrokerIdentity {
    BrokerIdentity {
        cluster: format!("c{}", group % 2),
        broker_name: format!("b{group}"),
        broker_id: id,
        broker_addr: format!("10.0.{group}.{id}:10911"),
    }
}

fn registration(broker: BrokerIdentity, topics: &[u8], version: i64) -> Registration {
    Registration {
        broker,
        ha_server_addr: String::new(),
        zone_name: None,
        heartbeat_timeout_ms: Some(100),
        enable_acting_master: Some(true),
        data_version: DataVersion { counter: version, ..DataVersion::default() },
        topics: topics.iter().map(|topic| TopicConfig::new(format!("t{topic}"), 4)).collect(),
        mappings: Default::default(),
        filter_servers: None,
        connection_id: 1,
    }
}

#[test]
fn the_limits_hold() {
    let mut routes = RouteTable::new(RouteLimits { brokers: 2, topics: 3 });
    let keys = NamesrvKeys::default();
    let mut register = |group, topics: &[u8]| {
        routes.register(registration(broker(group, 0), topics, 0), &keys, Timestamp(0))
    };
    assert_eq!(register(0, &[1, 2]).unwrap().skipped_topics, 0);
    assert_eq!(register(1, &[1, 2, 3, 4]).unwrap().skipped_topics, 1);
    assert_eq!(register(2, &[1, 2]), Err(Refused::TooManyBrokers { limit: 2 }));
    assert_eq!(register(1, &[1, 2]).unwrap().skipped_topics, 0);
}

#[derive(Debug, Clone)]
enum Event {
    Register { group: u8, id: i64, topics: Vec<u8>, version: i64 },
    Unregister { group: u8, id: i64 },
    Wait(i64),
    DeleteTopic(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0u8..3, 0i64..3, proptest::collection::vec(0u8..6, 2..5), 0i64..3)
            .prop_map(|(group, id, topics, version)| Event::Register { group, id, topics, version }),
        2 => (0u8..3, 0i64..3).prop_map(|(group, id)| Event::Unregister { group, id }),
        1 => (1i64..150).prop_map(Event::Wait),
        1 => (0u8..6).prop_map(Event::DeleteTopic),
    ];
    proptest::collection::vec(event, 0..40)
}

/// What must hold between the tables at any time.
fn check(routes: &RouteTable) {
    for (name, group) in &routes.groups {
        assert!(!group.addrs.is_empty(), "group {name} without members");
        assert!(routes.clusters[&group.cluster].contains(name));
        for addr in group.addrs.values() {
            assert!(routes.live.contains_key(&live_key(&group.cluster, addr)), "{addr} is not alive");
        }
    }
    for (cluster, names) in &routes.clusters {
        assert!(!names.is_empty(), "cluster {cluster} without brokers");
        assert!(names.iter().all(|name| routes.groups.contains_key(name)));
    }
    for (topic, on) in &routes.topics {
        assert!(!on.is_empty() && on.is_sorted_by(|a, b| a.0 < b.0), "topic {topic}");
        assert!(on.iter().all(|(name, _)| routes.groups.contains_key(name.as_ref())));
        assert!(routes.route(topic, true).is_some_and(|route| !route.broker_datas.is_empty()));
    }
    let members: usize = routes.groups.values().map(|group| group.addrs.len()).sum();
    assert_eq!(members, routes.live.len());
}

proptest! {
    #[test]
    fn the_tables_agree_whatever_brokers_do(events in events()) {
        let mut routes = RouteTable::default();
        let keys = NamesrvKeys { support_acting_master: true, ..NamesrvKeys::default() };
        let mut now = Timestamp(0);
        for event in events {
            match event {
                Event::Register { group, id, topics, version } => {
                    let _ = routes.register(registration(broker(group, id), &topics, version), &keys, now);
                }
                Event::Unregister { group, id } => {
                    routes.unregister(&[broker(group, id)], &keys);
                }
                Event::Wait(ms) => {
                    now = now.add_ms(ms);
                    routes.expire_step(now, &keys);
                    assert!(routes.live.values().all(|live| now.ms_since(live.last_update) <= 100));
                }
                Event::DeleteTopic(topic) => routes.delete_topic(&format!("t{topic}"), None),
            }
            check(&routes);
        }
        routes.disconnected(1, &keys);
        prop_assert!(routes.groups.is_empty() && routes.topics.is_empty() && routes.clusters.is_empty());
    }
}
