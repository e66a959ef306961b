//! A service with one behaviour per request code, a peer that speaks frames over a plain socket, and the log.

pub(crate) mod log;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::BytesMut;
use eruca_protocol::{FrameDecoder, RemotingCommand, RequestCode, ResponseCode};
use eruca_remoting::{Caller, CommandService, Reply, Responder, Server, ServerConfig, SettleError};

/// Answered at once with the request's body.
pub(crate) const ECHO: RequestCode = RequestCode(9001);
/// As [`ECHO`], after settling.
pub(crate) const SETTLED: RequestCode = RequestCode(9002);
/// Answered when the test says so.
pub(crate) const LATER: RequestCode = RequestCode(9003);
/// The handler panics.
pub(crate) const PANIC: RequestCode = RequestCode(9004);
/// Answered with as many bytes as the body's decimal number says.
pub(crate) const BIG: RequestCode = RequestCode(9005);

/// No condition of a test takes so long.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(crate) struct TestService {
    pub(crate) calls: AtomicUsize,
    pub(crate) settles: AtomicUsize,
    pub(crate) settle_fails: AtomicBool,
    pub(crate) disconnects: AtomicUsize,
    pub(crate) later: Mutex<Vec<(Responder, RemotingCommand)>>,
    pub(crate) callers: Mutex<Vec<Caller>>,
    pub(crate) seen: Mutex<Vec<RemotingCommand>>,
}

impl CommandService for TestService {
    fn call(&self, caller: &Caller, request: RemotingCommand) -> Reply {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut callers = self.callers.lock().unwrap();
        if !callers.contains(caller) {
            callers.push(caller.clone());
        }
        drop(callers);
        let echo = request.reply(ResponseCode::SUCCESS).with_body(request.body.clone());
        match request.request_code() {
            ECHO => Reply::Now(echo),
            SETTLED => Reply::AfterSettle(echo),
            LATER => {
                self.later.lock().unwrap().push((caller.responder(&request), echo));
                Reply::Later
            }
            PANIC => panic!("as the test asked"),
            BIG => {
                let len: usize = std::str::from_utf8(&request.body).unwrap().parse().unwrap();
                Reply::Now(echo.with_body(vec![b'x'; len]))
            }
            _ => {
                self.seen.lock().unwrap().push(request);
                Reply::None
            }
        }
    }

    fn settle(&self) -> Result<(), SettleError> {
        self.settles.fetch_add(1, Ordering::SeqCst);
        if self.settle_fails.load(Ordering::SeqCst) {
            return Err(SettleError { code: ResponseCode::SYSTEM_BUSY, remark: "disk full".into() });
        }
        Ok(())
    }

    fn disconnected(&self, _caller: &Caller) {
        self.disconnects.fetch_add(1, Ordering::SeqCst);
    }
}

impl TestService {
    /// Answers all [`LATER`] requests that came, last one first; how many there were.
    pub(crate) fn answer_later(&self) -> usize {
        let later = std::mem::take(&mut *self.later.lock().unwrap());
        let count = later.len();
        later.into_iter().rev().for_each(|(responder, reply)| responder.send(reply));
        count
    }

    pub(crate) fn later_count(&self) -> usize {
        self.later.lock().unwrap().len()
    }
}

pub(crate) fn local() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

pub(crate) fn server_with(change: impl FnOnce(&mut ServerConfig)) -> (Server, Arc<TestService>, SocketAddr) {
    log::install();
    let service = Arc::new(TestService::default());
    let mut config =
        ServerConfig { listen: vec![local()], shards: 2, name: "test", ..ServerConfig::default() };
    change(&mut config);
    let server = Server::bind(config, service.clone()).unwrap();
    let addr = server.local_addrs()[0];
    (server, service, addr)
}

pub(crate) fn server() -> (Server, Arc<TestService>, SocketAddr) {
    server_with(|_| {})
}

pub(crate) fn request(code: RequestCode, opaque: i32, body: impl Into<bytes::Bytes>) -> RemotingCommand {
    let mut request = RemotingCommand::request_without_header(code).with_body(body);
    request.opaque = opaque;
    request
}

pub(crate) fn encoded(commands: &[RemotingCommand]) -> BytesMut {
    let mut bytes = BytesMut::new();
    commands.iter().for_each(|command| command.encode(&mut bytes).unwrap());
    bytes
}

/// A peer that does exactly what it is told.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    input: BytesMut,
    decoder: FrameDecoder,
}

impl Peer {
    pub(crate) fn connect(addr: SocketAddr) -> Peer {
        Peer::on(TcpStream::connect(addr).unwrap())
    }

    pub(crate) fn accept(listener: &std::net::TcpListener) -> Peer {
        Peer::on(listener.accept().unwrap().0)
    }

    fn on(stream: TcpStream) -> Peer {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.set_write_timeout(Some(BOUND)).unwrap();
        Peer { stream, input: BytesMut::new(), decoder: FrameDecoder::new(64 << 20) }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Sends all with one write.
    pub(crate) fn send(&mut self, commands: &[RemotingCommand]) {
        self.send_bytes(&encoded(commands));
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame; `None` when the server closed.
    pub(crate) fn receive(&mut self) -> Option<RemotingCommand> {
        loop {
            if let Some(command) = self.decoder.decode(&mut self.input).unwrap() {
                return Some(command);
            }
            let mut bytes = [0; 16384];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(read) => self.input.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing received: {error}"),
            }
        }
    }

    pub(crate) fn receive_count(&mut self, count: usize) -> Vec<RemotingCommand> {
        (0..count).map(|_| self.receive().expect("server closed too early")).collect()
    }

    pub(crate) fn ask(&mut self, request: RemotingCommand) -> RemotingCommand {
        self.send(&[request]);
        self.receive().expect("an answer")
    }

    pub(crate) fn is_closed_by_server(&mut self) -> bool {
        self.receive().is_none()
    }
}

/// Waits until `condition` holds; panics after [`BOUND`].
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !condition() {
        assert!(Instant::now() < end, "not within {BOUND:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
