//! Headers of a message that came, read as what they are expected to be. Apart, because replies and events have them.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, ShortString};

/// A header that is text.
pub(super) fn text<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a str> {
    let value = header(properties, name)?;
    let long = value.as_long_string().and_then(|text| std::str::from_utf8(text.as_bytes()).ok());
    long.or_else(|| value.as_short_string().map(ShortString::as_str))
}

/// A header that is an integer, in whichever of AMQP's sizes it came.
pub(super) fn integer(properties: &BasicProperties, name: &str) -> Option<i64> {
    let value = header(properties, name)?;
    let small = value.as_short_short_int().map(i64::from).or_else(|| value.as_short_short_uint().map(i64::from));
    let short = value.as_short_int().map(i64::from).or_else(|| value.as_short_uint().map(i64::from));
    let long = value.as_long_int().map(i64::from).or_else(|| value.as_long_uint().map(i64::from));
    small.or(short).or(long).or_else(|| value.as_long_long_int())
}

fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}
