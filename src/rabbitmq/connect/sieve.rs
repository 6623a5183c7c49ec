//! The stream from the broker, with what `lapin` does not survive made harmless on the way.
//!
//! A broker takes any bytes for a short text, tables inside tables without end, and hands over properties in one frame,
//! however large they are; `lapin` overflows its stack on deep tables, and ends the connection at a text that is no UTF-8 and
//! at a frame that is larger than agreed on. The message comes back with the next connection, so one message of one producer
//! would keep the worker from all others. Separate, because nothing behind it can mend that.

mod fit;
mod frame;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::io::{AsyncRead, AsyncWrite};

use self::frame::HEAD;

/// No frame that is to be sifted is larger: no connection agrees to so much, and what the broker adds to properties is less
/// than the rest. Of larger properties nothing is kept, and no larger method is one that `lapin` takes.
const LARGEST: usize = super::LARGEST_FRAME as usize + 64 * 1024;

/// Sifts the frames that carry properties and names; bodies pass untouched. Frames that come whole are sifted in place,
/// only one that is cut off by the end of a read is held back until the rest is there.
pub struct Sieve<S> {
    stream: S,
    /// What is still to pass of a frame that is not sifted, its end mark included.
    passing: usize,
    /// What is still to come of properties that are too large to be held, and goes nowhere.
    dropping: usize,
    /// A frame that was cut off by the end of a read, from its first byte on.
    held: Vec<u8>,
    /// What is still missing of the frame that is held back.
    missing: usize,
    /// What was handed over of the held frame since nothing is missing.
    served: usize,
    /// Properties that take more are made to fit.
    frame_max: usize,
    /// Where the broker's offer is noted, until it has come.
    offer: Option<Arc<AtomicU32>>,
}

impl<S> Sieve<S> {
    /// Sifts what this stream brings.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            passing: 0,
            dropping: 0,
            held: Vec::new(),
            missing: 0,
            served: 0,
            frame_max: LARGEST,
            offer: None,
        }
    }

    /// Makes all properties fit frames of this size, or of what the broker offers if that is less. Notes the offer there;
    /// 0 stands for no limit.
    #[must_use]
    pub fn fitting(self, frame_max: u32, offer: Arc<AtomicU32>) -> Self {
        Self { frame_max: usize::try_from(frame_max).unwrap_or(usize::MAX), offer: Some(offer), ..self }
    }

    /// Sifts a chunk; answers how much of it may go on, from its beginning. The rest is held back, or goes nowhere.
    fn sift(&mut self, chunk: &mut [u8]) -> usize {
        let (mut at, mut end) = (0, chunk.len());
        while at < end {
            if self.passing > 0 {
                let here = self.passing.min(end - at);
                self.passing -= here;
                at += here;
                continue;
            }
            let there = &mut chunk[at..end];
            let (taken, kept) = if self.dropping > 0 {
                let here = self.dropping.min(there.len());
                self.dropping -= here;
                (here, 0)
            } else {
                let needed = needed(there);
                if there.len() < needed {
                    self.held.extend_from_slice(there);
                    self.missing = needed - there.len();
                    return at;
                }
                (needed, self.release(&mut there[..needed]))
            };
            if kept < taken {
                chunk.copy_within(at + taken..end, at + kept);
                end -= taken - kept;
            }
            at += kept;
        }
        at
    }

    /// Makes ready to go on what is needed of a frame; answers how much of that is left.
    fn release(&mut self, start: &mut [u8]) -> usize {
        let Some((kind, whole)) = frame::measured(start) else { return start.len() };
        if start.len() == whole {
            // All but the end mark: a text whose length is wrong must not reach that.
            let payload = &mut start[HEAD..whole - 1];
            self.note(kind, payload);
            frame::sift(kind, payload);
            let is_too_large = kind == frame::PROPERTIES && whole > self.frame_max;
            return if is_too_large { fit::fit(start, self.frame_max) } else { whole };
        }
        if start.len() == HEAD {
            self.passing = whole - HEAD;
            return HEAD;
        }
        self.dropping = whole - start.len();
        fit::bare(start)
    }

    /// Notes the broker's offer, if this is it.
    fn note(&mut self, kind: u8, payload: &[u8]) {
        if let Some(size) = self.offer.as_ref().and_then(|_| frame::offered(kind, payload))
            && let Some(offer) = self.offer.take()
        {
            offer.store(size, Ordering::Relaxed);
            if size > 0 {
                self.frame_max = self.frame_max.min(usize::try_from(size).unwrap_or(usize::MAX));
            }
        }
    }

    /// Takes more of the frame that is held back, until what is needed of it is there.
    fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        self.missing = needed(&self.held) - self.held.len();
        if self.missing == 0 {
            let mut held = std::mem::take(&mut self.held);
            let kept = self.release(&mut held);
            held.truncate(kept);
            self.held = held;
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

/// How much of a frame must be there before any of it goes on: all of it, if it is to be sifted.
fn needed(start: &[u8]) -> usize {
    match frame::measured(start) {
        Some((kind, whole)) if frame::is_sifted(kind) && whole <= LARGEST => whole,
        Some((frame::PROPERTIES, _)) => fit::BARE,
        Some(_) | None => HEAD,
    }
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
