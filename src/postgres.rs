//! PostgreSQL: the member records, the recorded verdicts, the outbox, what was announced, what operators did. The one user of
//! `sqlx`.

mod actions;
mod announcements;
mod audit;
mod commit;
mod controls;
mod failure;
mod load;
mod locked;
mod members;
mod migrate;
mod outbox;
mod preflight;
mod rehearsal;
mod requests;
mod resync;
mod rows;
mod search;
mod session;
mod sites;
mod suspects;

pub use actions::{Action, RecordedAction};
pub use announcements::{Announced, DecidedChange, Receipt};
pub use audit::{AuditPage, Audited, Place};
pub use commit::Ruling;
pub use controls::Terms;
pub use failure::StoreError;
pub use members::{Advanced, Taken};
pub use migrate::{Applied, MigrationError, migrate};
pub use outbox::{Claim, OutboxDepth, Paid, Side};
pub use preflight::{ServerFacts, preflight};
pub use rehearsal::{Rehearsal, RequestKey};
pub use requests::{Owed, Pruned, RecordedRequest};
pub use resync::{Cause, Causes, RequestPlace, ResyncPage};
pub use search::{EXAMINED, Edge, Found, Search};
pub use session::{Role, Session};
pub use suspects::{Fingerprint, Marks};

/// Every statement of the worker, by name: a test prepares each against the migrated schema.
pub const STATEMENTS: &[(&str, &str)] = &[
    ("load", load::LOAD),
    ("locked", locked::LOCKED),
    ("commit", commit::COMMIT),
    ("claim_events", outbox::CLAIM_EVENTS),
    ("claim_cache", outbox::CLAIM_CACHE),
    ("forget", outbox::FORGET),
    ("record_and_forget", outbox::RECORD_AND_FORGET),
    ("clear", outbox::CLEAR),
    ("release", outbox::RELEASE),
    ("verdicts", rehearsal::VERDICTS),
    ("probe", session::PROBE),
    ("import", members::IMPORT),
    ("advance", members::ADVANCE),
    ("page", members::PAGE),
    ("member", members::MEMBER),
    ("next_site", members::NEXT_SITE),
    ("set_gate", sites::SET_GATE),
    ("gate", sites::GATE),
    ("several_sites", sites::SEVERAL_SITES),
    ("controls", controls::CONTROLS),
    ("set_control", controls::SET_CONTROL),
    ("release_control", controls::RELEASE_CONTROL),
    ("recorded", requests::RECORDED),
    ("search_newest", search::NEWEST),
    ("search_older", search::OLDER),
    ("search_newest_edge", search::NEWEST_EDGE),
    ("search_older_edge", search::OLDER_EDGE),
    ("debt", outbox::DEBT),
    ("announced", announcements::ANNOUNCED),
    ("record_action", actions::RECORD_ACTION),
    ("actions", actions::ACTIONS),
    ("prune", requests::PRUNE),
    ("prune_announcements", announcements::PRUNE_ANNOUNCEMENTS),
    ("outbox_depth", outbox::DEPTH),
    ("stand_for", suspects::STAND_FOR),
    ("mark", suspects::MARK),
    ("unmark", suspects::UNMARK),
    ("unmark_process", suspects::UNMARK_PROCESS),
    ("prune_marks", suspects::PRUNE_MARKS),
    ("audit_page", audit::AUDIT_PAGE),
    ("audit_again", audit::AUDIT_AGAIN),
    ("audit_owe", audit::AUDIT_OWE),
    ("resync_page", resync::RESYNC_PAGE),
    ("causes", resync::CAUSES),
    ("count_members", resync::COUNT_MEMBERS),
    ("server_version", migrate::SERVER_VERSION),
    ("set_lock_limit", migrate::SET_LOCK_LIMIT),
    ("take_turn", migrate::TAKE_TURN),
    ("has_history", migrate::HAS_HISTORY),
    ("history", migrate::HISTORY),
    ("newest_applied", migrate::NEWEST_APPLIED),
    ("clock", preflight::CLOCK),
    ("server_facts", preflight::FACTS),
];
