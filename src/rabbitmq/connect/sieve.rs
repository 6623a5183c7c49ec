//! The stream from the broker, with what `lapin` does not survive made harmless on the way.
//!
//! A broker takes any bytes for a short text, and tables inside tables without end; `lapin` ends the connection at the
//! first that is no UTF-8, and overflows its stack on the second. The message comes back with the next connection, so one
//! message of one producer would keep the worker from all others. Separate, because nothing behind it can mend that.

mod frame;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::io::{AsyncRead, AsyncWrite};

/// Type, channel and size.
const HEAD: usize = 7;
/// No frame that is to be sifted is larger: no connection agrees to more, and what is larger is none that `lapin` takes.
const LARGEST: usize = super::LARGEST_FRAME as usize;

/// Sifts the frames that carry properties and names; bodies pass untouched. Frames that come whole are sifted in place,
/// only one that is cut off by the end of a read is held back until the rest is there.
pub struct Sieve<S> {
    stream: S,
    /// The head of the next frame, as far as it has come.
    head: [u8; HEAD],
    head_filled: usize,
    /// What is still to come of the present frame, its end mark included.
    left: usize,
    /// Whether the present frame is to be sifted: by its whole size, not by what is left of it.
    is_sifted: bool,
    held: Vec<u8>,
    /// What is still missing of the frame that is held back.
    missing: usize,
    /// What was handed over of the held frame since it is whole.
    served: usize,
    /// Where the broker's offer is noted, until it has come.
    offer: Option<Arc<AtomicU32>>,
}

impl<S> Sieve<S> {
    /// Sifts what this stream brings.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            head: [0; HEAD],
            head_filled: 0,
            left: 0,
            is_sifted: false,
            held: Vec::new(),
            missing: 0,
            served: 0,
            offer: None,
        }
    }

    /// Notes there the largest frame that the broker offers; 0 stands for no limit.
    #[must_use]
    pub fn telling(self, offer: Arc<AtomicU32>) -> Self {
        Self { offer: Some(offer), ..self }
    }

    /// Sifts a chunk; answers how much of it may go on. The rest is held back.
    fn sift(&mut self, chunk: &mut [u8]) -> usize {
        let mut at = 0;
        while at < chunk.len() {
            if self.left == 0 {
                at += self.read_head(&chunk[at..]);
                continue;
            }
            let here = self.left.min(chunk.len() - at);
            if self.is_sifted && here < self.left {
                self.held.extend_from_slice(&chunk[at..]);
                self.missing = self.left - here;
                self.left = 0;
                return at;
            }
            if self.is_sifted {
                sift_whole(self.head[0], &mut chunk[at..at + here], &mut self.offer);
            }
            at += here;
            self.left -= here;
        }
        at
    }

    fn read_head(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(HEAD - self.head_filled);
        self.head[self.head_filled..self.head_filled + taken].copy_from_slice(&bytes[..taken]);
        self.head_filled += taken;
        if self.head_filled == HEAD {
            self.head_filled = 0;
            let [_, _, _, size @ ..] = self.head;
            self.left = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX).saturating_add(1);
            self.is_sifted = frame::is_sifted(self.head[0]) && self.left <= LARGEST;
        }
        taken
    }

    /// Takes more of the frame that is held back, and sifts it once it is whole.
    fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        self.missing -= bytes.len();
        if self.missing == 0 {
            sift_whole(self.head[0], &mut self.held, &mut self.offer);
        }
    }

    fn serve(&mut self, room: &mut [u8]) -> usize {
        let ready = &self.held[self.served..];
        let served = ready.len().min(room.len());
        room[..served].copy_from_slice(&ready[..served]);
        self.served += served;
        if self.served == self.held.len() {
            self.held.clear();
            self.served = 0;
        }
        served
    }
}

/// Sifts what follows the head of a frame, but for the end mark: a text whose length is wrong must not reach that.
fn sift_whole(kind: u8, rest: &mut [u8], offer: &mut Option<Arc<AtomicU32>>) {
    let Some((_, payload)) = rest.split_last_mut() else { return };
    if let Some(size) = offer.as_ref().and_then(|_| frame::offered(kind, payload))
        && let Some(offer) = offer.take()
    {
        offer.store(size, Ordering::Relaxed);
    }
    frame::sift(kind, payload);
}

impl<S: AsyncRead + Unpin> AsyncRead for Sieve<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let sieve = &mut *self;
        if room.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            if sieve.missing == 0 && !sieve.held.is_empty() {
                return Poll::Ready(Ok(sieve.serve(room)));
            }
            // Of a frame that is held back not a byte more is read than belongs to it.
            let most = if sieve.missing == 0 { room.len() } else { room.len().min(sieve.missing) };
            let read = ready!(Pin::new(&mut sieve.stream).poll_read(cx, &mut room[..most]))?;
            if read == 0 {
                return Poll::Ready(Ok(0));
            }
            if sieve.missing > 0 {
                sieve.hold(&room[..read]);
                continue;
            }
            let passed = sieve.sift(&mut room[..read]);
            // Zero would be the end of the stream.
            if passed > 0 {
                return Poll::Ready(Ok(passed));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sieve<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests;
