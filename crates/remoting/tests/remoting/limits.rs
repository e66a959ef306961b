//! What peers cannot do to a server.

use std::{
    io::Read,
    net::TcpStream,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use crate::support::*;

fn log_of(peer: &Peer) -> Vec<String> {
    let addr = peer.addr().to_string();
    wait_until("the connection's line is logged", || !log::lines_with(&addr).is_empty());
    log::lines_with(&addr)
}

#[track_caller]
fn assert_closed_with_one_line(peer: &mut Peer, part: &str) {
    assert!(peer.is_closed_by_server());
    let lines = log_of(peer);
    assert!(lines.len() == 1 && lines[0].contains(part), "{lines:?}");
}

#[test]
fn a_peer_that_does_not_read_cannot_make_the_server_buffer_more_than_the_bound() {
    const HIGH_WATER: usize = 256 << 10;
    const REPLY: usize = 64 << 10;
    let (server, service, addr) = server_with(|config| config.output_high_water_bytes = HIGH_WATER);
    let mut peer = Peer::connect(addr);
    let requests: Vec<_> = (0..1000).map(|i| request(BIG, i, REPLY.to_string())).collect();
    peer.send(&requests);
    // The system's socket buffers take some megabytes; then the server must stop handling.
    let mut before = usize::MAX;
    let mut unchanged_since = Instant::now();
    wait_until("the server has stopped handling requests", || {
        let calls = service.calls.load(Ordering::SeqCst);
        if calls != before {
            (before, unchanged_since) = (calls, Instant::now());
        }
        assert!(server.in_flight_bytes() <= HIGH_WATER + REPLY + (256 << 10), "{}", server.in_flight_bytes());
        unchanged_since.elapsed() > Duration::from_millis(200)
    });
    assert!(before < 1000, "all {before} requests were handled though nothing was read");
    for i in 0..1000 {
        let answer = peer.receive().unwrap();
        assert_eq!((answer.opaque, answer.body.len()), (i, REPLY));
    }
    drop(peer);
    wait_until("everything is given back", || server.in_flight_bytes() == 0);
}

#[test]
fn late_answers_beyond_the_bound_close_the_connection() {
    let (server, service, addr) = server_with(|config| {
        config.output_high_water_bytes = 64 << 10;
        config.output_max_bytes = 1 << 20;
    });
    let mut peer = Peer::connect(addr);
    let body = vec![b'x'; 32 << 10];
    let requests: Vec<_> = (0..600).map(|i| request(LATER, i, body.clone())).collect();
    peer.send(&requests);
    wait_until("all are parked", || service.later_count() == 600);
    service.answer_later();
    let addr = peer.addr().to_string();
    wait_until("the connection is closed", || {
        assert!(server.in_flight_bytes() <= (1 << 20) + (64 << 10), "{}", server.in_flight_bytes());
        !log::lines_with(&addr).is_empty()
    });
    let lines = log::lines_with(&addr);
    assert!(lines.len() == 1 && lines[0].contains("too many answers"), "{lines:?}");
}

#[test]
fn a_peer_that_stops_reading_is_closed_in_the_end() {
    let (_server, _service, addr) = server_with(|config| config.stall_timeout = Duration::from_millis(100));
    let mut peer = Peer::connect(addr);
    peer.send(&[request(BIG, 1, (15 << 20).to_string())]);
    let lines = log_of(&peer);
    assert!(lines.len() == 1 && lines[0].contains("has not read its answers"), "{lines:?}");
}

#[test]
fn bytes_in_flight_over_the_limit_stop_new_requests_until_they_are_gone() {
    let (server, service, addr) = server_with(|config| {
        config.max_in_flight_bytes = 4 << 20;
        config.output_high_water_bytes = 64 << 20;
    });
    let mut greedy = Peer::connect(addr);
    greedy.send(&[request(BIG, 1, (15 << 20).to_string())]);
    wait_until("the answer waits", || server.in_flight_bytes() > 4 << 20);
    let mut other = Peer::connect(addr);
    let calls = service.calls.load(Ordering::SeqCst);
    other.send(&[request(ECHO, 2, "x")]);
    assert_eq!(greedy.receive().unwrap().body.len(), 15 << 20);
    assert_eq!(other.receive().unwrap().opaque, 2);
    assert_eq!(service.calls.load(Ordering::SeqCst), calls + 1);
}

#[test]
fn half_frames_over_twice_the_limit_cost_their_connections() {
    let (server, _service, addr) = server_with(|config| config.max_in_flight_bytes = 1 << 20);
    let mut frame = encoded(&[request(ECHO, 1, vec![0; 8 << 20])]);
    frame.truncate(6 << 20);
    let mut peer = Peer::connect(addr);
    let mut writer = peer.stream.try_clone().unwrap();
    // The server may close while this still writes.
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &frame).is_ok());
    assert_closed_with_one_line(&mut peer, "twice the limit");
    writing.join().unwrap();
    wait_until("everything is given back", || server.in_flight_bytes() == 0);
}

