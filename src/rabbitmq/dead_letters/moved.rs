//! What a dead letter becomes when it is moved from one queue of ours to another, and how it is read again. Separate, because
//! only the worker's user may write there: what moves must become no more believable by that than it was.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use time::OffsetDateTime;

use crate::wire::headers::MOVED;
use crate::wire::instant;

/// In the record of a moved letter: who had sent it, if the broker vouched for somebody.
const USER: &str = "user";
/// And the headers that it had.
const HEADERS: &str = "headers";
/// And when it was moved, by the clock of whoever did.
const AT: &str = "at";
/// Most bytes of headers: they go out in one frame, and a larger one than the broker's 128 KiB closes the connection.
const MOST: usize = 96 * 1024;

/// The properties of a message that is moved, to be published by the worker's user; `None` if its headers are too large.
///
/// What it was lies in one header, out of everybody's sight but that of [`original`]: as headers of the worker's own they
/// would be believed, wherever this message were moved to next. Nothing in it expires, and `CC` leads nowhere.
pub(super) fn wrapped(properties: &BasicProperties, worker_user: &str, at: OffsetDateTime) -> Option<BasicProperties> {
    let mut record = FieldTable::default();
    record.insert(AT.into(), AMQPValue::LongString(LongString::from(instant::text(at).as_str())));
    if let Some(user) = properties.user_id() {
        record.insert(USER.into(), AMQPValue::LongString(LongString::from(user.as_str())));
    }
    if let Some(headers) = properties.headers() {
        record.insert(HEADERS.into(), AMQPValue::FieldTable(headers.clone()));
    }
    let mut headers = FieldTable::default();
    headers.insert(MOVED.into(), AMQPValue::FieldTable(record));
    let worker_user = ShortString::try_new(worker_user.to_owned()).ok()?;
    (size(&headers) <= MOST).then(|| rebuilt(properties, Some(worker_user), Some(headers)))
}

/// The properties that a message had before the worker moved it; of all others, their own. Nobody else's word counts: a
/// producer's message of this form stays what it is.
pub(super) fn original(properties: BasicProperties, worker_user: &str) -> BasicProperties {
    let Some(record) = record(&properties, worker_user) else { return properties };
    let user = record.inner().get(USER).and_then(AMQPValue::as_long_string);
    let user = user.and_then(|user| ShortString::try_new(String::from_utf8_lossy(user.as_bytes()).into_owned()).ok());
    rebuilt(&properties, user, table(record, HEADERS).cloned())
}

/// When the worker moved a message to where it lies; `None` of all others, and of what was moved before this was noted.
pub(super) fn moved_at(properties: &BasicProperties, worker_user: &str) -> Option<OffsetDateTime> {
    let at = record(properties, worker_user)?.inner().get(AT)?.as_long_string()?;
    instant::parse(std::str::from_utf8(at.as_bytes()).ok()?)
}

/// What the worker keeps of a message that it moved.
fn record<'a>(properties: &'a BasicProperties, worker_user: &str) -> Option<&'a FieldTable> {
    let by_worker = properties.user_id().as_ref().is_some_and(|user| user.as_str() == worker_user);
    let headers = properties.headers().as_ref().filter(|_| by_worker)?;
    table(headers, MOVED)
}

fn table<'a>(table: &'a FieldTable, name: &str) -> Option<&'a FieldTable> {
    match table.inner().get(name) {
        Some(AMQPValue::FieldTable(inner)) => Some(inner),
        Some(_) | None => None,
    }
}

