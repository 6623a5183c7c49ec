//! Asks for a member to join the community, and waits for the answer.
//!
//! Usage: `AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST join SITE MEMBER [REQUEST_ID]`
//! Exit code: 0 joined, 1 refused, 75 not known: ask again under the same request id.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to whoever started it")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use join_community::client::{Broker, JoinCommunity, JoinError, JoinRequest, MemberId, RequestId, SiteId};

/// After that many tries somebody should look.
const TRIES: u32 = 3;
/// Longer than the 36 s after which the worker says that it does not know a member.
const LIMIT: Duration = Duration::from_secs(45);

/// Asks, and asks again for as long as that helps: the request keeps its id, so it counts once. An error: not known.
pub(crate) async fn run(url: &str, request: &JoinRequest) -> Result<u8, Box<dyn Error>> {
    let client = JoinCommunity::connect(&Broker::at(url)?.name("example join")).await?.within(LIMIT);
    let mut answer = client.join(request).await;
    for _ in 1..TRIES {
        let Some(error) = answer.as_ref().err().filter(|error| error.ask_again()) else { break };
        eprintln!("{error}; asking again");
        tokio::time::sleep(Duration::from_secs(1)).await;
        answer = client.join(request).await;
    }
    client.close().await;
    match answer {
        Ok(member) => {
            let nickname = member.profile.and_then(|profile| profile.nickname).unwrap_or_default();
            println!("{} {nickname} is in the community", member.id);
            Ok(0)
        }
        Err(JoinError::Refused(refusal)) => {
            // Mend what it names, then ask with a new request: under this id the answer stays.
            println!("{refusal} {}", refusal.description.as_deref().unwrap_or_default());
            Ok(1)
        }
        Err(error) => Err(error.into()),
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [site, member, id @ ..] = arguments.as_slice() else { return Err("usage: join SITE MEMBER [ID]".into()) };
    let mut request = JoinRequest::member(SiteId(site.parse()?), MemberId(member.parse()?));
    if let Some(id) = id.first() {
        request = request.with_id(RequestId::parse(id).ok_or("a request id has 1 to 128 visible ASCII characters")?);
    }
    let code = run(&std::env::var("AMQP_URL")?, &request).await.unwrap_or_else(|error| {
        eprintln!("request {}: {error}", request.id());
        75
    });
    Ok(ExitCode::from(code))
}
