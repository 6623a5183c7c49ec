//! `demo`: the whole story on sample members, with a worker, a producer, a consumer and an operator, each by itself.

mod cast;
mod observe;
mod story;
mod table;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use self::cast::Cast;
use self::observe::{Event, Observer, dead_letter, reply};
use self::story::Scene;
use self::table::Row;
use self::worker::Worker;
use super::Context;
use crate::rabbitmq::listener::Listener;
use crate::rabbitmq::producer::{Order, Producer};

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// How long a reply or an event is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the command.
///
/// # Errors
/// What kept it from being told to its end.
pub async fn run(_args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (config, output) = (&context.config, context.output);
    let cast = Cast::new()?;
    let scenes = story::scenes(&cast, &config.auth)?;
    output.note(&"starting a worker as a process of its own");
    let worker = Worker::start(context.config_file.as_deref()).await?;
    let members = cast.enter(&config.database).await?;
    output.note(&format_args!("imported {members} sample members into two new sites, one of them closed"));

    let mut listener = Listener::connect(&config.broker).await?;
    let mut producer = Producer::connect(&config.broker, true).await?;
    let mut observer = Observer::new(config)?;
    let mut rows = Vec::new();
    for scene in &scenes {
        output.note(&format_args!("  sending: {}", scene.title));
        rows.push(play(scene, &mut producer, &mut observer, context).await?);
    }
    cast.rename_claude(&mut observer.store).await?;
    observer.until_paid().await?;
    let events = heard(&mut listener, &cast).await?;
    table::tell_events(&mut rows, &scenes, &events);
    rows.push(renamed(&cast, &mut observer, &events).await?);

    producer.close().await;
    listener.close(config.broker.timeout).await;
    let log = worker.log().to_owned();
    worker.stop().await?;
    output.note(&"the worker drained and stopped");
    let told = table::tell(&rows, output)?;
    if !told {
        output.note(&format_args!("not everything came out as it must; the worker's log was {}", log.display()));
    }
    Ok(if told { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends one request, waits for its reply and for what it owes, and looks at what came of it.
async fn play(
    scene: &Scene,
    producer: &mut Producer,
    observer: &mut Observer,
    context: &Context,
) -> anyhow::Result<Row> {
    let member = scene.subject.map(|(_, member)| member);
    let Scene { id, method, body, token, .. } = scene;
    producer.send(&Order { id, method: *method, body, member, token: token.as_ref() }).await?;
    let answer = producer.reply_to(&scene.id, PATIENCE).await?;
    observer.until_paid().await?;
    let (record, cache, letter) = match scene.subject {
        Some(subject) => (observer.record(subject).await?, observer.cache(subject).await?, None),
        None => ("-".into(), "-".into(), dead_letter(&context.config, scene.id.as_str()).await?),
    };
    Ok(Row::new(scene, reply(&answer), record, cache, letter))
}

/// Everything that was announced, up to the rename: that came last, so before it all is heard.
async fn heard(listener: &mut Listener, cast: &Cast) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    let sites = [cast.open.to_string(), cast.closed.to_string()];
    while let Some(heard) = listener.next(PATIENCE).await {
        if heard.site.is_none_or(|site| !sites.contains(&site)) {
            continue;
        }
        let event = Event { request: heard.request, ..serde_json::from_slice(&heard.body)? };
        let last = event.entity_id == cast.claude.to_string() && event.originated_from == "import";
        events.push(event);
        if last {
            break;
        }
    }
    Ok(events)
}

/// The last row: a change that no request made is announced and cached like any other.
async fn renamed(cast: &Cast, observer: &mut Observer, events: &[Event]) -> anyhow::Result<Row> {
    let subject = (cast.open, cast.claude);
    let event = events.last().map_or_else(|| "none".into(), table::words);
    Ok(Row {
        title: "Claude's nickname changes, by an import",
        found: ["-".into(), observer.record(subject).await?, observer.cache(subject).await?, event],
        expected: ["-", "PUBLIC, sequence 2", "profile, sequence 2", "sequence 2, import"],
    })
}
