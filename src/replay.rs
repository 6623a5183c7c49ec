//! What operators do with dead letters: see what a replay would come to, replay in growing steps, edit, discard, restore.
//! Above the outside worlds and the join path, because a letter is taken in the way the join path takes a delivery.

mod discard;
mod edit;
mod foreseen;
mod order;
mod outcomes;
mod run;
mod said;
mod sending;
mod tally;
mod way_back;

pub use discard::{MoveError, Moved, count, discard, restore};
pub use edit::{EditError, Edited, Link, edit, send_edited};
pub use foreseen::{Preview, Shown};
pub use order::{Order, USUAL_RATE};
pub use run::{Parts, Replay, Told};
pub use sending::ReplayError;
pub use tally::{Failure, Tally};
pub use way_back::{Ready, WayBack};
