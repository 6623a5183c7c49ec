//! Instants on the wire: UTC, always with three digits of a second; read with any precision and offset.
//!
//! Apart, because every message and record spells time the same way.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::domain::to_millis;

/// Appends `2026-11-24T10:00:00.123Z`.
pub fn write(at: OffsetDateTime, out: &mut Vec<u8>) {
    let at = at.checked_to_offset(UtcOffset::UTC).unwrap_or(at);
    digits(out, at.year().unsigned_abs(), 4);
    for (separator, part) in [(b'-', at.month().into()), (b'-', at.day()), (b'T', at.hour())] {
        out.push(separator);
        digits(out, u32::from(part), 2);
    }
    for part in [at.minute(), at.second()] {
        out.push(b':');
        digits(out, u32::from(part), 2);
    }
    out.push(b'.');
    digits(out, u32::from(at.millisecond()), 3);
    out.push(b'Z');
}

/// The instant as text, as [`write()`] spells it.
#[must_use]
pub fn text(at: OffsetDateTime) -> String {
    let mut out = Vec::with_capacity(24);
    write(at, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads RFC 3339 with any number of fraction digits and any offset, cut to milliseconds. Years 1 to 9999 in UTC.
#[must_use]
pub fn parse(text: &str) -> Option<OffsetDateTime> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?;
    (1..=9999).contains(&at.year()).then(|| to_millis(at))
}

fn digits(out: &mut Vec<u8>, value: u32, width: u32) {
    for place in (0..width).rev() {
        out.push(b"0123456789"[(value / 10_u32.pow(place) % 10) as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, text};

    #[test]
    fn any_precision_and_offset_comes_out_in_utc_with_three_digits() {
        for (read, written) in [
            ("2024-02-22T13:52:00Z", "2024-02-22T13:52:00.000Z"),
            ("2024-02-22T13:52:00.674Z", "2024-02-22T13:52:00.674Z"),
            ("2024-02-22T13:52:00.236954Z", "2024-02-22T13:52:00.236Z"),
            ("2024-02-22T13:52:00.194287142Z", "2024-02-22T13:52:00.194Z"),
            ("2024-03-01T01:30:00.5+02:00", "2024-02-29T23:30:00.500Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(parse(read).map(text).as_deref(), Some(written), "{read}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for refused in [
            "",
            "now",
            "2024-02-22",
            "2024-02-22 13:52",
            "2024-02-22T13:52:00",
            "2024-02-30T00:00:00Z",
            "2024-02-22T25:00:00Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-23:59",
            "1708609920",
            "2024-02-22T13:52:00Z ",
            "+12024-02-22T13:52:00Z",
        ] {
            assert_eq!(parse(refused), None, "{refused:?}");
        }
    }
}
