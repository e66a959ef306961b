//! Bytes on their way out of one connection.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use eruca_protocol::{FrameError, RemotingCommand};
use tokio::io::AsyncWrite;

/// Longer bodies are written from where they are instead of being copied behind their headers.
const BODY_COPY_MAX_BYTES: usize = 4 << 10;
/// Pieces given to one system call.
const PIECES_MAX: usize = 64;

/// Encoded frames in order: whole pieces first, then the buffer that is still written to.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pieces: VecDeque<Bytes>,
    tail: BytesMut,
    len_bytes: usize,
}

impl Output {
    pub(crate) fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    /// Encodes into `buffer` from now on, if nothing waits here.
    pub(crate) fn borrow_buffer(&mut self, buffer: &mut BytesMut) {
        if self.is_empty() {
            std::mem::swap(&mut self.tail, buffer);
        }
    }

    /// Gives the buffer back if all was written; else keeps it.
    pub(crate) fn return_buffer(&mut self, buffer: &mut BytesMut) {
        if self.is_empty() {
            self.tail.clear();
            std::mem::swap(&mut self.tail, buffer);
            self.pieces.shrink_to(0);
        }
    }

    /// Adds a frame. Nothing is added on error.
    pub(crate) fn push(&mut self, mut command: RemotingCommand) -> Result<(), FrameError> {
        let start = self.tail.len();
        let body = if command.body.len() > BODY_COPY_MAX_BYTES {
            std::mem::take(&mut command.body)
        } else {
            Bytes::new()
        };
        if let Err(error) = command.encode(&mut self.tail) {
            self.tail.truncate(start);
            return Err(error);
        }
        self.len_bytes += self.tail.len() - start;
        if !body.is_empty() {
            self.push_body(start, body);
        }
        Ok(())
    }

    /// Puts `body` behind the frame without one that begins at `start`, and mends the frame's length.
    fn push_body(&mut self, start: usize, body: Bytes) {
        if let Some(length) = self.tail.get_mut(start..start + 4) {
            // The frame's length does not count its own four bytes; a body within the limits fits 32 bits.
            let frame_len =
                u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize + body.len();
            length.copy_from_slice(&(frame_len as u32).to_be_bytes());
        }
        self.len_bytes += body.len();
        self.pieces.push_back(self.tail.split().freeze());
        self.pieces.push_back(body);
    }

    /// Writes as much as the socket takes; ready with the bytes written by one system call.
    pub(crate) fn poll_write(
        &mut self,
        socket: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let written = if self.pieces.is_empty() {
            ready!(Pin::new(socket).poll_write(cx, &self.tail))?
        } else {
            let mut slices = [IoSlice::new(&[]); PIECES_MAX];
            let pieces = self.pieces.iter().map(|piece| &piece[..]).chain([&self.tail[..]]);
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(pieces) {
                *slice = IoSlice::new(piece);
                count += 1;
            }
            ready!(Pin::new(socket).poll_write_vectored(cx, slices.get(..count).unwrap_or_default()))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    fn advance(&mut self, written: usize) {
        self.len_bytes -= written;
        let mut left = written;
        while let Some(piece) = self.pieces.front_mut() {
            if left < piece.len() {
                piece.advance(left);
                return;
            }
            left -= piece.len();
            self.pieces.pop_front();
        }
        self.tail.advance(left);
    }
}