/// The same properties with other headers and another user, or none.
fn rebuilt(from: &BasicProperties, user: Option<ShortString>, headers: Option<FieldTable>) -> BasicProperties {
    let mut to = BasicProperties::default().with_delivery_mode(2);
    if let Some(text) = from.message_id() {
        to = to.with_message_id(text.clone());
    }
    if let Some(text) = from.kind() {
        to = to.with_type(text.clone());
    }
    if let Some(text) = from.content_type() {
        to = to.with_content_type(text.clone());
    }
    if let Some(text) = from.content_encoding() {
        to = to.with_content_encoding(text.clone());
    }
    if let Some(text) = from.correlation_id() {
        to = to.with_correlation_id(text.clone());
    }
    if let Some(text) = from.reply_to() {
        to = to.with_reply_to(text.clone());
    }
    if let Some(text) = from.app_id() {
        to = to.with_app_id(text.clone());
    }
    if let Some(seconds) = *from.timestamp() {
        to = to.with_timestamp(seconds);
    }
    if let Some(user) = user {
        to = to.with_user_id(user);
    }
    match headers {
        Some(headers) => to.with_headers(headers),
        None => to,
    }
}

/// What a table takes on the wire, or a little more.
fn size(table: &FieldTable) -> usize {
    table.inner().iter().map(|(name, value)| name.as_str().len() + 2 + size_of_value(value)).sum::<usize>() + 4
}

fn size_of_value(value: &AMQPValue) -> usize {
    const PLAIN: usize = 9;
    match value {
        AMQPValue::ShortString(text) => text.as_str().len() + PLAIN,
        AMQPValue::LongString(text) => text.as_bytes().len() + PLAIN,
        AMQPValue::ByteArray(bytes) => bytes.as_slice().len() + PLAIN,
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(size_of_value).sum::<usize>() + PLAIN,
        AMQPValue::FieldTable(inner) => size(inner) + PLAIN,
        AMQPValue::Boolean(_)
        | AMQPValue::ShortShortInt(_)
        | AMQPValue::ShortShortUInt(_)
        | AMQPValue::ShortInt(_)
        | AMQPValue::ShortUInt(_)
        | AMQPValue::LongInt(_)
        | AMQPValue::LongUInt(_)
        | AMQPValue::LongLongInt(_)
        | AMQPValue::Timestamp(_)
        | AMQPValue::Float(_)
        | AMQPValue::Double(_)
        | AMQPValue::DecimalValue(_)
        | AMQPValue::Void => PLAIN,
    }
}

#[cfg(test)]
mod tests {
    use lapin::BasicProperties;
    use lapin::types::{AMQPValue, FieldTable};
    use time::OffsetDateTime;

    use super::{MOST, moved_at, original, wrapped};

    const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn of(user: Option<&str>, header: (&str, &str)) -> BasicProperties {
        let mut headers = FieldTable::default();
        headers.insert(header.0.into(), AMQPValue::LongString(header.1.into()));
        let properties = BasicProperties::default().with_message_id("id-1".into()).with_delivery_mode(2);
        let properties = properties.with_headers(headers);
        match user {
            Some(user) => properties.with_user_id(user.into()),
            None => properties,
        }
    }

    #[test]
    fn what_is_moved_is_read_as_what_it_was_whoever_had_sent_it() {
        for user in [None, Some("stranger"), Some("worker")] {
            let letter = of(user, ("x-join-community-requester", "producer:admin"));
            let moved = wrapped(&letter, "worker", AT).unwrap();
            assert_eq!((moved_at(&moved, "worker"), moved_at(&letter, "worker")), (Some(AT), None));
            assert_eq!(moved.user_id().as_ref().unwrap().as_str(), "worker");
            let headers = moved.headers().as_ref().unwrap();
            assert_eq!(headers.inner().len(), 1, "headers of a stranger became the worker's: {headers:?}");
            assert_eq!(original(moved.clone(), "worker"), letter);
            // Moved back and away again, it is still the same.
            assert_eq!(wrapped(&original(moved.clone(), "worker"), "worker", AT).unwrap(), moved);
        }
    }

    #[test]
    fn nobody_but_the_worker_can_say_that_a_message_was_moved() {
        let forged =
            wrapped(&of(Some("worker"), ("x-join-community-requester", "producer:admin")), "stranger", AT).unwrap();
        assert_eq!((moved_at(&forged, "worker"), original(forged.clone(), "worker")), (None, forged));
    }

    #[test]
    fn headers_that_fit_into_no_frame_are_not_moved() {
        assert!(wrapped(&of(None, ("a", &"x".repeat(MOST))), "worker", AT).is_none());
    }
}
