//! The console: what operators see and do, as pages for people and as an API for scripts. Above the outside worlds and
//! beside the two halves, because it looks at all of them; nothing that serves requests depends on it.

mod access;
mod actions;
mod announced;
mod api;
mod call;
mod controls;
mod cookies;
mod cursor;
mod explained;
mod failure;
mod foreign;
mod guard;
mod letters;
mod listener;
mod live;
mod member_letters;
mod oldest;
mod pages;
mod parts;
mod repair;
mod server;
mod steps;
mod store;
mod timeline;
mod unanswered;
mod which;

pub use access::{Secret, digest_of};
pub use announced::explain;
pub use api::{Action, Requests, document};
pub use controls::SetControl;
pub use cursor::edge_of;
pub use explained::{Debt, Explained, proof};
pub use member_letters::{MemberLetter, MemberLetters, letters_of};
pub use parts::{Console, Parts};
pub use server::{bind, serve};
pub use steps::Step;
pub use timeline::{Entry, Record, Timeline, timeline};
