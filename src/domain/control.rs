//! What operators set by hand, for the whole installation.

use std::fmt;

use time::OffsetDateTime;
use uuid::Uuid;

use super::SiteId;

/// Something that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Control {
    /// No requests are taken; they wait in their queue.
    PauseIntake,
    /// No events are published; they stay owed.
    PauseEvents,
    /// Nothing is written to the cache; it stays owed.
    PauseCache,
    /// PostgreSQL is left alone as in an outage; requests wait in their queue.
    PauseDatabase,
    /// Requests of this site wait on the retry ladder.
    HoldSite(SiteId),
    /// As many lanes, and as large batches, as somebody says.
    Bounds,
}

/// How many lanes and requests in a batch there are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Lanes that work, up to `join.lanes`.
    pub lanes: u16,
    /// Most requests in a batch, up to `join.batch_max`.
    pub batch: u16,
}

/// A control as it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What.
    pub control: Control,
    /// Of [`Control::Bounds`] alone.
    pub bounds: Option<Bounds>,
    /// By whom.
    pub who: String,
    /// Why, in their words.
    pub reason: String,
    /// Since when.
    pub since: OffsetDateTime,
    /// Until when, if not until it is released.
    pub expires_at: Option<OffsetDateTime>,
}

impl Control {
    /// Each kind that there is, as metrics name it.
    pub const KINDS: [&'static str; 6] =
        ["pause intake", "pause events", "pause cache", "pause database", "hold", "bounds"];

    /// What it is, without what it is for: the same for every site.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::PauseIntake => "pause intake",
            Self::PauseEvents => "pause events",
            Self::PauseCache => "pause cache",
            Self::PauseDatabase => "pause database",
            Self::HoldSite(_) => "hold",
            Self::Bounds => "bounds",
        }
    }

    /// The control that a name stands for.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "pause intake" => Some(Self::PauseIntake),
            "pause events" => Some(Self::PauseEvents),
            "pause cache" => Some(Self::PauseCache),
            "pause database" => Some(Self::PauseDatabase),
            "bounds" => Some(Self::Bounds),
            name => {
                let site = name.strip_prefix("hold ")?;
                // Only one way to write it, as it is the key.
                let id = Uuid::try_parse(site).ok().filter(|id| id.to_string() == site)?;
                Some(Self::HoldSite(SiteId(id)))
            }
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PauseIntake | Self::PauseEvents | Self::PauseCache | Self::PauseDatabase | Self::Bounds => {
                f.write_str(self.kind())
            }
            Self::HoldSite(site) => write!(f, "{} {site}", self.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Control;
    use crate::domain::SiteId;

    #[test]
    fn every_control_is_read_back_from_its_name_and_nothing_else_is_one() {
        let hold = Control::HoldSite(SiteId(Uuid::from_u128(7)));
        let pauses = [Control::PauseIntake, Control::PauseEvents, Control::PauseCache, Control::PauseDatabase];
        let controls: Vec<Control> = pauses.into_iter().chain([hold, Control::Bounds]).collect();
        for control in &controls {
            assert_eq!(Control::parse(&control.to_string()), Some(*control));
        }
        let kinds: Vec<&str> = controls.iter().copied().map(Control::kind).collect();
        assert_eq!(kinds, Control::KINDS);
        for name in ["", "pause", "hold", "hold x", "hold 00000000000000000000000000000007", "Bounds"] {
            assert_eq!(Control::parse(name), None, "{name}");
        }
    }
}
