//! Stub.
use crate::domain::Request;
use crate::wire::{Incoming, Outgoing};
use time::OffsetDateTime;
pub struct History<'a> {
    pub attempts: u32,
    pub arrived: OffsetDateTime,
    pub proven: Option<&'a Request>,
}
pub enum DeadReason {
    Malformed,
    Conflict,
    Busy,
    Permanent,
}
impl DeadReason {
    pub fn as_str(&self) -> &'static str {
        "x"
    }
}
pub struct DeadLetter<'a> {
    pub reason: DeadReason,
    pub pointer: Option<&'a str>,
    pub error: &'a str,
}
pub fn retry(_i: &Incoming, _h: &History<'_>, _e: &str, _k: &str, _u: &str) -> Outgoing {
    Outgoing::default()
}
pub fn dead_letter(_i: &Incoming, _h: &History<'_>, _w: &DeadLetter<'_>, _e: &str, _u: &str) -> Outgoing {
    Outgoing::default()
}
pub fn body_digest(_b: &[u8]) -> String {
    String::new()
}
