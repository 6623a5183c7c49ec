//! Why a request has no verdict, as far as the dead letters tell that were read last. Apart from what is on record: it is known
//! as of then, and not at all before somebody had them read.

use super::letters::{Pile, Snapshot};
use super::member_letters::MemberLetter;
use super::parts::Console;
use crate::domain::{MemberId, SiteId};
use crate::rabbitmq::dead_letters::{Letter, shown_id};
use crate::wire::instant;

/// Most letters of one request that are told.
const MOST_TOLD: usize = 10;
const ELSE: &str = "it waits on the retry ladder, was dead-lettered, was refused as unauthenticated, or is older than \
                    requests.retention";

/// A dead letter, and whom it is about, as far as it says.
#[derive(Clone, Debug)]
struct Died {
    letter: MemberLetter,
    site: Option<SiteId>,
    member: Option<MemberId>,
}

/// Which requests were among the dead letters that were read.
#[derive(Clone, Debug, Default)]
pub(super) struct AllDied(Vec<Died>);

/// What is known of a request without a verdict.
pub(super) struct Unanswered {
    /// In words, without its letters.
    pub(super) text: String,
    /// Its letters.
    pub(super) letters: Vec<MemberLetter>,
}

impl AllDied {
    /// Adds a letter.
    pub(super) fn add(&mut self, letter: &Letter) {
        // An id that is shown masked names no request: many would be shown alike.
        let request = letter.incoming.message_id.as_deref().filter(|id| shown_id(id) == **id);
        let (site, member) = letter.about();
        let letter = MemberLetter {
            id: letter.id.clone(),
            request_id: request.map(ToOwned::to_owned),
            reason: letter.reason.unwrap_or("unknown"),
            attempts: letter.attempts,
            history: letter.history_in_words(),
            first_seen: letter.first_seen.map(instant::text),
        };
        self.0.push(Died { letter, site, member });
    }

    fn of(&self, request: &str) -> impl Iterator<Item = &MemberLetter> {
        let letters = self.0.iter().map(|died| &died.letter);
        letters.filter(move |letter| letter.request_id.as_deref() == Some(request))
    }

    /// Those about a member; one whose body names no site may be.
    pub(super) fn about(&self, site: SiteId, member: MemberId) -> impl Iterator<Item = &MemberLetter> {
        let of_member = self.0.iter().filter(move |died| died.member == Some(member));
        of_member.filter(move |died| died.site.is_none_or(|named| named == site)).map(|died| &died.letter)
    }
}

impl Unanswered {
    fn new(request: &str, seen: Option<&Snapshot>) -> Self {
        let begin = format!("no verdict is recorded for request {request}: ");
        let Some(seen) = seen else {
            let text = format!("{begin}{ELSE}; nobody has had the dead letters read since this worker started");
            return Self { text, letters: Vec::new() };
        };
        let letters: Vec<_> = seen.died.of(request).take(MOST_TOLD).cloned().collect();
        let at = seen.read_at();
        let text = if letters.is_empty() {
            let (read, total) = (seen.read, seen.total);
            format!("{begin}{ELSE}; it is not among the {read} of {total} dead letters that were read at {at}")
        } else {
            format!("{begin}it was dead-lettered, as read at {at}")
        };
        Self { text, letters }
    }

    /// The same for the API, with where each letter is shown.
    pub(super) fn in_full(&self) -> String {
        let told = self.letters.iter().map(|letter| {
            let (id, words) = (&letter.id, letter.in_words());
            format!("letter {id}, {words}, at /api/v1/dead-letters/{id}")
        });
        std::iter::once(self.text.clone()).chain(told).collect::<Vec<_>>().join("; ")
    }
}

impl Console {
    /// Why this request has no verdict.
    pub(super) fn unanswered(&self, request: &str) -> Unanswered {
        Unanswered::new(request.trim(), self.letters.seen(Pile::Dead).as_deref())
    }
}