#[test]
fn a_frame_over_the_limit_closes_the_connection() {
    let (_server, _service, addr) = server_with(|config| config.max_frame_bytes = 10_000);
    let mut peer = Peer::connect(addr);
    assert_eq!(peer.ask(request(ECHO, 1, vec![1; 5000])).body.len(), 5000);
    peer.send(&[request(ECHO, 2, vec![1; 20_000])]);
    assert_closed_with_one_line(&mut peer, "bad frame");
}

#[test]
fn strangers_cost_one_line_that_says_what_they_look_like() {
    let (_server, _service, addr) = server();
    let strangers: [(&[u8], &str); 5] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "looks like TLS: this port speaks plain remoting"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "looks like HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "looks like HTTP/2"),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", "PROXY protocol"),
        (&[0xff; 100], "is no remoting frame"),
    ];
    for (bytes, what) in strangers {
        let mut peer = Peer::connect(addr);
        peer.send_bytes(bytes);
        assert_closed_with_one_line(&mut peer, what);
    }
}

#[test]
fn garbage_after_good_frames_is_a_bad_frame_and_the_good_ones_are_answered() {
    let (_server, _service, addr) = server();
    let mut peer = Peer::connect(addr);
    let mut bytes = encoded(&[request(ECHO, 1, "x")]);
    bytes.extend_from_slice(&[0xff; 64]);
    peer.send_bytes(&bytes);
    assert_eq!(peer.receive().unwrap().opaque, 1);
    assert_closed_with_one_line(&mut peer, "bad frame");
}

#[test]
fn half_a_frame_and_silence_is_closed_with_a_line() {
    let (_server, _service, addr) = server_with(|config| config.idle_timeout = Duration::from_millis(100));
    let mut peer = Peer::connect(addr);
    let bytes = encoded(&[request(ECHO, 1, "hello")]);
    peer.send_bytes(&bytes[..bytes.len() - 2]);
    assert_closed_with_one_line(&mut peer, "half a frame");
}

#[test]
fn a_health_probe_costs_no_line() {
    let (server, service, addr) = server();
    let peer = Peer::connect(addr);
    let probe_addr = peer.addr().to_string();
    drop(peer);
    wait_until("the end is told", || service.disconnects.load(Ordering::SeqCst) == 1);
    wait_until("no connection is left", || server.connections() == 0);
    assert!(log::lines_with(&probe_addr).is_empty());
}

#[test]
fn idle_connections_are_closed_and_busy_ones_are_not() {
    let (_server, _service, addr) = server_with(|config| config.idle_timeout = Duration::from_millis(300));
    let mut idle = Peer::connect(addr);
    let mut busy = Peer::connect(addr);
    idle.ask(request(ECHO, 1, "x"));
    idle.stream.set_nonblocking(true).unwrap();
    let is_closed = |stream: &mut TcpStream| matches!(stream.read(&mut [0; 8]), Ok(0));
    wait_until("the idle one is closed", || {
        busy.ask(request(ECHO, 1, "x"));
        is_closed(&mut idle.stream)
    });
    busy.ask(request(ECHO, 2, "x"));
}

#[test]
fn connections_over_the_limit_are_refused_with_a_line_and_places_are_free_again() {
    let (server, _service, addr) = server_with(|config| config.max_connections = 3);
    let mut peers: Vec<_> = (0..3).map(|_| Peer::connect(addr)).collect();
    peers.iter_mut().for_each(|peer| assert_eq!(peer.ask(request(ECHO, 1, "x")).body, "x"));
    let mut refused = Peer::connect(addr);
    assert!(refused.is_closed_by_server());
    let lines = log_of(&refused);
    assert!(lines.len() == 1 && lines[0].contains("limit of connections"), "{lines:?}");
    peers.pop();
    wait_until("a place is free", || server.connections() == 2);
    assert_eq!(Peer::connect(addr).ask(request(ECHO, 1, "x")).body, "x");
}
