//! A resync that does not come to its end: what is printed then goes on from there, and in the end everybody was announced.

use lapin::options::{BasicAckOptions, BasicGetOptions};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{QUEUE, small_queue};
use crate::support::{Event, Installation, JOINABLE, subject};

/// The arguments of the command that goes on, as a shell would read them.
fn resumed(report: &Value) -> Vec<String> {
    let line = report["resume"].as_str().unwrap_or_else(|| panic!("nothing to go on with: {report}"));
    let mut words = line.split(' ').map(str::to_owned);
    assert_eq!(words.next().as_deref(), Some("join-community"));
    words.chain(["--output".to_owned(), "json".to_owned()]).collect()
}

/// Sequence and nickname of an event.
fn state(event: &Event) -> (Value, Value) {
    let event = event.json();
    (event["entityEventSequence"].clone(), event["updatedEvent"]["currentEntity"]["profile"]["nickname"].clone())
}

#[tokio::test]
async fn after_an_interruption_the_printed_command_announces_the_rest_and_nobody_twice() {
    let installation = Installation::new().await;
    let mut events = installation.events().await;
    let site = Uuid::new_v4();
    let mut members = installation.members(site, JOINABLE, 25).await;
    members.sort();
    let site = site.to_string();
    let slow = ["events", "resync", "--site", &site, "--rate", "10/s", "--why", "ticket", "--output", "json"];
    let running = installation.program(&slow);
    let mut told = vec![subject(&events.next().await)];
    running.interrupt().await;
    let stopped = running.end().await;
    let report = stopped.json();
    assert_eq!((stopped.code, &report["done"]), (Some(1), &json!(false)), "{stopped:?}");
    told.extend(events.all_so_far().await.iter().map(subject));
    assert_eq!(report["announced"], json!(told.len()), "what it says is what came");
    assert!(told.len() < 25, "it was interrupted");

    let arguments = resumed(&report);
    let ended = installation.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    told.extend(events.all_so_far().await.iter().map(subject));
    told.sort();
    assert_eq!(told, members);
}

#[tokio::test]
async fn who_changes_meanwhile_is_announced_as_one_whole_state() {
    let installation = Installation::new().await;
    let mut events = installation.events().await;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 15).await;
    let id = site.to_string();
    let running = installation.program(&["events", "resync", "--site", &id, "--rate", "5/s", "--why", "ticket"]);
    let mut told = vec![events.next().await];
    for member in members {
        let rename = "UPDATE members SET profile = '{\"nickname\": \"Joan\"}' WHERE site_id = $1 AND id = $2";
        installation.change(site, member, rename).await;
    }
    assert_eq!(running.end().await.code, Some(0));
    told.extend(events.all_so_far().await);
    assert_eq!(told.len(), 15);
    let older = told.iter().filter(|event| state(event) == (json!("16"), json!("Jane"))).count();
    let newer = told.iter().filter(|event| state(event) == (json!("17"), json!("Joan"))).count();
    assert!(older >= 1 && newer >= 1 && older + newer == 15, "{older} older, {newer} newer");
}

#[tokio::test]
async fn a_queue_that_refuses_events_stops_it_at_a_place_from_which_nobody_is_left_out() {
    let installation = Installation::new().await;
    let site = Uuid::new_v4();
    let mut members = installation.members(site, JOINABLE, 300).await;
    members.sort();
    // Room for as many as are on their way at once, and not for all.
    small_queue(&installation, 260).await;
    let id = site.to_string();
    let begin = ["events", "resync", "--site", &id, "--to", QUEUE, "--why", "ticket", "--output", "json"];
    let mut arguments: Vec<String> = begin.map(str::to_owned).into();
    let mut told = Vec::new();
    let mut stops = 0;
    loop {
        let ended = installation.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
        told.extend(taken(&installation).await);
        let report = ended.json();
        if report["done"] == json!(true) {
            assert_eq!(ended.code, Some(0), "{ended:?}");
            break;
        }
        stops += 1;
        assert!(ended.code == Some(1) && ended.stderr.contains("`search.members` refuses events"), "{ended:?}");
        assert!(stops < 10, "it gets nowhere: {report}");
        arguments = resumed(&report);
    }
    assert!(stops > 0);
    told.sort();
    told.dedup();
    assert_eq!(told, members);
}

/// Empties the queue as its consumer does.
async fn taken(installation: &Installation) -> Vec<Uuid> {
    let channel = installation.channel().await;
    let mut taken = Vec::new();
    while let Some(message) = channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await.unwrap() {
        let event: Value = serde_json::from_slice(&message.delivery.data).unwrap();
        taken.push(event["entityId"].as_str().unwrap().parse().unwrap());
        message.delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    taken
}
