//! `eruca bench echo`: the floor under any broker on this runtime. It parses the same frames, copies each body once into
//! a file's pages, gives the same answer, and does nothing else: no record, checksum, queue, topic or limit.
//!
//! One thread, one task a connection; as a broker must, it handles all that one read brings before it answers with one
//! write.

use std::{
    fs::{File, OpenOptions},
    io::{self, IoSlice, Write},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use eruca_message::{
    LogOffset, OffsetMessageId,
    properties::{MSG_REGION, TRACE_SWITCH, UNIQUE_KEY, find},
};
use eruca_protocol::{FrameDecoder, RemotingCommand, ResponseCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{args::EchoArgs, error::BenchError};

/// The file is written from its beginning again after so many bytes, as pages that the kernel has are.
const FILE_BYTES: u64 = 1 << 30;
/// Bodies of one system call.
const PIECES_MAX: usize = 512;
const READ_BYTES: usize = 64 << 10;

/// Serves until it is told to end; prints its address first.
pub(crate) async fn run(args: EchoArgs) -> Result<(), BenchError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await.map_err(BenchError::Echo)?;
    let addr = listener.local_addr().map_err(BenchError::Echo)?;
    let floor = Arc::new(Floor::create(&args.file, addr)?);
    let mut out = io::stdout().lock();
    writeln!(out, "echo {addr}").and_then(|()| out.flush()).map_err(BenchError::Echo)?;
    drop(out);
    let served = tokio::select! {
        served = serve(listener, floor) => served,
        ended = end() => ended,
    };
    // Nobody needs it any more; that it is gone already is fine.
    let _ = std::fs::remove_file(&args.file);
    served.map_err(BenchError::Echo)
}

/// SIGINT or SIGTERM.
async fn end() -> io::Result<()> {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}

async fn serve(listener: TcpListener, floor: Arc<Floor>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                connections.spawn(serve_one(stream, floor.clone()));
            }
            Some(ended) = connections.join_next() => {
                if let Ok(Err(error)) = ended {
                    eprintln!("a connection ended: {error}");
                }
            }
        }
    }
}

async fn serve_one(mut stream: TcpStream, floor: Arc<Floor>) -> io::Result<()> {
    let mut input = BytesMut::with_capacity(READ_BYTES);
    let mut output = BytesMut::new();
    let mut bodies = Vec::new();
    loop {
        input.reserve(READ_BYTES);
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        floor.answer(&mut input, &mut bodies, &mut output)?;
        stream.write_all(&output).await?;
        output.clear();
    }
}

/// The file, and what answers say.
#[derive(Debug)]
struct Floor {
    file: File,
    addr: SocketAddr,
    written: AtomicU64,
    answered: AtomicU64,
}

impl Floor {
    fn create(path: &Path, addr: SocketAddr) -> Result<Floor, BenchError> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|source| BenchError::File { path: path.to_owned(), source })?;
        Ok(Floor { file, addr, written: AtomicU64::new(0), answered: AtomicU64::new(0) })
    }

    /// Takes all whole frames off `input`, stores their bodies, and encodes their answers.
    fn answer(&self, input: &mut BytesMut, bodies: &mut Vec<Bytes>, output: &mut BytesMut) -> io::Result<()> {
        let decoder = FrameDecoder::default();
        while let Some(mut request) = decoder.decode(input).map_err(io::Error::other)? {
            let body = std::mem::take(&mut request.body);
            self.reply(&request).encode(output).map_err(io::Error::other)?;
            bodies.push(body);
        }
        let result = self.store(bodies);
        bodies.clear();
        result
    }

    /// What Eruca's broker answers to a send.
    fn reply(&self, request: &RemotingCommand) -> RemotingCommand {
        let mut reply = request.reply(ResponseCode::SUCCESS);
        let number = self.answered.fetch_add(1, Ordering::Relaxed);
        let id = OffsetMessageId { store_host: self.addr, log_offset: LogOffset(number) };
        let fields = &mut reply.ext_fields;
        fields.push_display("msgId", id);
        fields.push("queueId", request.ext_fields.get("e").unwrap_or("0"));
        fields.push_display("queueOffset", number);
        let properties = request.ext_fields.get("i").unwrap_or_default().as_bytes();
        if let Some(key) = find(properties, UNIQUE_KEY).and_then(|key| std::str::from_utf8(key).ok()) {
            fields.push("transactionId", key);
        }
        fields.push(MSG_REGION, "DefaultRegion");
        fields.push(TRACE_SWITCH, "true");
        reply
    }

    fn store(&self, bodies: &[Bytes]) -> io::Result<()> {
        for some in bodies.chunks(PIECES_MAX) {
            let mut pieces: Vec<_> = some.iter().map(|body| IoSlice::new(body)).collect();
            let mut pieces = pieces.as_mut_slice();
            let len: usize = some.iter().map(Bytes::len).sum();
            let mut at = self.written.fetch_add(len as u64, Ordering::Relaxed) % FILE_BYTES;
            let mut left = len;
            while left > 0 {
                let written = rustix::io::pwritev(&self.file, pieces, at)?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                IoSlice::advance_slices(&mut pieces, written);
                at += written as u64;
                left -= written;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::{HeaderEncoding, request::SendMessageResponse};

    use super::*;
    use crate::send_frames::{Addressed, MessageShape, SendFrames, Sequence};

    #[test]
    fn every_request_is_answered_and_every_body_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bodies");
        let floor = Floor::create(&path, ([127, 0, 0, 1], 9).into()).unwrap();
        let shape = MessageShape { size: 1000, batch: 1, keys: 0, tags: 0, encoding: HeaderEncoding::Json };
        let frames = SendFrames::new(&shape, &["T".to_owned()], "b", 8).unwrap();
        let (mut sequence, mut sent) = (Sequence::of_connection(0), Vec::new());
        for number in 0..PIECES_MAX as i32 + 1 {
            let to = Addressed { topic: 0, queue_id: number % 8, opaque: 1_000_000_000 + number, born_ms: 1 };
            frames.append(to, &mut sequence, &mut sent);
        }
        // Half a frame stays.
        frames.append(Addressed { topic: 0, queue_id: 0, opaque: 1, born_ms: 1 }, &mut sequence, &mut sent);
        sent.truncate(sent.len() - 10);
        let (mut input, mut output) = (BytesMut::from(&sent[..]), BytesMut::new());
        floor.answer(&mut input, &mut Vec::new(), &mut output).unwrap();
        let mut expected = 1_000_000_000;
        while let Some(reply) = FrameDecoder::default().decode(&mut output).unwrap() {
            let header: SendMessageResponse = reply.header().unwrap();
            assert_eq!(header.queue_id, (expected - 1_000_000_000) % 8);
            assert_eq!(header.transaction_id.map(|key| key.len()), Some(32));
            assert_eq!(reply.opaque, expected);
            expected += 1;
        }
        assert_eq!(expected, 1_000_000_000 + PIECES_MAX as i32 + 1);
        assert!(!input.is_empty());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 1000 * (PIECES_MAX as u64 + 1));
    }

    #[test]
    fn a_file_that_exists_is_not_overwritten() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Floor::create(file.path(), ([127, 0, 0, 1], 9).into()).unwrap_err();
        assert!(error.to_string().contains("cannot write"), "{error}");
    }
}
