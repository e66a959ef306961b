//! What a server does with the requests of well-behaved peers.

use std::{collections::HashSet, sync::atomic::Ordering, time::Duration};

use crate::support::*;
use eruca_protocol::{HeaderEncoding, RequestCode, ResponseCode};
use eruca_remoting::{InvokeError, Server, ServerConfig};

#[test]
fn pipelined_requests_are_all_answered_and_settled_once_per_read() {
    let (_server, service, addr) = server();
    let mut peer = Peer::connect(addr);
    let requests: Vec<_> = (0..16).map(|i| request(SETTLED, i, i.to_string())).collect();
    peer.send(&requests);
    let answers = peer.receive_count(16);
    for (i, answer) in answers.iter().enumerate() {
        assert_eq!(answer.opaque, i as i32, "answers at once keep the order");
        assert_eq!(answer.body, i.to_string());
        assert!(answer.is_response());
    }
    assert_eq!(service.calls.load(Ordering::SeqCst), 16);
    assert_eq!(service.settles.load(Ordering::SeqCst), 1);
}

#[test]
fn nothing_is_settled_when_every_reply_is_at_once() {
    let (_server, service, addr) = server();
    let mut peer = Peer::connect(addr);
    peer.ask(request(ECHO, 1, "x"));
    assert_eq!(service.settles.load(Ordering::SeqCst), 0);
}

#[test]
fn when_settling_fails_only_the_replies_that_hang_on_it_are_replaced() {
    let (_server, service, addr) = server();
    service.settle_fails.store(true, Ordering::SeqCst);
    let mut peer = Peer::connect(addr);
    peer.send(&[request(SETTLED, 1, "a"), request(ECHO, 2, "b"), request(SETTLED, 3, "c")]);
    let answers = peer.receive_count(3);
    for answer in [&answers[0], &answers[2]] {
        assert_eq!(answer.response_code(), ResponseCode::SYSTEM_BUSY);
        assert_eq!(answer.remark.as_deref(), Some("disk full"));
        assert!(answer.body.is_empty());
    }
    assert_eq!((answers[0].opaque, answers[2].opaque), (1, 3));
    assert_eq!(answers[1].response_code(), ResponseCode::SUCCESS);
}

#[test]
fn later_replies_overtake_and_keep_opaque_and_encoding() {
    let (_server, service, addr) = server();
    let mut peer = Peer::connect(addr);
    let mut binary = request(LATER, 8, "late");
    binary.encoding = HeaderEncoding::Binary;
    peer.send(&[request(LATER, 7, "later"), binary, request(ECHO, 9, "now")]);
    assert_eq!(peer.receive().unwrap().opaque, 9);
    wait_until("both are parked", || service.later_count() == 2);
    service.answer_later();
    let answers = peer.receive_count(2);
    assert_eq!((answers[0].opaque, answers[0].encoding), (8, HeaderEncoding::Binary));
    assert_eq!((answers[1].opaque, answers[1].encoding), (7, HeaderEncoding::Json));
}

#[test]
fn oneway_requests_are_never_answered_but_settled() {
    let (_server, service, addr) = server();
    let mut peer = Peer::connect(addr);
    let oneway = |code| request(code, 1, "x").oneway();
    peer.send(&[oneway(ECHO), oneway(SETTLED), oneway(LATER), oneway(PANIC), request(ECHO, 2, "y")]);
    assert_eq!(peer.receive().unwrap().opaque, 2);
    service.answer_later();
    assert_eq!(peer.ask(request(ECHO, 3, "z")).opaque, 3);
    assert!(service.settles.load(Ordering::SeqCst) >= 1);
}

#[test]
fn a_panicking_handler_is_answered_and_hurts_nobody_else() {
    let (_server, _service, addr) = server_with(|config| config.shards = 1);
    let mut other = Peer::connect(addr);
    let mut peer = Peer::connect(addr);
    peer.send(&[request(PANIC, 1, "x"), request(ECHO, 2, "y")]);
    let answers = peer.receive_count(2);
    assert_eq!((answers[0].opaque, answers[0].response_code()), (1, ResponseCode::SYSTEM_ERROR));
    assert_eq!(answers[1].response_code(), ResponseCode::SUCCESS);
    assert_eq!(other.ask(request(ECHO, 1, "z")).body, "z");
    let lines = log::lines_with(&peer.addr().to_string());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("as the test asked"), "{lines:?}");
}

#[test]
fn a_dropped_responder_answers_that_it_was_dropped() {
    let (_server, service, addr) = server();
    let mut peer = Peer::connect(addr);
    peer.send(&[request(LATER, 5, "")]);
    wait_until("the request is parked", || service.later_count() == 1);
    service.later.lock().unwrap().clear();
    let answer = peer.receive().unwrap();
    assert_eq!((answer.opaque, answer.response_code()), (5, ResponseCode::SYSTEM_ERROR));
}

