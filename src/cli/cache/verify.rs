//! `cache verify`: what is wrong with the cache, counted by kind, with some ids of each.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Which, words};
use crate::announce::audit::{Fault, Finding, Terms};
use crate::cli::long::stopped;
use crate::cli::record::{Deed, said};
use crate::cli::{Context, signals};

/// So many members of each kind are named.
const EXAMPLES: u64 = 10;

const FAULTS: [Fault; 5] = [Fault::Missing, Fault::Behind, Fault::Different, Fault::Ahead, Fault::LeftOver];

/// What was found.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    members: u64,
    /// Members who are owed an entry, and were passed over.
    owed: u64,
    /// How many of each kind.
    faults: BTreeMap<&'static str, u64>,
    repaired: u64,
    /// Ids alone: no word of a profile.
    examples: Vec<Example>,
    done: bool,
    /// The first member who is not done, and the command that begins there.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
    #[serde(skip)]
    wrong: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Example {
    fault: &'static str,
    site_id: String,
    member_id: String,
}

/// Compares the cache with the record; `why` it is repaired, if it is.
pub(super) async fn run(which: Which, terms: Terms, why: Option<&str>, context: &Context) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    signals::stop_on_signal(&stop, "nothing is left half done")?;
    let target = which.target();
    let deed = |why| Deed { action: "cache.repair", target: &target, why };
    let deed = if terms.repair { Some(deed(said(why)?)) } else { None };
    if let Some(deed) = deed {
        deed.begins("ordered", context).await?;
    }
    let (mut walk, mut auditor, bar) = which.begin(context).await?;
    let mut report = Report { faults: FAULTS.map(|fault| (word(fault), 0)).into(), ..Report::default() };
    let work = walk.run(&mut auditor, &stop, async |auditor, records| {
        let (members, owed) = (records.len() as u64, records.iter().filter(|record| record.owed).count() as u64);
        let found = auditor.verify(records, terms).await?;
        report.members += members;
        report.owed += owed;
        for finding in found {
            report.take(finding, terms);
        }
        bar.set_position(report.members);
        Ok(())
    });
    let walked = work.await;
    bar.finish_and_clear();
    let next = walk.next();
    report.done = next.is_none();
    report.next = next.map(words);
    let again = |next| {
        let again = which.again("cache verify", next, context);
        again.flag("--repair", terms.repair).flag("--allow-missing", terms.allow_missing).option("--why", why).line()
    };
    report.resume = next.map(again);
    let walked = walked.map_err(anyhow::Error::from);
    if let Some(deed) = deed {
        deed.came_to(&came_to(&report), &walked, context).await;
    }
    context.output.result(&report, text)?;
    walked?;
    Ok(if report.done && report.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Report {
    fn take(&mut self, finding: Finding, terms: Terms) {
        let fault = word(finding.fault);
        let count = self.faults.entry(fault).or_default();
        *count += 1;
        if *count <= EXAMPLES {
            let (site_id, member_id) = (finding.place.site.to_string(), finding.place.member_id.to_string());
            self.examples.push(Example { fault, site_id, member_id });
        }
        match finding.fault {
            Fault::Missing if terms.allow_missing => {}
            Fault::Missing | Fault::Behind | Fault::Different | Fault::LeftOver if terms.repair => self.repaired += 1,
            // What is ahead stays so, repair or not: only the record can be set right, by an operator.
            Fault::Missing | Fault::Behind | Fault::Different | Fault::LeftOver | Fault::Ahead => self.wrong += 1,
        }
    }
}

/// The word in a result.
const fn word(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing => "missing",
        Fault::Behind => "behind",
        Fault::Different => "different",
        Fault::Ahead => "ahead",
        Fault::LeftOver => "leftOver",
    }
}

/// What a repair came to, for the record.
fn came_to(report: &Report) -> String {
    let Report { members, repaired, wrong, next, .. } = report;
    let stopped = next.as_ref().map(|next| format!(", stopped before {next}")).unwrap_or_default();
    format!("of {members} members {repaired} were set right, {wrong} are wrong still{stopped}")
}

fn text(report: &Report) -> String {
    let counts: Vec<String> = FAULTS
        .iter()
        .map(|fault| (word(*fault), report.faults.get(word(*fault)).copied().unwrap_or_default()))
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {}", spelt(word)))
        .collect();
    let found = if counts.is_empty() { "nothing is wrong".to_owned() } else { counts.join(", ") };
    let mut lines = vec![format!("{} members compared with their entries: {found}.", report.members)];
    let named =
        |Example { fault, site_id, member_id }: &Example| format!("  {:<10} {site_id} {member_id}", spelt(fault));
    lines.extend(report.examples.iter().map(named));
    if report.owed > 0 {
        lines.push(format!("{} are owed an entry and were passed over; a running worker writes it.", report.owed));
    }
    if report.repaired > 0 {
        lines.push(format!("{} are set right.", report.repaired));
    }
    if report.faults.get(word(Fault::Ahead)).is_some_and(|ahead| *ahead > 0) {
        lines.push("Entries that are ahead stay: after a restored backup run `members advance`.".to_owned());
    }
    lines.extend(report.resume.as_deref().map(stopped));
    lines.join("\n")
}

fn spelt(word: &str) -> &str {
    if word == "leftOver" { "left over" } else { word }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{EXAMPLES, FAULTS, Report};
    use crate::announce::audit::{Fault, Finding, Terms};
    use crate::domain::{MemberId, SiteId};
    use crate::postgres::Place;

    fn taken(fault: Fault, repair: bool, allow_missing: bool) -> (u64, u64) {
        let mut report = Report::default();
        let place = Place { site: SiteId(Uuid::nil()), member_id: MemberId(Uuid::nil()) };
        report.take(Finding { place, fault }, Terms { repair, allow_missing });
        (report.wrong, report.repaired)
    }

    #[test]
    fn everything_is_wrong_that_was_not_repaired_but_what_is_absent_may_be_allowed() {
        for fault in FAULTS {
            assert_eq!(taken(fault, false, false), (1, 0), "{fault:?}");
            let repaired = if fault == Fault::Ahead { (1, 0) } else { (0, 1) };
            assert_eq!(taken(fault, true, false), repaired, "{fault:?}");
            let allowed = if fault == Fault::Missing { (0, 0) } else { (1, 0) };
            assert_eq!(taken(fault, false, true), allowed, "{fault:?}");
        }
    }

    #[test]
    fn however_much_is_wrong_only_some_of_each_kind_are_named() {
        let mut report = Report::default();
        for number in 0..1_000 {
            for fault in FAULTS {
                let place = Place { site: SiteId(Uuid::nil()), member_id: MemberId(Uuid::from_u128(number)) };
                report.take(Finding { place, fault }, Terms::default());
            }
        }
        assert_eq!(report.examples.len() as u64, 5 * EXAMPLES);
        assert_eq!((report.wrong, report.faults["leftOver"]), (5_000, 1_000));
    }
}
