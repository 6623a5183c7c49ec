//! `edit`: a letter replayed with another body, once it was shown what that comes to.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use uuid::Uuid;

use super::replay::way_back;
use super::{Edit, pretty, shown, with};
use crate::cli::Context;
use crate::cli::record::{Deed, said};
use crate::postgres::{Role, Session};
use crate::rabbitmq::courier::Courier;
use crate::rabbitmq::dead_letters::{DeadLetters, Letter};
use crate::replay::{Edited, Link, Preview, edit, send_edited};

/// Edits a letter and replays it.
pub(super) async fn run(args: Edit, context: &Context) -> anyhow::Result<ExitCode> {
    let config = &context.config;
    let body = new_body(&args, context).await?;
    let (way_back, _keys) = way_back(args.force, context).await?;
    let mut store = Session::new(&config.database, Role::Tool)?;
    let preview = Preview::new(config, false);
    let edited = with(context, false, async |letters| {
        let letter = find(letters, &args.id).await?;
        Ok(edit(&letter, body, &way_back, &preview, &mut store).await?)
    })
    .await?;
    let Edited { shown, link, .. } = &edited;
    context.output.note(&shown::words(shown));
    if let Some(id) = &link.new_request_id {
        let text = "Its request id was used for another request: it is sent under the new id";
        context.output.note(&format_args!("{text} {id}."));
    }
    let sent = !args.dry_run && agreed(&args).await?;
    if sent {
        let mut courier =
            Courier::connect(&config.broker.url, "join-community dead-letters edit", &config.broker).await?;
        let deed = Deed { action: "dead_letters.edit", target: &args.id, why: said(args.why.as_deref())? };
        deed.begins("ordered", context).await?;
        let done = with(context, false, async |letters| {
            let letter = find(letters, &args.id).await?;
            Ok(send_edited(letters, &letter, &edited, &mut courier, &config.broker).await)
        })
        .await;
        courier.close().await;
        let outcome = match &done {
            Ok(Ok(())) => link.to_string(),
            Ok(Err(error)) => format!("failed: {error}"),
            Err(error) => format!("failed: {error}"),
        };
        deed.ended(&outcome, context).await;
        done??;
    }
    let result = json!({ "sent": sent, "link": link, "foreseen": shown });
    context.output.result(&result, |_| if sent { told(link) } else { "Nothing was sent.".to_owned() })?;
    Ok(if sent || args.dry_run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(link: &Link) -> String {
    let id = &link.letter;
    format!("sent: {link}; for seven days `dead-letters restore {id}` takes back the letter as it was")
}

async fn find(letters: &mut DeadLetters, id: &str) -> anyhow::Result<Letter> {
    while let Some(letter) = letters.next().await? {
        if letter.id == id {
            return Ok(letter);
        }
    }
    bail!("there is no dead letter {id}; if another command is reading them now, it holds them back until it ends")
}

async fn agreed(args: &Edit) -> anyhow::Result<bool> {
    if args.yes {
        return Ok(true);
    }
    ensure!(io::stdin().is_terminal(), "nothing was sent: say --yes, for there is no terminal to ask at");
    Ok(super::line().await?.trim().eq_ignore_ascii_case("yes"))
}

async fn new_body(args: &Edit, context: &Context) -> anyhow::Result<Vec<u8>> {
    if let Some(path) = &args.body {
        return std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    }
    let deed = Deed { action: "dead_letters.unmask", target: &args.id, why: said(args.why.as_deref())? };
    deed.begins("shown in an editor", context).await?;
    let old = with(context, false, async |letters| Ok(find(letters, &args.id).await?.incoming.body)).await?;
    let text = String::from_utf8(old).context("the body is no text; give another with --body FILE")?;
    let path = std::env::temp_dir().join(format!("join-community-{}.json", Uuid::new_v4()));
    // There is personal data in it: for nobody else's eyes, and gone afterwards.
    let edited = tokio::task::spawn_blocking(move || {
        let edited = in_editor(&path, &text);
        let removed = std::fs::remove_file(&path);
        let edited = edited?;
        removed.with_context(|| format!("{} holds the body and cannot be removed", path.display()))?;
        Ok::<_, anyhow::Error>((edited, text))
    });
    let (edited, text) = edited.await.context("the editor was interrupted")??;
    ensure!(edited != pretty::editable(&text).as_bytes(), "nothing was sent: the body is what it was");
    Ok(edited)
}

fn in_editor(path: &PathBuf, text: &str) -> anyhow::Result<Vec<u8>> {
    let unwritable = || format!("{} cannot be written", path.display());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(unwritable)?;
    file.write_all(pretty::editable(text).as_bytes()).with_context(unwritable)?;
    let editor = editor()?;
    let status = std::process::Command::new("sh")
        .args(["-c", "exec $0 \"$1\"", &editor])
        .arg(Path::new(path))
        .status()
        .with_context(|| format!("{editor} cannot be started"))?;
    ensure!(status.success(), "nothing was sent: {editor} ended with {status}");
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn editor() -> anyhow::Result<String> {
    let named = ["VISUAL", "EDITOR"].into_iter().find_map(|name| std::env::var(name).ok().filter(|it| !it.is_empty()));
    named.context("neither VISUAL nor EDITOR names an editor; give the new body with --body FILE")
}
