//! Sends requests and does not wait for answers: lines `SITE MEMBER REQUEST_ID` on standard input.
//!
//! Usage: `AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST enqueue <FILE`
//! Exit code: 0 all lie in the queue, 75 some do not: they are named, and the same file may be sent again.

#![expect(clippy::print_stderr, reason = "a program speaks to whoever started it")]

use std::error::Error;
use std::process::ExitCode;

use futures_util::{StreamExt as _, stream};
use join_community::client::{Broker, JoinCommunity, JoinRequest, MemberId, RequestId, SiteId};

/// Requests under way at once; those that are ready together are confirmed together.
const AT_ONCE: usize = 64;

/// Sends every line; answers how many are not known to lie in the queue.
pub(crate) async fn run(url: &str, lines: &str) -> Result<usize, Box<dyn Error>> {
    let requests = lines.lines().map(request).collect::<Result<Vec<_>, _>>()?;
    let client = match JoinCommunity::connect(&Broker::at(url)?.name("example enqueue")).await {
        Ok(client) => client,
        Err(lost) => {
            for request in &requests {
                eprintln!("request {}: {lost}", request.id());
            }
            return Ok(requests.len());
        }
    };
    let mut sent = stream::iter(&requests).map(|request| client.enqueue(request)).buffer_unordered(AT_ONCE);
    let mut unknown = 0;
    while let Some(sent) = sent.next().await {
        if let Err(error) = sent {
            eprintln!("{error}");
            unknown += 1;
        }
    }
    drop(sent);
    client.close().await;
    Ok(unknown)
}

fn request(line: &str) -> Result<JoinRequest, Box<dyn Error>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [site, member, id] = words.as_slice() else { return Err(format!("no SITE MEMBER ID: {line}").into()) };
    let id = RequestId::parse(id).ok_or("a request id has 1 to 128 visible ASCII characters")?;
    Ok(JoinRequest::member(SiteId(site.parse()?), MemberId(member.parse()?)).with_id(id))
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let lines = std::io::read_to_string(std::io::stdin())?;
    let unknown = run(&std::env::var("AMQP_URL")?, &lines).await?;
    Ok(ExitCode::from(if unknown == 0 { 0 } else { 75 }))
}
