//! How a server ends.

use std::{
    net::TcpStream,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use crate::support::*;
use eruca_protocol::ResponseCode;

#[test]
fn replies_in_flight_go_out_and_new_requests_are_told_to_go_away() {
    let (server, service, addr) = server();
    let mut idle = Peer::connect(addr);
    idle.ask(request(ECHO, 1, "x"));
    let mut peer = Peer::connect(addr);
    peer.send(&[request(LATER, 1, "late")]);
    wait_until("the request is parked", || service.later_count() == 1);

    let ending = std::thread::spawn(move || server.shutdown(BOUND));
    assert!(idle.is_closed_by_server(), "who is owed nothing is closed at once");
    let go_away = peer.ask(request(ECHO, 2, "new"));
    assert_eq!((go_away.opaque, go_away.response_code()), (2, ResponseCode::GO_AWAY));
    let mut old = request(ECHO, 3, "old client");
    old.version = 475;
    assert_eq!(peer.ask(old).response_code(), ResponseCode::SUCCESS);
    assert!(TcpStream::connect(addr).is_err(), "nobody listens any more");

    service.answer_later();
    assert_eq!(peer.receive().unwrap().opaque, 1);
    assert!(peer.is_closed_by_server());
    ending.join().unwrap();
    assert_eq!(service.disconnects.load(Ordering::SeqCst), 2);
}

#[test]
fn the_grace_period_ends_what_does_not_end_by_itself() {
    let (server, service, addr) = server();
    let mut peer = Peer::connect(addr);
    peer.send(&[request(LATER, 1, "never")]);
    wait_until("the request is parked", || service.later_count() == 1);
    let began = Instant::now();
    server.shutdown(Duration::from_millis(50));
    assert!(began.elapsed() < BOUND / 2);
    assert!(peer.is_closed_by_server());
    assert_eq!(service.disconnects.load(Ordering::SeqCst), 1, "the end is told");
    assert!(!service.callers.lock().unwrap()[0].is_open());
    server.shutdown(BOUND);
}

#[test]
fn a_dropped_server_closes_everything() {
    let (server, service, addr) = server();
    let mut peers: Vec<_> = (0..5).map(|_| Peer::connect(addr)).collect();
    peers.iter_mut().for_each(|peer| assert_eq!(peer.ask(request(ECHO, 1, "x")).body, "x"));
    drop(server);
    assert!(peers.iter_mut().all(Peer::is_closed_by_server));
    assert_eq!(service.disconnects.load(Ordering::SeqCst), 5);
}
