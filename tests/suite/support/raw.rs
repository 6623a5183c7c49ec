//! A producer that writes its frames by hand. Apart from `lapin`'s, which can only send text that is UTF-8; a broker
//! takes any bytes, and so a client in another language may send them.

use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::waiting::within_patience;

/// A property of a message, as the bit that says that it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub(crate) enum Field {
    /// `user_id`.
    UserId = 1 << 4,
    /// `type`.
    Kind = 1 << 5,
    /// `message_id`.
    MessageId = 1 << 7,
    /// `reply_to`.
    ReplyTo = 1 << 9,
    /// `correlation_id`.
    CorrelationId = 1 << 10,
    /// The headers, their bytes as they stand in a table.
    Headers = 1 << 13,
    /// `content_type`.
    ContentType = 1 << 15,
}

/// A connection with one channel.
pub(crate) struct RawProducer(TcpStream);

const METHOD: u8 = 1;
const CHANNEL: u16 = 1;

impl RawProducer {
    pub(super) async fn connect(url: &str) -> Self {
        let url: Url = url.parse().unwrap();
        let address = (url.host_str().unwrap(), url.port().unwrap());
        let mut raw = Self(TcpStream::connect(address).await.unwrap());
        raw.0.write_all(b"AMQP\x00\x00\x09\x01").await.unwrap();
        raw.until(10, 10).await;
        let login = format!("\0{}\0{}", url.username(), url.password().unwrap());
        let start_ok = [&long(b"")[..], &short(b"PLAIN"), &long(login.as_bytes()), &short(b"en_US")].concat();
        raw.method(0, (10, 11), &start_ok).await;
        raw.until(10, 30).await;
        raw.method(0, (10, 31), &[0, 16, 0, 2, 0, 0, 0, 0]).await;
        let vhost = url.path().trim_start_matches('/').replace("%2f", "/");
        raw.method(0, (10, 40), &[&short(vhost.as_bytes())[..], &[0, 0]].concat()).await;
        raw.until(10, 41).await;
        raw.method(CHANNEL, (20, 10), &[0]).await;
        raw.until(20, 11).await;
        raw.method(CHANNEL, (85, 10), &[0]).await;
        raw.until(85, 11).await;
        raw
    }

    /// Sends a message to the requests, and returns when the broker has confirmed it.
    pub(crate) async fn send(&mut self, key: &[u8], fields: &[(Field, &[u8])], body: &[u8]) {
        let publish = [&[0, 0][..], &short(b"join-community"), &short(key), &[0]].concat();
        self.method(CHANNEL, (60, 40), &publish).await;
        let mut fields = fields.to_vec();
        // The order of the bits, the highest first.
        fields.sort_by_key(|(field, _)| std::cmp::Reverse(*field));
        let flags = fields.iter().fold(0, |flags, (field, _)| flags | *field as u16);
        let mut header = [&60_u16.to_be_bytes()[..], &[0, 0], &(body.len() as u64).to_be_bytes()].concat();
        header.extend(flags.to_be_bytes());
        for (field, bytes) in fields {
            header.extend(if field == Field::Headers { long(bytes) } else { short(bytes) });
        }
        self.frame(2, CHANNEL, &header).await;
        self.frame(3, CHANNEL, body).await;
        self.until(60, 80).await;
    }

    async fn method(&mut self, channel: u16, (class, method): (u16, u16), arguments: &[u8]) {
        self.frame(METHOD, channel, &[&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat()).await;
    }

    async fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&[kind][..], &channel.to_be_bytes(), &size, payload, &[0xCE]].concat();
        self.0.write_all(&frame).await.unwrap();
    }

    /// Reads until this method comes; the end of the channel or connection fails the test with the broker's words.
    async fn until(&mut self, class: u16, method: u16) {
        loop {
            let (kind, payload) = within_patience("the broker's next frame", self.read()).await;
            let came = (kind == METHOD).then(|| (number(&payload[..2]), number(&payload[2..4])));
            if came == Some((class, method)) {
                return;
            }
            let words = String::from_utf8_lossy(&payload);
            assert!(!matches!(came, Some((10, 50) | (20, 40))), "the broker refuses: {words:?}");
        }
    }

    async fn read(&mut self) -> (u8, Vec<u8>) {
        let mut start = [0; 7];
        self.0.read_exact(&mut start).await.expect("the broker keeps the connection");
        let size = u32::from_be_bytes([start[3], start[4], start[5], start[6]]);
        let mut payload = vec![0; usize::try_from(size).unwrap() + 1];
        self.0.read_exact(&mut payload).await.expect("the broker keeps the connection");
        (start[0], payload)
    }
}

/// A header with a text value, as it stands in a table.
pub(crate) fn raw_header(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&short(name)[..], b"S", &long(value)].concat()
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn number(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}
