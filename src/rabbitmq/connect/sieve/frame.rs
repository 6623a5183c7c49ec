//! What is sifted in a frame: texts that must be UTF-8, and tables that must not be deep. Nothing changes its length.
//!
//! Separate from the stream, because this is about AMQP and that about reading.

/// Type, channel and size.
pub(super) const HEAD: usize = 7;
/// What ends a frame.
pub(super) const END: u8 = 0xCE;
/// Frames that carry a method.
const METHOD: u8 = 1;
/// Frames that carry the properties of a message.
pub(super) const PROPERTIES: u8 = 2;
const BASIC: [u8; 2] = [0, 60];

/// Stands for each byte that belongs to no text; U+001A is meant for that, and no request id may have it.
pub(super) const SUBSTITUTE: u8 = 0x1A;
/// Tables and arrays inside each other, below the headers themselves. What brokers write has three.
const DEEPEST: usize = 8;

/// Type and size of the frame that begins here, its head and end mark included; `None` before its head is there.
pub(super) fn measured(start: &[u8]) -> Option<(u8, usize)> {
    let [kind, _, _, payload @ ..] = *start.first_chunk::<HEAD>()?;
    let payload = usize::try_from(u32::from_be_bytes(payload)).unwrap_or(usize::MAX);
    Some((kind, payload.saturating_add(HEAD + 1)))
}

/// Whether frames of this type hold anything to be sifted.
pub(super) fn is_sifted(kind: u8) -> bool {
    kind == METHOD || kind == PROPERTIES
}

/// The largest frame that the broker offers, if this is its offer: `connection.tune`.
pub(super) fn offered(kind: u8, payload: &[u8]) -> Option<u32> {
    match (kind, payload) {
        (METHOD, [0, 10, 0, 30, _, _, size @ .., _, _]) => size.try_into().ok().map(u32::from_be_bytes),
        _ => None,
    }
}

/// Sifts the payload of a frame. What does not look as expected stays as it is from there on: `lapin` will say so.
pub(super) fn sift(kind: u8, payload: &mut [u8]) {
    let mut rest = Rest(payload);
    // Whether it came to the end is of no interest: only the broker could have written something else.
    let _: Option<()> = match kind {
        METHOD => rest.method(),
        PROPERTIES => rest.properties(),
        _ => None,
    };
}

/// How many bytes a value of this type has, if all of them have as many; `None` for a type that there is not, too.
pub(super) fn width(kind: u8) -> Option<usize> {
    Some(match kind {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' | b'U' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        _ => return None,
    })
}

/// The bytes that are still to be sifted. `None` from any method: there are fewer than there must be.
struct Rest<'a>(&'a mut [u8]);

impl<'a> Rest<'a> {
    /// The names in what the broker says when it delivers or returns a message.
    fn method(&mut self) -> Option<()> {
        let class = self.take(2)?.to_owned();
        match (class == BASIC, self.take(2)?) {
            // deliver: consumer tag, delivery tag, redelivered, exchange, routing key.
            (true, [0, 60]) => self.short()?.skip(9)?.short()?.short()?,
            // return: code, text, exchange, routing key.
            (true, [0, 50]) => self.skip(2)?.short()?.short()?.short()?,
            // get-ok: delivery tag, redelivered, exchange, routing key.
            (true, [0, 71]) => self.skip(9)?.short()?.short()?,
            _ => self,
        };
        Some(())
    }

    fn properties(&mut self) -> Option<()> {
        // Class, weight, size of the body.
        self.skip(12)?;
        let flags = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        for bit in (2..16).rev().filter(|bit| flags & (1 << bit) != 0) {
            match bit {
                13 => {
                    self.long()?.fields(0)?;
                }
                // Delivery mode and priority.
                11 | 12 => {
                    self.skip(1)?;
                }
                // Timestamp.
                6 => {
                    self.skip(8)?;
                }
                _ => {
                    self.short()?;
                }
            }
        }
        Some(())
    }

    fn fields(mut self, depth: usize) -> Option<()> {
        while !self.0.is_empty() {
            self.short()?.value(depth)?;
        }
        Some(())
    }

    fn values(mut self, depth: usize) -> Option<()> {
        while !self.0.is_empty() {
            self.value(depth)?;
        }
        Some(())
    }

    /// One value of a table or array, its type before it.
    fn value(&mut self, depth: usize) -> Option<()> {
        let kind = self.take(1)?;
        match kind {
            // A byte array has the same form, and nobody looks into it.
            [b'F' | b'A'] if depth == DEEPEST => {
                kind[0] = b'x';
                self.long()?;
            }
            [b'F'] => self.long()?.fields(depth + 1)?,
            [b'A'] => self.long()?.values(depth + 1)?,
            [b'S' | b'x'] => {
                self.long()?;
            }
            [other] => {
                self.skip(width(*other)?)?;
            }
            _ => return None,
        }
        Some(())
    }

    /// A text of at most 255 bytes: `lapin` wants UTF-8.
    fn short(&mut self) -> Option<&mut Self> {
        let length = usize::from(*self.take(1)?.first()?);
        make_legible(self.take(length)?);
        Some(self)
    }

    /// What has a length of four bytes before it.
    fn long(&mut self) -> Option<Rest<'a>> {
        let length = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        self.take(usize::try_from(length).ok()?).map(Rest)
    }

    fn skip(&mut self, length: usize) -> Option<&mut Self> {
        self.take(length)?;
        Some(self)
    }

    fn take(&mut self, length: usize) -> Option<&'a mut [u8]> {
        let (taken, rest) = std::mem::take(&mut self.0).split_at_mut_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

fn make_legible(mut text: &mut [u8]) {
    while let Err(error) = std::str::from_utf8(text) {
        let wrong = error.valid_up_to();
        let length = error.error_len().unwrap_or(text.len() - wrong);
        text[wrong..wrong + length].fill(SUBSTITUTE);
        text = &mut text[wrong + length..];
    }
}
