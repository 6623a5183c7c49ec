//! Hears of every member who changed; prints one line for each event that is news.
//!
//! Usage: `AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST consumer QUEUE`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to whoever started it")]

use std::error::Error;
use std::ops::ControlFlow;

use join_community::client::{Broker, EventsError, MemberEvents, MemberUpdated, PrivacyStatus, Queue};

/// Handles events until `handle` has enough.
pub(crate) async fn run(
    url: &str,
    queue: &str,
    mut handle: impl FnMut(&MemberUpdated) -> ControlFlow<()>,
) -> Result<(), Box<dyn Error>> {
    let broker = Broker::at(url)?.name("example consumer");
    // Bound from here on: what was announced before is not for this queue.
    let mut events = MemberEvents::connect(&broker, Queue::durable(queue)).await?;
    loop {
        let event = match events.next().await {
            Ok(event) => event,
            // For the log. The next call connects again, or takes the next event.
            Err(error @ (EventsError::Lost(_) | EventsError::Unreadable { .. })) => {
                eprintln!("{error}");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let goes_on = handle(&event);
        // Not before the effect is safe: what is not acknowledged comes again.
        event.handled().await?;
        if goes_on.is_break() {
            return Ok(());
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let queue = std::env::args().nth(1).ok_or("usage: consumer QUEUE")?;
    run(&std::env::var("AMQP_URL")?, &queue, |event| {
        let state = event.member.privacy_status.map_or("?", PrivacyStatus::as_str);
        println!("{} {} {} {} {state}", event.id, event.site, event.member.id, event.sequence);
        ControlFlow::Continue(())
    })
    .await
}
