//! One connection's bytes: frames out, frames in, nothing in between.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use eruca_protocol::{FrameDecoder, FrameError};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::error::BenchError;

/// Room for a read: many small answers, or part of a large one.
const READ_BYTES: usize = 64 << 10;

/// Why a connection came to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the broker closed the connection")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the broker's bytes are no frame: {0}")]
    Frame(#[from] FrameError),
}

/// A connected socket with its buffers.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    decoder: FrameDecoder,
    /// Frames to be sent; the first `written` bytes are gone already.
    pub(crate) out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    /// Bytes of `input` that were read.
    filled: usize,
}

impl Wire {
    /// Connects to `addr`.
    ///
    /// # Errors
    /// Nobody answers there.
    pub(crate) async fn connect(addr: &str) -> Result<std::net::TcpStream, BenchError> {
        let connect = async {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            stream.into_std()
        };
        connect.await.map_err(|source| BenchError::Connect { addr: addr.to_owned(), source })
    }

    /// Takes up a connected socket on the runtime of this thread.
    pub(crate) fn new(stream: std::net::TcpStream) -> io::Result<Wire> {
        Ok(Wire {
            stream: TcpStream::from_std(stream)?,
            decoder: FrameDecoder::default(),
            out: Vec::new(),
            written: 0,
            input: vec![0; READ_BYTES],
            filled: 0,
        })
    }

    /// Reads once and hands every whole frame to `on_frame`; how many there were.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut on_frame: impl FnMut(&[u8]),
    ) -> Poll<Result<usize, WireError>> {
        let mut room = ReadBuf::new(self.input.get_mut(self.filled..).unwrap_or_default());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        if read == 0 {
            return Poll::Ready(Err(WireError::Closed));
        }
        self.filled += read;
        let (mut at, mut frames) = (0, 0);
        let needed = loop {
            let rest = self.input.get(at..self.filled).unwrap_or_default();
            match self.decoder.frame_len(rest)? {
                Some(len) if len <= rest.len() => {
                    on_frame(rest.get(..len).unwrap_or_default());
                    at += len;
                    frames += 1;
                }
                Some(len) => break len,
                None => break 0,
            }
        };
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        // The decoder has checked the length against its limit.
        if needed > self.input.len() {
            self.input.resize(needed + READ_BYTES, 0);
        }
        Poll::Ready(Ok(frames))
    }

    /// Writes what the socket takes; ready when nothing is left.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        while self.written < self.out.len() {
            let rest = self.out.get(self.written..).unwrap_or_default();
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(WireError::Closed));
            }
            self.written += written;
        }
        self.out.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Bytes that wait to be written.
    pub(crate) fn unwritten(&self) -> usize {
        self.out.len() - self.written
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use bytes::BytesMut;
    use eruca_protocol::{RemotingCommand, RequestCode};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let (stream, peer) = tokio::join!(Wire::connect(&addr), listener.accept());
        (Wire::new(stream.unwrap()).unwrap(), peer.unwrap().0)
    }

    fn frame(body_len: usize) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        let command = RemotingCommand::request_without_header(RequestCode::HEART_BEAT);
        command.with_body(vec![7; body_len]).encode(&mut bytes).unwrap();
        bytes.to_vec()
    }

    async fn read_frames(wire: &mut Wire, count: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while frames.len() < count {
            poll_fn(|cx| wire.poll_read(cx, |frame| frames.push(frame.to_vec()))).await.unwrap();
        }
        frames
    }

    #[tokio::test]
    async fn frames_are_found_however_they_are_cut() {
        let (mut wire, mut peer) = pair().await;
        // The last is longer than the buffer.
        let sent = [frame(0), frame(10), frame(3 * READ_BYTES)];
        let bytes = sent.concat();
        let write = async {
            for piece in bytes.chunks(5000) {
                peer.write_all(piece).await.unwrap();
            }
        };
        let ((), frames) = tokio::join!(write, read_frames(&mut wire, sent.len()));
        assert_eq!(frames, sent);
    }

    #[tokio::test]
    async fn what_is_put_out_arrives() {
        let (mut wire, mut peer) = pair().await;
        let sent = frame(200_000);
        wire.out.extend_from_slice(&sent);
        let mut got = vec![0; sent.len()];
        let (written, read) = tokio::join!(poll_fn(|cx| wire.poll_write(cx)), peer.read_exact(&mut got));
        written.unwrap();
        read.unwrap();
        assert_eq!(got, sent);
        assert_eq!(wire.unwritten(), 0);
    }

    #[tokio::test]
    async fn an_end_and_bytes_of_another_protocol_are_errors() {
        let (mut wire, peer) = pair().await;
        drop(peer);
        let closed = poll_fn(|cx| wire.poll_read(cx, |_| ())).await;
        assert!(matches!(closed, Err(WireError::Closed)), "{closed:?}");
        let (mut wire, mut peer) = pair().await;
        peer.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
        let frame = poll_fn(|cx| wire.poll_read(cx, |_| ())).await;
        assert!(matches!(frame, Err(WireError::Frame(_))), "{frame:?}");
    }
}
