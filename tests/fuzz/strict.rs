//! A second opinion on strict JSON, written from RFC 8259 alone: what the worker's reader takes and refuses must agree.

use std::collections::HashSet;
use std::str;

/// Whether this is one JSON document in UTF-8, without a byte order mark, no deeper than `room`, no key twice, no NUL, no
/// number beyond a double.
pub(crate) fn is_strict(bytes: &[u8], room: usize) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let mut reader = Reader { whole: text, text: text.as_bytes(), at: 0 };
    reader.value(room).is_some() && {
        reader.space();
        reader.at == bytes.len()
    }
}

struct Reader<'a> {
    whole: &'a str,
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, room: usize) -> Option<()> {
        self.space();
        match self.peek()? {
            b'{' => self.object(room.checked_sub(1)?),
            b'[' => self.array(room.checked_sub(1)?),
            b'"' => self.string().map(drop),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn object(&mut self, room: usize) -> Option<()> {
        let mut keys = HashSet::new();
        self.at += 1;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.space();
            keys.insert(self.string()?).then_some(())?;
            self.space();
            self.word(b":")?;
            self.value(room)?;
            self.space();
            if self.more(b'}')? {
                return Some(());
            }
        }
    }

    fn array(&mut self, room: usize) -> Option<()> {
        self.at += 1;
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.value(room)?;
            self.space();
            if self.more(b']')? {
                return Some(());
            }
        }
    }

    /// Whether the end is here; otherwise there must be a comma.
    fn more(&mut self, end: u8) -> Option<bool> {
        let mark = self.peek()?;
        self.at += 1;
        (mark == end || mark == b',').then_some(mark == end)
    }

    /// A text, as UTF-16: escapes are that.
    fn string(&mut self) -> Option<Vec<u16>> {
        self.word(b"\"")?;
        let mut units = Vec::new();
        loop {
            let character = self.whole[self.at..].chars().next()?;
            self.at += character.len_utf8();
            match character {
                '"' => break,
                '\\' => units.push(self.escape()?),
                '\0'..='\x1f' => return None,
                other => units.extend(other.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        let is_sound = !units.contains(&0) && String::from_utf16(&units).is_ok();
        is_sound.then_some(units)
    }

    fn escape(&mut self) -> Option<u16> {
        let mark = self.peek()?;
        self.at += 1;
        Some(match mark {
            b'"' | b'\\' | b'/' => u16::from(mark),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        self.skip(b"-");
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.skip(b"+-");
            self.digits()?;
        }
        let number: f64 = str::from_utf8(&self.text[start..self.at]).ok()?.parse().ok()?;
        number.is_finite().then_some(())
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    fn skip(&mut self, any: &[u8]) {
        if self.peek().is_some_and(|byte| any.contains(&byte)) {
            self.at += 1;
        }
    }

    fn space(&mut self) {
        self.at += self.text[self.at..].iter().take_while(|byte| b" \t\n\r".contains(byte)).count();
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}
