//! Who of another group is asked, and when nobody is.

use std::sync::Arc;

use eruca_message::ManualClock;
use eruca_protocol::body::BrokerData;

use super::*;
use crate::{
    config::BrokerConfig,
    control::Control,
    role::{Role, RoleState, Standing},
    settings::Settings,
};

#[test]
fn the_master_is_asked_or_who_stands_in_for_it() {
    let group = |name: &str, brokers: &[(i64, &str)]| BrokerData {
        broker_name: name.to_owned(),
        broker_addrs: brokers.iter().map(|(id, addr)| (*id, (*addr).to_owned())).collect(),
        ..BrokerData::default()
    };
    let route = TopicRouteData {
        broker_datas: vec![
            group("whole", &[(0, "m"), (1, "s")]),
            group("slaves", &[(3, "c"), (2, "b")]),
            group("none", &[]),
        ],
        ..TopicRouteData::default()
    };
    let hosts = ["whole", "slaves", "none", "unknown"].map(|name| host_in(&route, name));
    assert_eq!(hosts, [Some("m".to_owned()), Some("b".to_owned()), None, None]);
}

#[test]
fn who_did_not_answer_is_not_asked_again_for_a_while() {
    let clock = Arc::new(ManualClock::new(Timestamp(1_000)));
    let role = RoleState::new(Standing { role: Role::Master, broker_id: 0, master: None, epoch: 0 });
    let settings = Arc::new(Settings::new(BrokerConfig::default()));
    let control = Arc::new(Control::start().unwrap());
    let escape = Escape::new(Arc::new(role), settings, clock.clone(), control, Vec::new());
    // Nobody listens at that port.
    escape.remember("a", Ok("127.0.0.1:1".to_owned()));
    let refused = escape.fetch("a", "T", 0, 0).unwrap_err();
    escape.remember("b", Err("as it was said".to_owned()));
    assert_eq!(escape.fetch("b", "T", 0, 0), Err("as it was said".to_owned()));
    assert_eq!(escape.fetch("a", "T", 0, 0), Err(refused));
    clock.advance_ms(HOST_MS);
    assert_eq!(escape.fetch("a", "T", 0, 0), Err("there is no name server".to_owned()));
    escape.close();
    assert_eq!(escape.fetch("a", "T", 0, 0), Err("this broker is shutting down".to_owned()));
}