#[test]
fn bodies_of_any_size_come_through_in_order() {
    let (_server, _service, addr) = server();
    let mut peer = Peer::connect(addr);
    let sizes = [0, 1, 4095, 4096, 4097, 70_000, 3, 1 << 20, 100, 5000, 2 << 20, 7];
    let requests: Vec<_> = (0..).zip(sizes).map(|(i, size)| request(BIG, i, size.to_string())).collect();
    peer.send(&requests);
    for (i, answer) in peer.receive_count(sizes.len()).iter().enumerate() {
        assert_eq!((answer.opaque as usize, answer.body.len()), (i, sizes[i]));
        assert!(answer.body.iter().all(|byte| *byte == b'x'));
    }
    let large = vec![b'y'; 3 << 20];
    assert_eq!(peer.ask(request(ECHO, 1, large.clone())).body, large);
}

#[test]
fn frames_in_single_bytes_are_put_together() {
    let (_server, _service, addr) = server();
    let mut peer = Peer::connect(addr);
    let bytes = encoded(&[request(ECHO, 1, "ab"), request(ECHO, 2, "cd")]);
    bytes.chunks(1).for_each(|byte| peer.send_bytes(byte));
    assert_eq!(peer.receive().unwrap().body, "ab");
    assert_eq!(peer.receive().unwrap().body, "cd");
}

#[test]
fn every_connection_has_its_own_id_and_its_end_is_told_once() {
    let (server, service, addr) = server();
    let mut peers: Vec<_> = (0..10).map(|_| Peer::connect(addr)).collect();
    peers.iter_mut().for_each(|peer| assert_eq!(peer.ask(request(ECHO, 1, "x")).body, "x"));
    let callers = service.callers.lock().unwrap().clone();
    assert_eq!(callers.iter().map(|caller| caller.id()).collect::<HashSet<_>>().len(), 10);
    assert!(callers.iter().all(|caller| caller.is_open() && caller.local_addr() == addr));
    assert_eq!(callers.iter().map(|caller| caller.peer_addr()).collect::<HashSet<_>>().len(), 10);
    drop(peers);
    wait_until("all ends are told", || service.disconnects.load(Ordering::SeqCst) == 10);
    assert!(callers.iter().all(|caller| !caller.is_open()));
    wait_until("no connection is left", || server.connections() == 0);
    assert_eq!(server.in_flight_bytes(), 0);
}

#[test]
fn a_server_can_close_a_connection_and_push_to_it() {
    let (_server, service, addr) = server();
    let mut peer = Peer::connect(addr);
    peer.ask(request(ECHO, 1, "x"));
    let caller = service.callers.lock().unwrap()[0].clone();
    caller.notify(request(RequestCode::NOTIFY_CONSUMER_IDS_CHANGED, 0, "")).unwrap();
    let pushed = peer.receive().unwrap();
    assert_eq!(pushed.request_code(), RequestCode::NOTIFY_CONSUMER_IDS_CHANGED);
    assert!(pushed.is_oneway() && !pushed.is_response());
    caller.close();
    assert!(peer.is_closed_by_server());
}

#[tokio::test]
async fn a_server_can_ask_its_peer() {
    let (_server, service, addr) = server();
    let mut peer = Peer::connect(addr);
    peer.ask(request(ECHO, 1, "x"));
    let caller = service.callers.lock().unwrap()[0].clone();
    let peer_thread = std::thread::spawn(move || {
        let first = peer.receive().unwrap();
        let second = peer.receive().unwrap();
        let answer = |request: &eruca_protocol::RemotingCommand| {
            request.reply(ResponseCode::SUCCESS).with_body(request.body.clone())
        };
        peer.send(&[answer(&second), answer(&first)]);
        peer
    });
    let ask = |body| caller.invoke(request(RequestCode::GET_CONSUMER_RUNNING_INFO, 0, body), BOUND);
    let (first, second) = tokio::join!(ask("first"), ask("second"));
    assert_eq!(first.unwrap().body, "first");
    assert_eq!(second.unwrap().body, "second");
    let _peer = peer_thread.join().unwrap();
    let error = caller.invoke(request(ECHO, 0, ""), Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(error, InvokeError::Timeout { .. }), "{error}");
}

#[test]
fn a_thousand_connections_are_served_at_once() {
    let (server, _service, addr) = server();
    let mut peers: Vec<_> = (0..1000).map(|_| Peer::connect(addr)).collect();
    for round in 0..3 {
        let wanted = |i: usize| format!("{round}/{i}");
        peers.iter_mut().enumerate().for_each(|(i, peer)| peer.send(&[request(ECHO, round, wanted(i))]));
        for (i, peer) in peers.iter_mut().enumerate() {
            assert_eq!(peer.receive().unwrap().body, wanted(i));
        }
    }
    assert_eq!(server.connections(), 1000);
}

#[test]
fn a_second_server_on_the_port_is_refused() {
    let (server, service, addr) = server();
    let config = || ServerConfig { listen: vec![local(), addr], name: "second", ..ServerConfig::default() };
    let error = Server::bind(config(), service.clone()).unwrap_err();
    assert_eq!(error.addr, addr);
    assert!(error.to_string().starts_with(&format!("second cannot listen on {addr}: ")), "{error}");
    drop(server);
    Server::bind(config(), service).expect("the port is free again");
}
