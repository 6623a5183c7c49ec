//! Where messages go, and who sends what there.

use serde_json::{Value, json};

use super::reference;
use crate::domain::Method;
use crate::rabbitmq::topology::Names;
use crate::wire::headers::{EVENT_TYPE, request_key};

/// Version of the AMQP bindings that this is written in.
const BINDING: &str = "0.3.0";

pub(super) fn channels(names: &Names) -> Value {
    let retries =
        "Copies of requests that wait on the retry ladder are the worker's own affair, and no part of the contract.";
    json!({
        "requests": amqp(
            names.request_key(),
            &format!("Producers write here and nowhere else. {retries}"),
            &routed(&names.intake(), "direct"),
            &["request"],
        ),
        "leaveRequests": amqp(
            request_key(Method::Leave),
            "The same exchange and the same queue, with a key of its own.",
            &routed(&names.intake(), "direct"),
            &["leaveRequest"],
        ),
        "replies": {
            "address": null,
            "description": "The queue that a request names in `reply_to`: direct reply-to always works, other queues as the \
                worker's `broker.reply_queues` allows. Sent through the default exchange.",
            "servers": [reference("servers/broker")],
            "messages": { "success": message("success"), "error": message("error") },
            "bindings": { "amqp": routed("", "default") },
        },
        "memberUpdates": amqp(
            EVENT_TYPE,
            &format!(
                "Bind a queue of your own before you go live; what nobody is bound for waits in `{}` up to a cap.",
                names.unrouted()
            ),
            &routed(&names.events(), "topic"),
            &["memberUpdated"],
        ),
        "deadLetters": amqp(
            &names.dead_letters(),
            "Requests that can never be decided, for operators. Looking at them uses nothing up.",
            &json!({
                "is": "queue",
                "queue": { "name": names.dead_letters(), "durable": true, "exclusive": false, "autoDelete": false },
                "bindingVersion": BINDING,
            }),
            &["deadLetter", "undelivered"],
        ),
        "profiles": {
            "address": "members:v1:{siteId}:{memberId}",
            "description": "A Redis hash for each public member: nothing is sent, readers read the key. `cache.prefix` stands \
                in place of `members:v1`. An entry has a time to live and only grows in sequence; removal is a tombstone.",
            "parameters": {
                "siteId": { "description": "The member's site, a GUID in lower case." },
                "memberId": { "description": "The member's id, a GUID in lower case." },
            },
            "servers": [reference("servers/cache")],
            "messages": { "profile": message("profile") },
        },
        "webhooks": webhooks(),
    })
}

/// What leaves by HTTP.
fn webhooks() -> Value {
    json!({
        "address": null,
        "description": "The URL of each receiver in the worker's `webhooks.targets`: none by default.",
        "servers": [reference("servers/receiver")],
        "messages": { "webhook": message("webhook") },
    })
}

/// A channel of the broker.
fn amqp(address: &str, description: &str, binding: &Value, messages: &[&str]) -> Value {
    let messages: Value = messages.iter().map(|name| ((*name).to_owned(), message(name))).collect();
    json!({
        "address": address,
        "description": description,
        "servers": [reference("servers/broker")],
        "messages": messages,
        "bindings": { "amqp": binding },
    })
}

fn routed(exchange: &str, kind: &str) -> Value {
    json!({
        "is": "routingKey",
        "exchange": { "name": exchange, "type": kind, "durable": true, "autoDelete": false },
        "bindingVersion": BINDING,
    })
}

fn message(name: &str) -> Value {
    reference(&format!("components/messages/{name}"))
}

pub(super) fn operations() -> Value {
    let kept = json!({ "amqp": { "deliveryMode": 2, "mandatory": true, "bindingVersion": BINDING } });
    let dated =
        json!({ "amqp": { "deliveryMode": 2, "mandatory": true, "timestamp": true, "bindingVersion": BINDING } });
    let passing = json!({ "amqp": { "deliveryMode": 1, "mandatory": false, "bindingVersion": BINDING } });
    let join = receive(
        "requests",
        "request",
        "Decides a request: once in effect, however often it is delivered; answers it if it names a `reply_to`.",
    );
    let leave = receive(
        "leaveRequests",
        "leaveRequest",
        "Decides a request to leave as it does one to join, but for the states of site and member: none keeps anybody in.",
    );
    let mut reply = operation(
        "send",
        "replies",
        &["success", "error"],
        "Answers a request. A reply may be lost and may come twice: whoever needs certainty asks again under the same id.",
    );
    reply["bindings"] = passing;
    let mut announce = operation(
        "send",
        "memberUpdates",
        &["memberUpdated"],
        "Announces a committed change of a member, at least once; changes that follow each other closely as one, the newest.",
    );
    announce["bindings"] = dated;
    let mut bury = operation(
        "send",
        "deadLetters",
        &["deadLetter", "undelivered"],
        "Puts aside what can never be decided, with why.",
    );
    bury["bindings"] = kept;
    let keep = operation(
        "send",
        "profiles",
        &["profile"],
        "Keeps the public profile, written only if it is newer, and a tombstone once it is public no more.",
    );
    json!({
        "receiveRequest": join, "receiveLeaveRequest": leave, "sendReply": reply, "announceMember": announce,
        "sendDeadLetter": bury, "keepProfile": keep, "postWebhook": post(),
    })
}

/// How a webhook gets there.
fn post() -> Value {
    let mut post = operation(
        "send",
        "webhooks",
        &["webhook"],
        "Posts an event to a receiver, at least once, until it answers 200 or the tries are over. Each try has the same bytes.",
    );
    post["bindings"] = json!({ "http": { "method": "POST", "bindingVersion": "0.3.0" } });
    post
}

/// A request is received, and answered.
fn receive(channel: &str, message: &str, summary: &str) -> Value {
    let mut receive = operation("receive", channel, &[message], summary);
    receive["bindings"] = json!({ "amqp": { "ack": true, "bindingVersion": BINDING } });
    receive["reply"] = json!({
        "address": {
            "location": "$message.header#/reply_to",
            "description": "The AMQP property `reply_to`. Without it there is no reply.",
        },
        "channel": reference("channels/replies"),
        "messages": in_channel("replies", &["success", "error"]),
    });
    receive
}

fn operation(action: &str, channel: &str, messages: &[&str], summary: &str) -> Value {
    json!({
        "action": action,
        "channel": reference(&format!("channels/{channel}")),
        "messages": in_channel(channel, messages),
        "summary": summary,
    })
}

fn in_channel(channel: &str, messages: &[&str]) -> Vec<Value> {
    messages.iter().map(|name| reference(&format!("channels/{channel}/messages/{name}"))).collect()
}
