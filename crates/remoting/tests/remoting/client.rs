//! The asking side: pipelining, time-outs, reconnection.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use crate::support::*;
use eruca_protocol::{RequestCode, ResponseCode};
use eruca_remoting::{Client, ClientConfig, InvokeError};

fn client() -> Client {
    Client::new(ClientConfig::default(), None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_calls_share_one_connection() {
    let (server, _service, addr) = server();
    let client = client();
    let addr = addr.to_string();
    let mut calls = tokio::task::JoinSet::new();
    for i in 0..200 {
        let (client, addr) = (client.clone(), addr.clone());
        calls.spawn(async move {
            let answer = client.invoke(&addr, request(ECHO, 0, i.to_string()), BOUND).await.unwrap();
            assert_eq!(answer.body, i.to_string());
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    assert_eq!(server.connections(), 1);
    drop(client);
    wait_until("the connection of the dropped client is closed", || server.connections() == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_may_come_in_any_order() {
    let (_server, service, addr) = server();
    let client = client();
    let addr = addr.to_string();
    let ask = |body| client.invoke(&addr, request(LATER, 0, body), BOUND);
    let answering = async {
        while service.later_count() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(client.invoke(&addr, request(ECHO, 0, "third"), BOUND).await.unwrap().body, "third");
        service.answer_later();
    };
    let (first, second, ()) = tokio::join!(ask("first"), ask("second"), answering);
    assert_eq!(first.unwrap().body, "first");
    assert_eq!(second.unwrap().body, "second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_out_leaves_the_other_calls_alone() {
    let (_server, service, addr) = server();
    let client = client();
    let addr = addr.to_string();
    let after = Duration::from_millis(30);
    let error = client.invoke(&addr, request(LATER, 0, "x"), after).await.unwrap_err();
    assert!(
        matches!(&error, InvokeError::Timeout { addr: a, after: t } if *a == addr && *t <= after),
        "{error}"
    );
    service.answer_later();
    assert_eq!(client.invoke(&addr, request(ECHO, 0, "y"), BOUND).await.unwrap().body, "y");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_is_left_after_a_time_out() {
    let listener = std::net::TcpListener::bind(local()).unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let client = client();
    let error = client.invoke(&addr, request(ECHO, 0, "x"), Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(error, InvokeError::Timeout { .. }), "{error}");
    let (mut silent, _) = listener.accept().unwrap();
    silent.set_read_timeout(Some(BOUND)).unwrap();
    let mut received = Vec::new();
    std::io::Read::read_to_end(&mut silent, &mut received).expect("the client has closed");
    assert!(!received.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oneway_requests_arrive() {
    let (_server, service, addr) = server();
    let client = client();
    client.oneway(&addr.to_string(), request(RequestCode(77), 0, "gone")).await.unwrap();
    wait_until("the request has come", || service.seen.lock().unwrap().len() == 1);
    assert!(service.seen.lock().unwrap()[0].is_oneway());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_connection_fails_its_waiters_at_once_and_the_next_call_reconnects() {
    let (server, service, addr) = server();
    let client = client();
    let addr = addr.to_string();
    let waiting = client.invoke(&addr, request(LATER, 0, "x"), BOUND);
    let closing = async {
        while service.later_count() == 0 {
            tokio::task::yield_now().await;
        }
        service.callers.lock().unwrap()[0].close();
    };
    let began = Instant::now();
    let (error, ()) = tokio::join!(waiting, closing);
    assert!(matches!(error, Err(InvokeError::Closed { .. })), "{error:?}");
    assert!(began.elapsed() < BOUND / 2);
    assert_eq!(client.invoke(&addr, request(ECHO, 0, "y"), BOUND).await.unwrap().body, "y");
    drop(server);
    let error = loop {
        // The client may not have seen the end yet.
        match client.invoke(&addr, request(ECHO, 0, "z"), BOUND).await.unwrap_err() {
            InvokeError::Closed { .. } => tokio::task::yield_now().await,
            error => break error,
        }
    };
    assert!(matches!(&error, InvokeError::Connect { addr: a, .. } if *a == addr), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_goes_away_is_asked_once_more_on_a_new_connection() {
    let listener = std::net::TcpListener::bind(local()).unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let peer = std::thread::spawn(move || {
        for code in [ResponseCode::GO_AWAY, ResponseCode::SUCCESS, ResponseCode::GO_AWAY] {
            let mut peer = Peer::accept(&listener);
            let request = peer.receive().unwrap();
            peer.send(&[request.reply(code).with_body(request.body.clone())]);
            if code != ResponseCode::SUCCESS {
                continue;
            }
            let request = peer.receive().unwrap();
            peer.send(&[request.reply(ResponseCode::GO_AWAY)]);
        }
    });
    let client = client();
    let answer = client.invoke(&addr, request(ECHO, 0, "again"), BOUND).await.unwrap();
    assert_eq!((answer.response_code(), &answer.body[..]), (ResponseCode::SUCCESS, &b"again"[..]));
    let error = client.invoke(&addr, request(ECHO, 0, "x"), BOUND).await.unwrap_err();
    assert!(matches!(error, InvokeError::GoAway { .. }), "{error}");
    peer.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_fails_all_callers_of_one_attempt() {
    let free = std::net::TcpListener::bind(local()).unwrap().local_addr().unwrap().to_string();
    let client = client();
    let ask = || client.invoke(&free, request(ECHO, 0, "x"), BOUND);
    for error in <[_; 3]>::from(tokio::join!(ask(), ask(), ask())) {
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with(&format!("cannot connect to {free}: ")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_serves_what_its_peer_asks() {
    let (_server, service, addr) = server();
    let served = Arc::new(TestService::default());
    let serving = Client::new(ClientConfig::default(), Some(served.clone()));
    serving.invoke(&addr.to_string(), request(ECHO, 0, "x"), BOUND).await.unwrap();
    let caller = service.callers.lock().unwrap()[0].clone();
    assert_eq!(caller.invoke(request(ECHO, 0, "who are you"), BOUND).await.unwrap().body, "who are you");
    assert_eq!(served.calls.load(Ordering::SeqCst), 1);

    let deaf = client();
    deaf.invoke(&addr.to_string(), request(ECHO, 0, "x"), BOUND).await.unwrap();
    let caller = service.callers.lock().unwrap()[1].clone();
    let answer = caller.invoke(request(ECHO, 0, ""), BOUND).await.unwrap();
    assert_eq!(answer.response_code(), ResponseCode::REQUEST_CODE_NOT_SUPPORTED);
    assert_eq!(answer.remark.as_deref(), Some(" request type 9001 not supported"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_close_nothing_is_sent_any_more() {
    let (server, service, addr) = server();
    let client = client();
    let addr = addr.to_string();
    let waiting = client.invoke(&addr, request(LATER, 0, "x"), BOUND);
    let closing = async {
        while service.later_count() == 0 {
            tokio::task::yield_now().await;
        }
        client.close();
    };
    let (error, ()) = tokio::join!(waiting, closing);
    assert!(matches!(error, Err(InvokeError::Closed { .. })), "{error:?}");
    let error = client.invoke(&addr, request(ECHO, 0, "x"), BOUND).await.unwrap_err();
    assert!(matches!(error, InvokeError::Closed { .. }), "{error}");
    while server.connections() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_over_the_frame_limit_is_refused_before_it_is_sent() {
    let (_server, _service, addr) = server();
    let client = Client::new(ClientConfig { max_frame_bytes: 1000, ..ClientConfig::default() }, None);
    let error = client.invoke(&addr.to_string(), request(ECHO, 0, vec![0; 2000]), BOUND).await.unwrap_err();
    assert!(matches!(error, InvokeError::TooBig { size_bytes: 2000, limit_bytes: 1000, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_connection_is_told_to_all_who_wait_for_it_and_to_those_who_ask_later() {
    let (server, _service, addr) = server();
    let client = client();
    let connection = client.connect(&addr.to_string(), BOUND).await.unwrap();
    let waiting = async { tokio::join!(connection.closed(), connection.closed()) };
    tokio::pin!(waiting);
    assert!(is_pending(waiting.as_mut()).await, "it has not ended");
    server.shutdown(Duration::ZERO);
    tokio::time::timeout(BOUND, waiting).await.unwrap();
    assert!(!connection.is_open());
    tokio::time::timeout(BOUND, connection.closed()).await.unwrap();
}

/// Polls once.
async fn is_pending<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}
