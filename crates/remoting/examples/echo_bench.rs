//! What a request costs a server that does nothing with it: CPU per request, and memory per idle connection.
//!
//! `cargo run --release -p eruca-remoting --example echo_bench`. The server is a process of its own, so that its
//! processor time can be told from the load's. Linux only.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use eruca_protocol::{RemotingCommand, RequestCode, ResponseCode};
use eruca_remoting::{Caller, CommandService, Reply, Server, ServerConfig};

const REQUEST_BODY_BYTES: usize = 1024;
const RUN: Duration = Duration::from_secs(2);

struct Echo;

impl CommandService for Echo {
    fn call(&self, _caller: &Caller, request: RemotingCommand) -> Reply {
        Reply::AfterSettle(request.reply(ResponseCode::SUCCESS))
    }
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return serve();
    }
    println!("connections x pipelined   requests/s   server CPU µs/request");
    for (connections, depth) in [(1, 1), (64, 1), (64, 16), (1000, 1)] {
        let (child, addr) = start();
        let mut peers: Vec<_> = (0..connections).map(|_| TcpStream::connect(addr).unwrap()).collect();
        load(&mut peers, depth, RUN / 4);
        let before = cpu(&child);
        let began = Instant::now();
        let requests = load(&mut peers, depth, RUN);
        let rate = requests as f64 / began.elapsed().as_secs_f64();
        let micros = (cpu(&child) - before).as_secs_f64() * 1e6 / requests as f64;
        println!("{connections:5} x {depth:<4} {rate:20.0} {micros:16.2}");
        stop(child);
    }
    let (child, addr) = start();
    let mut peers: Vec<_> = (0..10).map(|_| TcpStream::connect(addr).unwrap()).collect();
    load(&mut peers, 1, RUN / 8);
    let before = resident_bytes(&child);
    let mut idle: Vec<_> = (0..4000).map(|_| TcpStream::connect(addr).unwrap()).collect();
    load(&mut idle, 1, Duration::from_millis(1));
    let bytes = (resident_bytes(&child) - before) / idle.len();
    println!(
        "resident bytes per idle connection: {bytes} (server in all: {} KiB)",
        resident_bytes(&child) >> 10
    );
    stop(child);
}

fn serve() {
    let listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let server = Server::bind(ServerConfig { listen, ..ServerConfig::default() }, Arc::new(Echo)).unwrap();
    println!("{}", server.local_addrs()[0]);
    // Until the bench closes our standard input.
    let _ = std::io::stdin().read(&mut [0]);
}

fn start() -> (Child, SocketAddr) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().parse().unwrap())
}

fn stop(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

/// Sends `depth` requests on every connection, then reads all their answers, over and over.
fn load(peers: &mut [TcpStream], depth: usize, time: Duration) -> usize {
    let mut request = RemotingCommand::request_without_header(RequestCode::SEND_MESSAGE_V2);
    for (name, value) in
        [("a", "bench_group"), ("b", "bench_topic"), ("d", "4"), ("e", "1"), ("g", "1700000000000")]
    {
        request.ext_fields.push(name, value);
    }
    let mut bytes = BytesMut::new();
    let request = request.with_body(vec![0; REQUEST_BODY_BYTES]);
    (0..depth).for_each(|_| request.encode(&mut bytes).unwrap());
    let mut reply = BytesMut::new();
    request.reply(ResponseCode::SUCCESS).encode(&mut reply).unwrap();
    let mut replies = vec![0; reply.len() * depth];
    let end = Instant::now() + time;
    let mut requests = 0;
    while Instant::now() < end || requests == 0 {
        peers.iter_mut().for_each(|peer| peer.write_all(&bytes).unwrap());
        peers.iter_mut().for_each(|peer| peer.read_exact(&mut replies).unwrap());
        requests += peers.len() * depth;
    }
    requests
}

/// Time on a processor of all threads of the child.
fn cpu(child: &Child) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let nanos = tasks.map(|task| {
        let text = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        text.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(nanos.sum())
}

fn resident_bytes(child: &Child) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}
